/*
 * sample: when the next sample is due, and how dense samples should be.
 *
 * Poisson sampling over "cost" (size plus a constant): the distance between
 * samples is exponential with the mean in force, so an allocation of cost c
 * is sampled with probability 1 - exp(-c / mean), independently of all
 * others.  A thread keeps the mean that drew its present credit and records
 * it with the sample, so a change of mean never biases one.
 */
#include "preload/internal.h"
#include "preload/sys.h"

#define MEAN_MIN  (16u << 10) /* below it a sample costs more than it tells */
#define MEAN_MAX  (4u << 20)
#define MEAN_IDLE (16u << 20) /* how often an idle thread looks up */
/* Of the samples wanted: too few tell nothing. */
#define LEAST_SHARE 0.25

static uint64_t random_next(struct thread_state *ts)
{
	uint64_t x = ts->random; /* xorshift64*, never 0 */

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	ts->random = x;
	return x * 0x2545f4914f6cdd1dULL;
}

/*
 * -ln(u) for u = (r + 1/2) / 2^53, without libm.  u = m * 2^e with m in
 * [sqrt(1/2), sqrt(2)); ln m = 2 atanh((m-1)/(m+1)), whose argument is below
 * 0.172, so seven terms leave an error under 1e-12.
 */
static double exponential(uint64_t r)
{
	union {
		double d;
		uint64_t bits;
	} u = { .d = ((double)(r >> 11) + 0.5) * 0x1p-53 };
	int e = (int)(u.bits >> 52) - 1023;
	double m, z, z2, sum = 0;

	u.bits = (u.bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL;
	m = u.d;
	if (m > 1.4142135623730951) {
		m *= 0.5;
		e++;
	}
	z = (m - 1) / (m + 1);
	z2 = z * z;
	for (int k = 13; k >= 1; k -= 2)
		sum = sum * z2 + 1.0 / k;
	return -(2 * z * sum + e * 0.6931471805599453);
}

/* The next distance, in bytes of cost; also what an idle thread waits. */
int64_t sample_draw(struct thread_state *ts)
{
	const struct slab_control *c;

	if (!shim.file)
		return shim.late ? MEAN_IDLE : INT64_MAX;
	c = &shim.file->control;
	if (__atomic_load_n(&c->state, __ATOMIC_RELAXED) != SLAB_RECORDING)
		return MEAN_IDLE;
	ts->mean = __atomic_load_n(&c->mean_bytes, __ATOMIC_RELAXED);
	return (int64_t)(exponential(random_next(ts)) * (double)ts->mean);
}

/*
 * Samples a second that are wanted of a process that ran for @cpu_ns out of
 * @wall_ns: control.samples_per_second where it ran all the time, fewer where
 * it waited or got no CPU.  So they are as dense in what it does, and cost it
 * as little of its time, whatever else the machine does.
 */
static double samples_wanted(uint64_t cpu_ns, uint64_t wall_ns)
{
	double most = shim.file->control.samples_per_second;
	double share = (double)cpu_ns / (double)(wall_ns + 1);

	return most * (share < LEAST_SHARE ? LEAST_SHARE
		       : share > 1	   ? 1
					   : share);
}

/* Since the last call, of all threads. */
static uint64_t cpu_used(void)
{
	uint64_t now = sys_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t before =
		__atomic_exchange_n(&shim.window_cpu_ns, now, __ATOMIC_RELAXED);

	return now < before ? now : now - before; /* a fork's begins anew */
}

/*
 * Hold the samples wanted by moving the mean, at most by a factor of two each
 * tenth of a second.  Whoever takes the sample that ends the tenth does it; a
 * lost race costs one correction.
 */
void sample_taken(uint64_t ticks)
{
	struct slab_control *c = &shim.file->control;
	uint64_t began = __atomic_load_n(&shim.window_ticks, __ATOMIC_RELAXED);
	uint64_t samples =
		__atomic_add_fetch(&shim.window_samples, 1, __ATOMIC_RELAXED);
	uint64_t mean;
	double seconds, factor;

	if (!c->rate_auto || !c->samples_per_second)
		return;
	if (ticks - began < shim.second_ticks / 10 &&
	    samples < c->samples_per_second / 5)
		return;
	if (!__atomic_compare_exchange_n(&shim.window_ticks, &began, ticks,
					 false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&shim.window_samples, 0, __ATOMIC_RELAXED);
	seconds = (double)(ticks - began + 1) / (double)shim.second_ticks;
	factor = (double)samples /
		 (samples_wanted(cpu_used(), (uint64_t)(seconds * 1e9)) *
		  seconds);
	factor = factor > 2 ? 2 : factor < 0.5 ? 0.5 : factor;
	mean = (uint64_t)((double)c->mean_bytes * factor);
	mean = mean < MEAN_MIN ? MEAN_MIN : mean > MEAN_MAX ? MEAN_MAX : mean;
	__atomic_store_n(&c->mean_bytes, mean, __ATOMIC_RELAXED);
}
