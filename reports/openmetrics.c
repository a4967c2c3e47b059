/*
 * OpenMetrics: the last state of the recording, for Prometheus and for files
 * that an exporter collects.
 *
 * Names are those that dashboards know (process_*, http_server_*) where there
 * are any.  Sizes in bytes, times in seconds; what was not read has no series.
 * Routes and sites are as many as the model has and the options allow, so the
 * number of series is bounded.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "profiler/analysis/verdict.h"
#include "reports/formats.h"
#include "reports/ledger.h"
#include "reports/metrics.h"
#include "reports/openmetrics.h"

#define SECONDS(ms) ((ms) / 1e3)

static double reading(uint64_t value)
{
	return value == LEDGER_UNREAD ? NAN : (double)value;
}

/* The last reading of @column in process @pid; NAN when there is none. */
static double last_of(const struct model *m, int32_t pid, const char *column)
{
	const struct ledger_column *c = ledger_column(column);

	for (uint32_t i = m->ledger_count; i-- > 0;) {
		uint64_t value = ledger_value(&m->ledger[i], c);

		if (m->ledger[i].pid == pid && value != LEDGER_UNREAD)
			return (double)value;
	}
	return NAN;
}

/* It was there at the end, or it is what the recording is about. */
static bool is_told(const struct model_process *p)
{
	return p->ended < 0 || p->is_main;
}

/* A value of each process. */
static void put_processes(struct metrics *x, const struct model *m,
			  const char *column, double unit)
{
	for (uint32_t i = 0; i < m->process_count; i++) {
		const struct model_process *p = &m->processes[i];

		if (!is_told(p))
			continue;
		metrics_label_count(x, "pid", p->pid);
		metrics_value(x, last_of(m, p->pid, column) * unit);
	}
}

static void put_cpu(struct metrics *x, const struct model *m)
{
	metrics_family(x, METRICS_COUNTER, "process_cpu_seconds",
		       "CPU time, user and system.");
	for (uint32_t i = 0; i < m->process_count; i++) {
		const struct model_process *p = &m->processes[i];

		if (!is_told(p))
			continue;
		metrics_label_count(x, "pid", p->pid);
		metrics_value(x, (last_of(m, p->pid, "cpu_user_ns") +
				  last_of(m, p->pid, "cpu_system_ns")) /
					 1e9);
	}
}

static void put_process_metrics(struct metrics *x, const struct model *m)
{
	metrics_family(x, METRICS_GAUGE, "process_resident_memory_bytes",
		       "Resident memory (RSS).");
	put_processes(x, m, "rss", 1);
	metrics_family(x, METRICS_GAUGE, "process_virtual_memory_bytes",
		       "Virtual memory.");
	put_processes(x, m, "vms", 1);
	put_cpu(x, m);
	metrics_family(x, METRICS_GAUGE, "process_open_fds",
		       "Open file descriptors.");
	put_processes(x, m, "fds", 1);
	metrics_family(x, METRICS_GAUGE, "process_max_fds",
		       "File descriptors that it may have open at most.");
	put_processes(x, m, "max_fds", 1);
	metrics_family(x, METRICS_GAUGE, "process_threads", "Threads.");
	put_processes(x, m, "threads", 1);
	metrics_family(x, METRICS_COUNTER, "process_context_switches",
		       "Context switches.");
	put_processes(x, m, "context_switches", 1);
	metrics_family(x, METRICS_COUNTER, "process_minor_page_faults",
		       "Page faults served from memory.");
	put_processes(x, m, "minor_faults", 1);
	metrics_family(x, METRICS_COUNTER, "process_major_page_faults",
		       "Page faults that read from a disk.");
	put_processes(x, m, "major_faults", 1);
	metrics_family(x, METRICS_GAUGE, "process_start_time_seconds",
		       "When the process began, since 1970.");
	for (uint32_t i = 0; i < m->process_count; i++) {
		const struct model_process *p = &m->processes[i];

		if (!is_told(p))
			continue;
		metrics_label_count(x, "pid", p->pid);
		metrics_value(x, (double)m->start_unix_ns / 1e9 + p->began);
	}
}

static void put_memory(struct metrics *x, const char *part, uint64_t bytes)
{
	metrics_label(x, "part", part);
	metrics_value(x, reading(bytes));
}

static void put_ledger(struct metrics *x, const struct model *m)
{
	struct ledger_split s;

	if (!ledger_split(m, &s))
		return;
	metrics_family(x, METRICS_GAUGE, "strandline_memory_bytes",
		       "Resident memory of the server by what it is used "
		       "for.");
	put_memory(x, "live", s.live);
	put_memory(x, "retained", s.retained);
	put_memory(x, "anonymous", s.anonymous);
	put_memory(x, "file", s.file);
	put_memory(x, "stacks", s.stacks);
	put_memory(x, "self", s.self);
}

static void put_heap(struct metrics *x, const struct model *m)
{
	const struct model_totals *t = &m->totals;
	/* Then the recording knows but some of the blocks. */
	bool sampled = m->mean_bytes > 0;
	double released = t->allocated.count - t->live.count;

	metrics_family(x, METRICS_GAUGE, "strandline_heap_live_bytes",
		       "Bytes in live blocks, all processes.");
	metrics_value(x, t->live.bytes);
	metrics_family(x, METRICS_GAUGE, "strandline_heap_peak_bytes",
		       "The most that was live at a time.");
	metrics_value(x, t->peak.bytes);
	metrics_family(x, METRICS_COUNTER, "strandline_heap_allocated_bytes",
		       "Bytes ever allocated.");
	metrics_value(x, t->allocated.bytes);
	metrics_family(x, METRICS_COUNTER, "strandline_heap_allocations",
		       "Blocks ever allocated.");
	metrics_value(x, sampled ? t->allocated.count : (double)t->allocations);
	metrics_family(x, METRICS_COUNTER, "strandline_heap_releases",
		       "Blocks ever released.");
	metrics_value(x, sampled ? fmax(released, 0) : (double)t->releases);
}

static void put_verdict(struct metrics *x, const struct verdict *v)
{
	if (!v)
		return;
	metrics_family(x, METRICS_STATESET, "strandline_verdict",
		       "What the recording says about leaks.");
	for (int c = 0; c < FINDING_CLASSES; c++) {
		metrics_label(x, "strandline_verdict",
			      finding_class_name((enum finding_class)c));
		metrics_value(x, v->class == (enum finding_class)c);
	}
	metrics_family(x, METRICS_GAUGE, "strandline_verdict_confidence_ratio",
		       "How sure the verdict is, 0 to 1.");
	metrics_value(x, v->confidence);
}

static void label_finding(struct metrics *x, const struct finding *f)
{
	metrics_label(x, "class", finding_class_name(f->class));
	metrics_label(x, "function", f->function);
	metrics_label(x, "file", f->file);
	metrics_label(x, "endpoint", f->endpoint);
	metrics_label(x, "fingerprint", f->fingerprint);
}

static void put_findings(struct metrics *x, const struct verdict *v)
{
	metrics_family(x, METRICS_GAUGE, "strandline_finding_bytes_per_request",
		       "Growth of a finding with each request.");
	for (size_t i = 0; v && i < v->finding_count; i++) {
		if (v->findings[i].suppressed)
			continue;
		label_finding(x, &v->findings[i]);
		metrics_value(x, v->findings[i].bytes_per_request.value);
	}
	metrics_family(x, METRICS_GAUGE, "strandline_finding_growth_per_second",
		       "Growth of a finding: bytes, threads or descriptors.");
	for (size_t i = 0; v && i < v->finding_count; i++) {
		if (v->findings[i].suppressed)
			continue;
		label_finding(x, &v->findings[i]);
		metrics_value(x, v->findings[i].bytes_per_second.value);
	}
}

static void put_losses(struct metrics *x, const struct model *m)
{
	metrics_family(x, METRICS_COUNTER, "strandline_lost",
		       "What could not be recorded, by reason.");
	for (uint32_t i = 0; i < m->loss_count; i++) {
		metrics_label(x, "reason", m->losses[i].reason);
		metrics_value(x, (double)m->losses[i].count);
	}
}

static void put_cost(struct metrics *x, const struct model_cost *c)
{
	metrics_family(x, METRICS_GAUGE, "strandline_self_memory_bytes",
		       "What the profiler holds: in the target at most, and "
		       "beside it.");
	metrics_label(x, "where", "target");
	metrics_value(x, c->self_bytes_peak);
	metrics_label(x, "where", "profiler");
	metrics_value(x, c->profiler_rss_bytes);
	metrics_family(x, METRICS_GAUGE, "strandline_self_cpu_ratio",
		       "What the profiler takes of one core.");
	metrics_label(x, "where", "target");
	metrics_value(x, c->target_cpu_pct < 0 ? NAN : c->target_cpu_pct / 100);
	metrics_label(x, "where", "profiler");
	metrics_value(x, c->profiler_cpu_pct / 100);
	metrics_family(x, METRICS_GAUGE, "strandline_self_startup_seconds",
		       "By how much the profiler delayed the start.");
	metrics_value(x, SECONDS(c->startup_ms));
	metrics_family(x, METRICS_GAUGE, "strandline_recording_bytes",
		       "The recording on disk.");
	metrics_value(x, c->recording_bytes);
}

static void put_recording(struct metrics *x, const struct model *m)
{
	metrics_family(x, METRICS_INFO, "strandline_recording",
		       "Which recording this is.");
	metrics_label(x, "name", m->name);
	metrics_label(x, "command", m->command);
	metrics_label(x, "host", m->host);
	metrics_label(x, "mode", m->mode);
	metrics_label(x, "version", m->version);
	metrics_value(x, 1);
	metrics_family(x, METRICS_GAUGE, "strandline_recording_seconds",
		       "How long it is.");
	metrics_value(x, m->duration);
}

int openmetrics_model(struct metrics *x, const struct model *m,
		      const struct report_options *opt)
{
	int rc;

	put_recording(x, m);
	put_process_metrics(x, m);
	put_ledger(x, m);
	put_heap(x, m);
	openmetrics_requests(x, m);
	put_verdict(x, opt->verdict);
	put_findings(x, opt->verdict);
	rc = openmetrics_sites(x, m, opt);
	put_losses(x, m);
	put_cost(x, &m->cost);
	return rc;
}

int report_openmetrics(const struct model *m, const struct report_options *opt,
		       struct buf *out)
{
	struct metrics x;
	int rc = metrics_init(&x, out, METRICS_OPENMETRICS), end;

	if (rc == 0)
		rc = openmetrics_model(&x, m, opt);
	end = metrics_fini(&x);
	return rc < 0 ? rc : end;
}
