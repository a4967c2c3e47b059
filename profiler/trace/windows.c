/*
 * windows: the fold's levels over time.
 *
 * Nothing is done per window and stack: a stack closes the level of the
 * window it changed in last when it changes again in a later one, or at the
 * end.  When there are more windows than FOLD_WINDOWS, pairs are merged and
 * all are twice as wide, so the cost of an event stays O(1) amortised.
 *
 * A block is young while the window that it was born in is current; what is
 * not young when a window ends is at least one window old.
 */
#include "profiler/trace/fold_state.h"

static void put_level(struct fold *f, uint32_t index)
{
	struct stack *s = &f->stacks.at[index];
	struct fold_level *l = vec_push(&f->series.at[index].levels);

	if (!l) {
		f->failed = true;
		return;
	}
	f->level_count++;
	*l = (struct fold_level) {
		.window = s->window,
		.end = s->live.bytes,
		.low = s->low < s->live.bytes ? s->low : s->live.bytes,
		.old = s->young < s->live.bytes ? s->live.bytes - s->young : 0,
		.count = s->live.count,
		.allocated = s->allocated.bytes - s->window_allocated,
		.mapped = s->mapped,
		.descriptors = s->descriptors,
	};
}

static void close_level(struct fold *f, uint32_t index)
{
	struct stack *s = &f->stacks.at[index];

	if (s->window == WINDOW_NONE)
		return;
	put_level(f, index);
	s->window = WINDOW_NONE;
}

void windows_enter(struct fold *f, uint32_t index)
{
	struct stack *s = &f->stacks.at[index];

	close_level(f, index);
	s->window = f->core.window;
	s->low = s->live.bytes;
	s->young = 0;
	s->window_allocated = s->allocated.bytes;
}

static struct fold_sum since(const struct fold_sum *now,
			     const struct fold_sum *then)
{
	return (struct fold_sum) {
		now->bytes - then->bytes,
		now->bytes_variance - then->bytes_variance,
		now->count - then->count,
		now->count_variance - then->count_variance,
	};
}

static void put_window(struct fold *f, bool quiet)
{
	struct fold_core *c = &f->core;
	struct fold_window *w = vec_push(&f->windows);
	struct fold_sum released = fold_released(f);

	if (!w) {
		f->failed = true;
		return;
	}
	w->live = c->live;
	w->mapped = c->mapped;
	w->heap_end = c->heap_grown;
	if (quiet)
		return;
	w->allocated = since(&c->allocated, &c->window_allocated);
	w->released = since(&released, &c->window_released);
	c->window_allocated = c->allocated;
	c->window_released = released;
	w->requests = c->window_requests;
	w->errors = c->window_errors;
	c->window_requests = c->window_errors = 0;
}

static void add(struct fold_sum *to, const struct fold_sum *from)
{
	to->bytes += from->bytes;
	to->bytes_variance += from->bytes_variance;
	to->count += from->count;
	to->count_variance += from->count_variance;
}

static void merge_windows(struct fold *f)
{
	size_t count = f->windows.count, to = 0;

	for (size_t i = 0; i < count; i += 2, to++) {
		struct fold_window *a = &f->windows.at[i], w = *a;

		if (i + 1 < count) {
			w = a[1];
			add(&w.allocated, &a->allocated);
			add(&w.released, &a->released);
			w.requests += a->requests;
			w.errors += a->errors;
		}
		f->windows.at[to] = w;
	}
	f->windows.count = to;
}

/*
 * A window without a level holds what the one before ended with, all of it
 * old; so a level whose neighbour is missing stands for the pair unchanged.
 */
static void merge_levels(struct fold *f, struct series *s)
{
	size_t to = 0;

	for (size_t i = 0; i < s->levels.count; i++) {
		struct fold_level l = s->levels.at[i], *last;

		l.window /= 2;
		last = to ? &s->levels.at[to - 1] : NULL;
		if (last && last->window == l.window) {
			l.low = last->low < l.low ? last->low : l.low;
			l.old = last->old < l.old ? last->old : l.old;
			l.allocated += last->allocated;
			*last = l;
		} else {
			s->levels.at[to++] = l;
		}
	}
	f->level_count -= s->levels.count - to;
	s->levels.count = to;
}

/* Only between windows: the one that is about to begin is not in any pair. */
static void widen(struct fold *f)
{
	for (uint32_t i = 0; i < f->stacks.count; i++) {
		close_level(f, i);
		merge_levels(f, &f->series.at[i]);
	}
	merge_windows(f);
	requests_widen(&f->requests);
	f->core.window_ticks *= 2;
}

uint64_t windows_end(const struct fold_core *c, uint32_t index)
{
	uint64_t end;

	if (__builtin_mul_overflow(c->window_ticks, (uint64_t)index + 1,
				   &end) ||
	    __builtin_add_overflow(end, c->first_ticks, &end))
		return UINT64_MAX; /* damaged bytes only */
	return end;
}

static void begin(struct fold_core *c, uint32_t index)
{
	c->window = index;
	c->serial++;
	c->window_end = windows_end(c, index);
}

void windows_begin(struct fold *f, uint64_t first_ticks, uint64_t width)
{
	f->core.first_ticks = first_ticks;
	f->core.window_ticks = width;
	begin(&f->core, 0);
}

void windows_advance(struct fold *f, uint64_t ticks)
{
	struct fold_core *c = &f->core;
	uint64_t index = (ticks - c->first_ticks) / c->window_ticks;

	if (ticks == UINT64_MAX)
		return; /* the window that ends with time */
	put_window(f, false);
	while (!f->failed &&
	       (index >= FOLD_WINDOWS ||
		(index % 2 == 0 && f->level_count > LEVELS_MAX))) {
		widen(f);
		index /= 2;
		if (index < 2)
			break;
	}
	/* One number is left out, so that what was born before is not taken
	 * for the last window's. */
	c->serial += f->windows.count < index;
	while (!f->failed && f->windows.count < index)
		put_window(f, true);
	begin(c, (uint32_t)index);
}

void windows_finish(struct fold *f)
{
	put_window(f, false);
	for (uint32_t i = 0; i < f->stacks.count; i++)
		close_level(f, i);
}

void fold_levels(const struct fold_result *r, const struct fold_stack *s,
		 struct fold_level *out)
{
	struct fold_level now = { 0 };
	size_t next = 0;

	for (size_t w = 0; w < r->window_count; w++) {
		if (next < s->level_count && s->levels[next].window == w) {
			out[w] = now = s->levels[next++];
			now.low = now.old = now.end;
			now.allocated = 0;
		} else {
			out[w] = now;
		}
		out[w].window = (uint32_t)w;
	}
}
