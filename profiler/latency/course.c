/*
 * course: see course.h.
 *
 * Bucket 0 is all below 1,024 ns; then each doubling from 2^e to twice that
 * has 16 buckets of equal width.
 */
#include "profiler/latency/course.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/latency/histo.h"

#define LOG2_FIRST 10u
#define LOG2_STEPS 4u
#define STEPS	   (1u << LOG2_STEPS)

static uint16_t bucket_of(uint64_t ns)
{
	unsigned e = 63u - (unsigned)__builtin_clzll(ns | 1);

	if (e < LOG2_FIRST)
		return 0;
	return (uint16_t)(1 + (e - LOG2_FIRST) * STEPS +
			  ((ns >> (e - LOG2_STEPS)) & (STEPS - 1)));
}

/* Where bucket @b begins; the next one's is where it ends. */
static double bucket_low(unsigned b)
{
	unsigned e;

	if (b == 0)
		return 0;
	e = (b - 1) / STEPS + LOG2_FIRST;
	return (double)((uint64_t)(STEPS + (b - 1) % STEPS)
			<< (e - LOG2_STEPS));
}

void course_fini(struct course *c)
{
	vec_free(&c->cells);
}

static int order(const struct course_cell *x, const struct course_cell *y)
{
	if (x->window != y->window)
		return x->window < y->window ? -1 : 1;
	return (x->bucket > y->bucket) - (x->bucket < y->bucket);
}

/* The first cell that is not before @key. */
static size_t place_of(const struct course *c, const struct course_cell *key)
{
	size_t low = 0, high = c->cells.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (order(&c->cells.at[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_count(struct course_cell *c, uint32_t n)
{
	if (__builtin_add_overflow(c->count, n, &c->count))
		c->count = UINT32_MAX;
}

static int by_order(const void *a, const void *b)
{
	return order(a, b);
}

size_t course_join(struct course_cell *cells, size_t count)
{
	size_t kept = 0;

	if (count)
		qsort(cells, count, sizeof(*cells), by_order);
	for (size_t i = 0; i < count; i++) {
		if (kept && order(&cells[kept - 1], &cells[i]) == 0)
			add_count(&cells[kept - 1], cells[i].count);
		else
			cells[kept++] = cells[i];
	}
	return kept;
}

static void join_windows(struct course *c)
{
	struct course_cell *cell;

	vec_foreach (&c->cells, cell)
		cell->window /= 2;
	c->cells.count = course_join(c->cells.at, c->cells.count);
}

void course_widen(struct course *c)
{
	if (c->shift)
		c->shift--;
	else
		join_windows(c);
}

static bool insert(struct course *c, size_t place,
		   const struct course_cell *cell)
{
	if (!vec_push(&c->cells))
		return false;
	memmove(&c->cells.at[place + 1], &c->cells.at[place],
		(c->cells.count - 1 - place) * sizeof(*cell));
	c->cells.at[place] = *cell;
	return true;
}

bool course_add(struct course *c, uint32_t window, uint64_t ns)
{
	struct course_cell cell = { .bucket = bucket_of(ns), .count = 1 };
	size_t place;

	if (ns > HISTO_MAX_NS || window >= COURSE_WINDOWS)
		return true;
	cell.window = (uint16_t)(window >> c->shift);
	place = place_of(c, &cell);
	if (place < c->cells.count && order(&c->cells.at[place], &cell) == 0) {
		add_count(&c->cells.at[place], 1);
		return true;
	}
	if (c->cells.count == COURSE_CELLS && c->shift < COURSE_SHIFT_MAX) {
		join_windows(c);
		c->shift++;
		return course_add(c, window, ns);
	}
	return insert(c, place, &cell);
}

bool course_sound(const struct course *c)
{
	if (c->cells.count > COURSE_CELLS || c->shift > COURSE_SHIFT_MAX)
		return false;
	for (size_t i = 0; i < c->cells.count; i++) {
		const struct course_cell *cell = &c->cells.at[i];

		if (cell->window >= COURSE_WINDOWS ||
		    cell->bucket >= COURSE_BUCKETS || !cell->count ||
		    (i && order(cell - 1, cell) >= 0))
			return false;
	}
	return true;
}

uint64_t course_count(const struct course_cell *cells, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += cells[i].count;
	return sum;
}

double course_quantile(const struct course_cell *cells, size_t count, double q)
{
	double rank = q * (double)course_count(cells, count), seen = 0;

	for (size_t i = 0; i < count; i++) {
		seen += (double)cells[i].count;
		if (seen >= rank || i + 1 == count)
			return (bucket_low(cells[i].bucket) +
				bucket_low(cells[i].bucket + 1u)) /
			       2;
	}
	return 0;
}
