/*
 * CSV of the ledger: a row for each reading of each process, by time.  Sizes
 * in bytes, CPU time in nanoseconds; an empty cell was not read at that tick.
 * Where a kind was asked for, the sites that weigh something by it instead, or
 * the endpoints, or how their latencies went.
 * RFC 4180, CRLF included.
 */
#include <stddef.h>

#include "profiler/base/buf.h"
#include "reports/formats.h"
#include "reports/ledger.h"

void csv_text(struct buf *out, const char *text)
{
	buf_putc(out, '"');
	for (; text && *text; text++) {
		if (*text == '"')
			buf_putc(out, '"');
		buf_putc(out, *text);
	}
	buf_putc(out, '"');
}

int report_csv(const struct model *m, const struct report_options *opt,
	       struct buf *out)
{
	if (opt->endpoints)
		return csv_endpoints(m, opt, out);
	if (opt->course)
		return csv_course(m, opt, out);
	if (opt->by_kind)
		return csv_sites(m, opt, out);
	buf_puts(out, "t,pid");
	for (size_t c = 0; c < ledger_column_count; c++)
		buf_printf(out, ",%s", ledger_columns[c].name);
	buf_puts(out, "\r\n");
	for (uint32_t i = 0; i < m->ledger_count; i++) {
		const struct model_ledger_point *p = &m->ledger[i];

		buf_printf(out, "%.3f,%d", p->t, p->pid);
		for (size_t c = 0; c < ledger_column_count; c++) {
			uint64_t value = ledger_value(p, &ledger_columns[c]);

			buf_putc(out, ',');
			if (value != LEDGER_UNREAD)
				buf_printf(out, "%llu",
					   (unsigned long long)value);
		}
		buf_puts(out, "\r\n");
	}
	return buf_status(out);
}
