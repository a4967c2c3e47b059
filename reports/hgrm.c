/*
 * hgrm: the latencies of each endpoint as HdrHistogram writes percentiles, in
 * ms; its plotter reads the part of any endpoint.
 */
#include "profiler/base/buf.h"
#include "reports/formats.h"

int report_hgrm(const struct model *m, const struct report_options *opt,
		struct buf *out)
{
	(void)opt;
	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		const struct model_endpoint *p = &m->endpoints[i];

		if (p->percentiles)
			buf_printf(out, "#[%s %s]\n%s\n", p->method, p->route,
				   p->percentiles);
	}
	return buf_status(out);
}
