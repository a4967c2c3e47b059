/*
 * csv_course: how the latency of each endpoint went: a row for each of its
 * windows with requests, by time.
 */
#include "profiler/base/buf.h"
#include "reports/formats.h"

static void put_moments(struct buf *out, const struct model *m,
			const struct model_endpoint *p)
{
	for (uint32_t w = 0; p->course && w < m->course_count; w++) {
		const struct model_moment *one = &p->course[w];

		if (!one->count)
			continue;
		csv_text(out, p->method);
		buf_putc(out, ',');
		csv_text(out, p->route);
		buf_printf(out, ",%.6g,%.6g,%llu,%.6g,%.6g,%.6g\r\n",
			   w * m->course_seconds, m->course_seconds,
			   (unsigned long long)one->count, one->p50_ms,
			   one->p95_ms, one->p99_ms);
	}
}

int csv_course(const struct model *m, const struct report_options *opt,
	       struct buf *out)
{
	buf_puts(out, "method,route,t,seconds,count,p50_ms,p95_ms,p99_ms\r\n");
	for (uint32_t i = 0;
	     i < m->endpoint_count && (!opt->top || i < opt->top); i++)
		put_moments(out, m, &m->endpoints[i]);
	return buf_status(out);
}
