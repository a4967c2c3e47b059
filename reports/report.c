/*
 * report: the table of formats.
 */
#include "reports/report.h"

#include <string.h>

#include "reports/formats.h"
#include "reports/html.h"

const struct report_format report_formats[] = {
	{ "text", "a summary for the terminal", report_text, NULL },
	{ "json", "everything, by reports/schema.json", report_json, NULL },
	{ "folded", "stacks and bytes, for flame graph tools", report_folded,
	  NULL },
	{ "svg", "a flame graph for the browser", report_svg, NULL },
	{ "html", "a page for the browser, with everything", report_html,
	  html_missing },
	{ "md", "a summary for a merge request or a ticket", report_md, NULL },
	{ "csv", "the memory ledger, a line per reading; with -k the sites",
	  report_csv, NULL },
	{ "pprof", "the heap, for pprof and what takes its files", report_pprof,
	  NULL },
	{ "speedscope", "stacks of every kind, for www.speedscope.app",
	  report_speedscope, NULL },
	{ "hgrm", "latency percentiles by endpoint, as HdrHistogram's text",
	  report_hgrm, NULL },
	{ "openmetrics", "the last state, for Prometheus", report_openmetrics,
	  NULL },
	{ NULL, NULL, NULL, NULL },
};

const struct report_format *report_format_find(const char *name)
{
	for (const struct report_format *f = report_formats; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

/* Probes see no blocks but with --heap: what they saw of pages, else of time.
 */
static enum model_kind probed_kind(const struct model *m)
{
	double time = 0;

	if (m->totals.live.bytes > 0)
		return MODEL_LIVE;
	for (uint32_t i = 0; i < m->site_count; i++) {
		if (m->sites[i].paged)
			return MODEL_RSS;
		time += m->sites[i].cpu;
	}
	return time > 0 ? MODEL_CPU : MODEL_LIVE;
}

enum model_kind report_default_kind(const struct model *m)
{
	double live = m->totals.live.bytes;
	double held = m->live_trend.final > m->live_trend.baseline
			      ? m->live_trend.final
			      : m->live_trend.baseline;

	if (m->mode && strcmp(m->mode, "probes") == 0)
		return probed_kind(m);
	/* The ledger's last reading was taken before the end, or all but; or
	 * amid it, where a server takes seconds to end. */
	return m->totals.peak.bytes > 0 && (live <= 0 || live < held / 2)
		       ? MODEL_PEAK
		       : MODEL_LIVE;
}

static bool has_kind(const struct model *m, enum model_kind kind)
{
	for (uint32_t i = 0; i < m->site_count; i++)
		if (model_site_weight(&m->sites[i], kind) != 0)
			return true;
	return false;
}

const char *report_kind_missing(const struct model *m, enum model_kind kind)
{
	bool probes = m->mode && strcmp(m->mode, "probes") == 0;

	if (has_kind(m, kind))
		return NULL;
	switch (kind) {
	case MODEL_CPU:
	case MODEL_OFFCPU:
	case MODEL_WALL:
		return probes ? NULL
			      : "times are taken by strandline run --probe "
				"cpu,offcpu and by attach --with bpf";
	case MODEL_TEMPORARY:
		if (m->mean_bytes > 0)
			return "samples do not tell what is freed at once; "
			       "strandline run --mode exact does";
		break;
	default:
		break;
	}
	/* With attach --heap there may be none left. */
	return probes && kind != MODEL_RSS && !has_kind(m, MODEL_ALLOC)
		       ? "probes saw pages and time, not the heap; strandline "
			 "run or attach --with inject records that"
		       : NULL;
}

bool report_hides(const struct report_options *opt,
		  const struct model_frame *frame)
{
	if (frame->kind == FRAME_MARKER)
		return false;
	if (opt->native_only)
		return frame->kind == FRAME_PYTHON;
	return opt->python_only && frame->kind != FRAME_PYTHON;
}
