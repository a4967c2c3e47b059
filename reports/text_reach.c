/*
 * text_reach: what the scans for blocks that nothing refers to have found.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/reach.h"
#include "reports/sites.h"
#include "reports/text.h"

#define DEFAULT_COLUMNS 80u
#define DEFAULT_TOP	10u

struct sums {
	double bytes, count, twice_bytes;
	double pause_ms, freed_count;
};

static struct sums add_up(const struct model *m)
{
	struct sums s = { 0 };

	for (uint32_t i = 0; i < m->site_count; i++) {
		const struct model_site *site = &m->sites[i];

		if (site->unreachable.bytes <= 0)
			continue;
		s.bytes += site->unreachable.bytes;
		s.count += site->unreachable.count;
		s.twice_bytes += site->unreachable.twice_bytes;
	}
	for (uint32_t i = 0; i < m->scan_count; i++) {
		if (m->scans[i].pause_ms > s.pause_ms)
			s.pause_ms = m->scans[i].pause_ms;
		s.freed_count += m->scans[i].freed_count;
	}
	return s;
}

static void put_found(struct buf *line, const struct sums *s)
{
	char bytes[UNITS_TEXT_MAX], count[UNITS_TEXT_MAX];
	char twice[UNITS_TEXT_MAX];

	if (s->count <= 0) {
		buf_puts(line, "every block is referred to");
		return;
	}
	buf_printf(line, "%s in %s block%s nothing refers to",
		   units_format_bytes(bytes, s->bytes),
		   units_format_count(count, (uint64_t)(s->count + 0.5)),
		   s->count < 1.5 ? "" : "s");
	if (s->twice_bytes > 0)
		buf_printf(line, ", %s of it in the scan before, too",
			   units_format_bytes(twice, s->twice_bytes));
}

void text_reach(const struct layout *l, const struct model *m)
{
	struct sums s = add_up(m);
	const struct model_scan *last;
	char count[UNITS_TEXT_MAX], at[UNITS_TEXT_MAX], pause[UNITS_TEXT_MAX];
	struct buf line = BUF_INIT;

	if (!m->scan_count)
		return;
	last = &m->scans[m->scan_count - 1];
	put_found(&line, &s);
	buf_printf(&line,
		   "; %u scan%s, the last at %s of %s blocks; the server stood "
		   "still for %s at most",
		   m->scan_count, m->scan_count == 1 ? "" : "s",
		   units_format_duration(at, last->t * 1e9),
		   units_format_count(count, (uint64_t)last->blocks),
		   units_format_duration(pause, s.pause_ms * 1e6));
	if (s.freed_count > 0)
		buf_printf(&line,
			   "; %s found before were released since, so their "
			   "sites hide pointers and are left out",
			   units_format_count(count,
					      (uint64_t)(s.freed_count + 0.5)));
	if (line.failed)
		l->out->failed = true;
	else
		text_labelled(l, "reach",
			      s.count > 0 ? LAYOUT_ALARM : LAYOUT_PLAIN,
			      line.bytes);
	buf_free(&line);
}

static int by_bytes(const void *a, const void *b)
{
	const struct model_site *x = *(const struct model_site *const *)a;
	const struct model_site *y = *(const struct model_site *const *)b;

	if (x->unreachable.bytes != y->unreachable.bytes)
		return x->unreachable.bytes > y->unreachable.bytes ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

static void put_site(const struct layout *l, const struct model *m,
		     const struct report_options *opt,
		     const struct model_site *site)
{
	uint32_t blamed = sites_blamed(m, opt, site);
	const struct model_frame *f =
		blamed == MODEL_NONE ? NULL : &m->frames[blamed];
	char bytes[UNITS_TEXT_MAX], count[UNITS_TEXT_MAX], text[600];
	const char *file = f && f->file ? f->file : f ? f->module : "";
	const char *slash = strrchr(file, '/');

	snprintf(text, sizeof(text), "%s in %s block%s%s: %s",
		 units_format_bytes(bytes, site->unreachable.bytes),
		 units_format_count(count,
				    (uint64_t)(site->unreachable.count + 0.5)),
		 site->unreachable.count < 1.5 ? "" : "s",
		 site->unreachable.twice_bytes > 0 ? ", definite" : "",
		 f ? f->function : "[hidden]");
	if (f && f->line)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 " (%s:%u)", slash ? slash + 1 : file, f->line);
	text_labelled(l, "", LAYOUT_PLAIN, text);
}

int report_reach(const struct model *m, const struct report_options *opt,
		 struct buf *out)
{
	struct layout l = {
		.out = out,
		.columns = opt->columns ? opt->columns : DEFAULT_COLUMNS,
		.color = opt->color,
	};
	unsigned top = opt->top ? opt->top : DEFAULT_TOP;
	const struct model_site **sites =
		malloc((m->site_count + 1) * sizeof(const void *));
	uint32_t count = 0;

	if (!sites)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->site_count; i++)
		if (m->scan_count && m->sites[i].unreachable.count > 0)
			sites[count++] = &m->sites[i];
	qsort(sites, count, sizeof(const void *), by_bytes);
	text_reach(&l, m);
	for (uint32_t i = 0; i < count && i < top; i++)
		put_site(&l, m, opt, sites[i]);
	if (count > top) {
		char text[64];

		snprintf(text, sizeof(text), "and %u other places",
			 count - top);
		text_labelled(&l, "", LAYOUT_FAINT, text);
	}
	free(sites);
	return buf_status(out);
}
