/*
 * load: see load.h.
 */
#include "profiler/latency/load.h"

#include <math.h>
#include <stdlib.h>

#define JUDGED_MIN 32u /* arrivals, for a batch to tell */
#define SHAPE_MIN  64u /* for all of them to */

/*
 * Of n clients that each wait, a share u of the time, for an answer, those in
 * flight are binomial: their variance is 1 - u of their mean, where it is all
 * of it in an open loop, and more behind a queue.
 */
#define DISPERSION_MAX 0.5
#define BUSY_MIN       0.5

struct look { /* at one batch */
	uint64_t from[LOAD_BATCH], to[LOAD_BATCH], took[LOAD_BATCH];
	uint64_t gaps[LOAD_BATCH];
	uint16_t in_flight[LOAD_BATCH]; /* at an arrival, it counted */
	uint32_t count, judged;
	uint64_t begin, end; /* all that is in flight then is in the batch */
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void sort(uint64_t *values, uint32_t count)
{
	qsort(values, count, sizeof(*values), by_value);
}

/* Distance of the quartiles, in medians; of sorted values. */
static double spread(const uint64_t *sorted, uint32_t count)
{
	double middle = (double)sorted[count / 2];
	double width =
		(double)(sorted[count - 1 - count / 4] - sorted[count / 4]);

	return middle > 0 ? width / middle : 0;
}

/*
 * Of those in flight at a time after the batch's last answer not all are in
 * it, and before its first answer those are not that ended until then.
 */
static void take(struct look *k, const struct load_span *batch, uint64_t count)
{
	uint64_t most;

	k->count = (uint32_t)count;
	for (uint32_t i = 0; i < k->count; i++) {
		k->from[i] = batch[i].from;
		k->to[i] = batch[i].to;
		k->took[i] = batch[i].to - batch[i].from;
	}
	sort(k->from, k->count);
	sort(k->to, k->count);
	sort(k->took, k->count);
	most = k->took[k->count - 1 - k->count / 10];
	k->begin = k->to[0];
	k->end = k->to[k->count - 1];
	k->end = k->end - k->begin > most ? k->end - most : k->begin;
}

static void count_in_flight(struct look *k)
{
	uint64_t last = 0;
	uint32_t ended = 0;

	k->judged = 0;
	for (uint32_t i = 0; i < k->count; i++) {
		while (ended < k->count && k->to[ended] <= k->from[i])
			ended++;
		if (k->from[i] < k->begin || k->from[i] > k->end)
			continue;
		if (k->judged)
			k->gaps[k->judged - 1] = k->from[i] - last;
		last = k->from[i];
		k->in_flight[k->judged++] =
			(uint16_t)(i >= ended ? i - ended + 1 : 1);
	}
}

/* As many, or fewer, were in flight at all but a few of the arrivals. */
static double clients(const struct look *k)
{
	uint32_t with[LOAD_BATCH + 1] = { 0 }, seen = 0, n = 0;

	for (uint32_t i = 0; i < k->judged; i++)
		with[k->in_flight[i]]++;
	while (n < LOAD_BATCH && seen < k->judged - k->judged / 50)
		seen += with[++n];
	return n;
}

/* Variance over mean of those that an arrival finds. */
static double dispersion(const struct look *k)
{
	double mean = 0, squares = 0;

	for (uint32_t i = 0; i < k->judged; i++)
		mean += (k->in_flight[i] - 1.0) / k->judged;
	for (uint32_t i = 0; i < k->judged; i++)
		squares += (k->in_flight[i] - 1.0 - mean) *
			   (k->in_flight[i] - 1.0 - mean) / k->judged;
	return mean > 0 ? squares / mean : 0;
}

/* Mean of those in flight between k->begin and k->end. */
static double busy(const struct look *k, const struct load_span *batch)
{
	double sum = 0;

	for (uint32_t i = 0; i < k->count; i++) {
		uint64_t from =
			batch[i].from > k->begin ? batch[i].from : k->begin;
		uint64_t to = batch[i].to < k->end ? batch[i].to : k->end;

		if (to > from)
			sum += (double)(to - from);
	}
	return sum / (double)(k->end - k->begin);
}

/*
 * A client that keeps to a timetable has as regular gaps as no waiting would
 * give, with answers that take now longer and now shorter.
 */
static bool is_paced(struct look *k)
{
	sort(k->gaps, k->judged - 1);
	return spread(k->gaps, k->judged - 1) < spread(k->took, k->count) / 2;
}

static bool judge(const struct load_span *batch, uint64_t count,
		  struct load_segment *out)
{
	struct look k;

	if (count < JUDGED_MIN)
		return false;
	take(&k, batch, count);
	count_in_flight(&k);
	if (k.judged < JUDGED_MIN || k.end <= k.begin)
		return false;
	*out = (struct load_segment) {
		.judged = k.judged,
		.clients = clients(&k),
	};
	out->cycle = out->clients * (double)(k.end - k.begin) / k.judged;
	out->closed = dispersion(&k) <= DISPERSION_MAX &&
		      busy(&k, batch) >= BUSY_MIN * out->clients &&
		      !is_paced(&k);
	return true;
}

static void keep(struct load *l, const struct load_segment *s)
{
	if (!l->stride)
		l->stride = 1;
	if (++l->batches % l->stride)
		return;
	if (l->segment_count >= LOAD_SEGMENTS) {
		for (uint32_t i = 0; i < LOAD_SEGMENTS / 2; i++)
			l->segments[i] = l->segments[2 * i + 1];
		l->segment_count = LOAD_SEGMENTS / 2;
		l->stride *= 2;
		if (l->batches % l->stride)
			return;
	}
	l->segments[l->segment_count++] = *s;
}

void load_add(struct load *l, uint64_t from, uint64_t to)
{
	struct load_segment s;

	l->batch[l->count++] = (struct load_span) { from < to ? from : to, to };
	if (l->count < LOAD_BATCH)
		return;
	if (judge(l->batch, l->count, &s))
		keep(l, &s);
	l->count = 0;
}

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, uint64_t count)
{
	qsort(values, count, sizeof(*values), by_double);
	return count % 2 ? values[count / 2]
			 : (values[count / 2 - 1] + values[count / 2]) / 2;
}

struct load_shape load_shape(const struct load *l)
{
	double clients[LOAD_SEGMENTS + 1], cycles[LOAD_SEGMENTS + 1];
	double waited = 0;
	struct load_shape shape = { 0 };
	struct load_segment s;
	uint64_t n = 0;

	for (uint64_t i = 0; i <= l->segment_count; i++) {
		if (i < l->segment_count)
			s = l->segments[i];
		else if (!judge(l->batch, l->count, &s))
			break;
		shape.judged += s.judged;
		if (!s.closed)
			continue;
		waited += s.judged;
		clients[n] = s.clients;
		cycles[n++] = s.cycle;
	}
	if (shape.judged < SHAPE_MIN)
		return shape;
	shape.kind = LOAD_OPEN;
	if (waited * 2 > shape.judged) {
		shape.kind = LOAD_CLOSED;
		shape.clients = median(clients, n);
		shape.cycle = median(cycles, n);
	}
	return shape;
}

bool load_sound(const struct load *l)
{
	if (l->count >= LOAD_BATCH || l->segment_count > LOAD_SEGMENTS)
		return false;
	for (uint64_t i = 0; i < l->count; i++)
		if (l->batch[i].from > l->batch[i].to)
			return false;
	for (uint64_t i = 0; i < l->segment_count; i++)
		if (!isfinite(l->segments[i].judged) ||
		    !isfinite(l->segments[i].clients) ||
		    !isfinite(l->segments[i].cycle))
			return false;
	return true;
}
