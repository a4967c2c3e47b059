/*
 * text_reach: what the scans for blocks that nothing refers to have found.
 */
#include <stdio.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/text.h"

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
