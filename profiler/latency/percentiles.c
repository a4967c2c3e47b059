/*
 * percentiles: a histogram as HdrHistogram's text; see histo.h.
 */
#include <math.h>

#include "profiler/base/buf.h"
#include "profiler/latency/histo.h"

#define NS_PER_MS 1e6

static double deviation(const struct histo *h)
{
	double mean = histo_mean(h), squares = 0;
	struct histo_bucket b;

	for (uint32_t pos = 0; histo_next(h, &pos, &b);) {
		double off = ((double)b.low + (double)b.high) / 2 - mean;

		squares += off * off * (double)b.count;
	}
	return histo_count(h) ? sqrt(squares / (double)histo_count(h)) : 0;
}

/* From @percent on, @ticks lines for each halving of the rest up to 100. */
static double next_percent(double percent, unsigned ticks)
{
	double halvings = floor(log2(100 / (100 - percent))) + 1;

	return percent + 100 / (ticks * exp2(halvings));
}

static void put_line(struct buf *out, double ns, double percent, uint64_t count)
{
	buf_printf(out, "%12.3f %2.12f %10llu", ns / NS_PER_MS, percent / 100,
		   (unsigned long long)count);
	if (percent < 100)
		buf_printf(out, " %14.2f", 100 / (100 - percent));
	buf_putc(out, '\n');
}

static void put_lines(const struct histo *h, unsigned ticks, struct buf *out)
{
	double total = (double)histo_count(h), percent = 0;
	struct histo_bucket b;
	uint64_t count = 0;

	for (uint32_t pos = 0; histo_next(h, &pos, &b);) {
		count += b.count;
		if (count == histo_count(h))
			break;
		while ((double)count >= percent / 100 * total) {
			put_line(out, (double)b.high, percent, count);
			percent = next_percent(percent, ticks);
		}
	}
	if (count)
		put_line(out, (double)histo_max(h), 100, count);
}

void histo_percentiles(const struct histo *h, unsigned ticks, struct buf *out)
{
	buf_printf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile",
		   "TotalCount", "1/(1-Percentile)");
	put_lines(h, ticks, out);
	buf_printf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n",
		   histo_mean(h) / NS_PER_MS, deviation(h) / NS_PER_MS);
	buf_printf(out, "#[Max     = %12.3f, Total count    = %12llu]\n",
		   (double)histo_max(h) / NS_PER_MS,
		   (unsigned long long)histo_count(h));
	buf_printf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n", 32, 2048);
}
