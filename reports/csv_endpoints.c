/*
 * csv_endpoints: a row for each endpoint, most requests first.  An empty cell
 * is not known.
 */
#include <math.h>

#include "profiler/analysis/drift.h"
#include "profiler/base/buf.h"
#include "reports/formats.h"
#include "reports/rating.h"

static void put_reals(struct buf *out, const double *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_putc(out, ',');
		if (isfinite(values[i]))
			buf_printf(out, "%.6g", values[i]);
	}
}

static struct drift drift_found(const struct model *m,
				const struct model_endpoint *p)
{
	struct drift d;

	drift_of(&d, m, p);
	return d;
}

static void put_endpoint(struct buf *out, const struct model *m,
			 const struct report_options *opt,
			 const struct model_endpoint *p)
{
	const struct drift drift = drift_found(m, p);
	bool closed = m->load.kind == MODEL_LOAD_CLOSED;
	const double figures[] = {
		p->p50_ms,
		p->p95_ms,
		p->p99_ms,
		p->max_ms,
		closed ? p->corrected.p50_ms : NAN,
		closed ? p->corrected.p95_ms : NAN,
		closed ? p->corrected.p99_ms : NAN,
		p->ttfb_p50_ms,
		p->ttfb_p95_ms,
		p->gap_p95_ms,
		p->queue_p95_ms,
		p->alloc_bytes_per_request,
		p->retained_bytes_per_request,
		p->retained_margin,
		drift.ms_per_minute,
		drift.p_value,
	};
	enum rating rating = rating_of(opt->checks, p);

	csv_text(out, p->method);
	buf_putc(out, ',');
	csv_text(out, p->route);
	buf_printf(out, ",%llu,%llu,%llu,%llu", (unsigned long long)p->count,
		   (unsigned long long)p->errors, (unsigned long long)p->cut,
		   (unsigned long long)p->streamed);
	put_reals(out, figures, sizeof(figures) / sizeof(figures[0]));
	buf_printf(out, ",%s,%s\r\n", drift_name(drift.class),
		   rating == RATING_NONE ? "" : rating_name(rating));
}

int csv_endpoints(const struct model *m, const struct report_options *opt,
		  struct buf *out)
{
	buf_puts(out,
		 "method,route,count,errors,cut,streamed,p50_ms,p95_ms,"
		 "p99_ms,max_ms,corrected_p50_ms,corrected_p95_ms,"
		 "corrected_p99_ms,ttfb_p50_ms,ttfb_p95_ms,gap_p95_ms,"
		 "queue_p95_ms,alloc_bytes_per_request,"
		 "retained_bytes_per_request,retained_margin,"
		 "p95_ms_per_minute,p95_trend_p_value,p95_trend,rating\r\n");
	for (uint32_t i = 0;
	     i < m->endpoint_count && (!opt->top || i < opt->top); i++)
		put_endpoint(out, m, opt, &m->endpoints[i]);
	return buf_status(out);
}
