#include "profiler/trace/ticks.h"

#define USUAL_TICKS_PER_NS 3.0 /* until the header has its second pair */

double ticks_per_ns(const struct slab_file *h)
{
	double slope;

	if (h->clock == SLAB_CLOCK_MONOTONIC)
		return 1;
	if (h->later_ticks <= h->start_ticks ||
	    h->later_monotonic_ns <= h->start_monotonic_ns)
		return USUAL_TICKS_PER_NS;
	slope = (double)(h->later_ticks - h->start_ticks) /
		(double)(h->later_monotonic_ns - h->start_monotonic_ns);
	return slope >= 0.1 && slope <= 20 ? slope : USUAL_TICKS_PER_NS;
}

/* @from + @by, held inside of what a time can be. */
static uint64_t offset(uint64_t from, double by)
{
	if (by >= 0x1p63 || by <= -0x1p63)
		return by > 0 ? UINT64_MAX : 0;
	return from + (uint64_t)(int64_t)by;
}

uint64_t ticks_to_ns(const struct slab_file *h, uint64_t ticks)
{
	int64_t since = (int64_t)(ticks - h->start_ticks);

	if (h->clock == SLAB_CLOCK_MONOTONIC)
		return ticks;
	return offset(h->start_monotonic_ns, (double)since / ticks_per_ns(h));
}

uint64_t ticks_from_ns(const struct slab_file *h, uint64_t ns)
{
	int64_t since = (int64_t)(ns - h->start_monotonic_ns);

	if (h->clock == SLAB_CLOCK_MONOTONIC)
		return ns;
	return offset(h->start_ticks, (double)since * ticks_per_ns(h));
}
