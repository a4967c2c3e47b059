/*
 * fold: see fold.h.
 *
 * The peak is exact and costs O(1) an event: every time the total rises to a
 * new high the epoch moves on; a stack that changes later first freezes its
 * level, which is what it held at that high.
 */
#include "profiler/trace/fold.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/vec.h"
#include "profiler/trace/live.h"
#include "profiler/wire/record.h"
#include "profiler/wire/slab.h"

#define FIRST_WINDOW_NS 1000000000ULL
#define LATE_TICKS	5000 /* an ALLOC's stamp may precede its FREE's */
#define OWED		64

struct thread {
	struct fold_thread public;
	uint64_t last_addr;	    /* of its latest ALLOC; 0 after any other */
	struct live_block released; /* its latest FREE, for UNFREE */
};

struct mapping {
	uint64_t start, end;
	uint32_t stack;
};

struct owed { /* a FREE that an ALLOC of the same address overtook */
	uint64_t addr, ticks;
};

struct fold {
	const struct slab_file *header;
	struct live live;
	VEC(struct fold_stack) stacks;
	VEC(uint64_t) frozen; /* by stack: epoch its peak was frozen in */
	uint32_t *by_node;    /* node -> stack index + 1 */
	size_t by_node_len;
	VEC(struct thread) threads;
	size_t last_thread;
	VEC(struct fold_thread) threads_out;
	VEC(struct fold_window) windows;
	VEC(struct mapping) mappings; /* sorted, disjoint */
	struct owed owed[OWED];
	unsigned next_owed;
	uint64_t epoch;
	double ns_per_tick;
	double constant;
	struct fold_result result;
	double mapped, heap_grown;
};

static void sum_add(struct fold_sum *s, double size, double p, double sign)
{
	double w = 1 / p, v = (1 - p) * w * w;

	s->bytes += sign * size * w;
	s->count += sign * w;
	s->bytes_variance += sign * size * size * v;
	s->count_variance += sign * v;
}

struct fold *fold_new(const struct slab_file *header)
{
	struct fold *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->header = header;
	f->constant = (double)header->sample_constant;
	f->ns_per_tick = 1;
	if (header->clock == SLAB_CLOCK_TSC)
		f->ns_per_tick =
			header->later_ticks > header->start_ticks
				? (double)(header->later_monotonic_ns -
					   header->start_monotonic_ns) /
					  (double)(header->later_ticks -
						   header->start_ticks)
				: 1 / 3.0;
	f->result.window_ns = FIRST_WINDOW_NS;
	f->result.first_ns = header->start_monotonic_ns;
	f->result.last_ns = f->result.first_ns;
	if (live_init(&f->live) < 0) {
		free(f);
		return NULL;
	}
	return f;
}

void fold_free(struct fold *f)
{
	if (!f)
		return;
	live_fini(&f->live);
	vec_free(&f->stacks);
	vec_free(&f->frozen);
	vec_free(&f->threads);
	vec_free(&f->threads_out);
	vec_free(&f->windows);
	vec_free(&f->mappings);
	free(f->by_node);
	free(f);
}

static uint64_t to_ns(const struct fold *f, uint64_t ticks)
{
	int64_t since = (int64_t)(ticks - f->header->start_ticks);

	return f->header->start_monotonic_ns +
	       (uint64_t)(int64_t)((double)since * f->ns_per_tick);
}

static int node_room(struct fold *f, uint32_t node)
{
	size_t len = f->by_node_len ? f->by_node_len : 1024;
	uint32_t *grown;

	if (node < f->by_node_len)
		return 0;
	while (len <= node)
		len *= 2;
	grown = realloc(f->by_node, len * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + f->by_node_len, 0,
	       (len - f->by_node_len) * sizeof(*grown));
	f->by_node = grown;
	f->by_node_len = len;
	return 0;
}

/* The stack of @node, made at first sight; UINT32_MAX when out of memory. */
static uint32_t stack_of(struct fold *f, uint32_t node)
{
	struct fold_stack *s;

	if (node_room(f, node) < 0)
		return UINT32_MAX;
	if (f->by_node[node])
		return f->by_node[node] - 1;
	s = vec_push(&f->stacks);
	if (!s || !vec_push(&f->frozen))
		return UINT32_MAX;
	s->node = node;
	f->frozen.at[f->stacks.count - 1] = f->epoch;
	f->by_node[node] = (uint32_t)f->stacks.count;
	return (uint32_t)f->stacks.count - 1;
}

static struct thread *thread_of(struct fold *f, int32_t tid, uint64_t ticks)
{
	struct thread *t;

	if (f->last_thread < f->threads.count &&
	    f->threads.at[f->last_thread].public.tid == tid)
		return &f->threads.at[f->last_thread];
	for (size_t i = f->threads.count; i-- > 0;) {
		if (f->threads.at[i].public.tid != tid)
			continue;
		f->last_thread = i;
		return &f->threads.at[i];
	}
	t = vec_push(&f->threads);
	if (!t)
		return NULL;
	f->last_thread = f->threads.count - 1;
	t->public.tid = tid;
	t->public.began_ns = to_ns(f, ticks);
	return t;
}

/* Merge pairs until @index fits. */
static void widen(struct fold *f, uint64_t *index)
{
	while (*index >= FOLD_WINDOWS) {
		size_t half = (f->windows.count + 1) / 2;

		for (size_t i = 0; i < half; i++) {
			struct fold_window w = f->windows.at[2 * i];

			if (2 * i + 1 < f->windows.count) {
				const struct fold_window *b =
					&f->windows.at[2 * i + 1];

				w.allocated.bytes += b->allocated.bytes;
				w.allocated.count += b->allocated.count;
				w.released.bytes += b->released.bytes;
				w.released.count += b->released.count;
				w.live = b->live;
				w.mapped = b->mapped;
				w.heap_end = b->heap_end;
			}
			f->windows.at[i] = w;
		}
		f->windows.count = half;
		f->result.window_ns *= 2;
		*index /= 2;
	}
}

static void window_close(struct fold *f)
{
	struct fold_window *w;

	if (!f->windows.count)
		return;
	w = &f->windows.at[f->windows.count - 1];
	w->live = f->result.live;
	w->mapped = f->mapped;
	w->heap_end = f->heap_grown;
}

static struct fold_window *window_at(struct fold *f, uint64_t ns)
{
	uint64_t index = ns > f->result.first_ns ? (ns - f->result.first_ns) /
							   f->result.window_ns
						 : 0;

	if (index < f->windows.count)
		return &f->windows.at[f->windows.count - 1];
	window_close(f);
	widen(f, &index);
	while (f->windows.count <= index) {
		struct fold_window *w = vec_push(&f->windows);

		if (!w)
			return NULL;
		w->live = f->result.live;
		w->mapped = f->mapped;
		w->heap_end = f->heap_grown;
	}
	return &f->windows.at[f->windows.count - 1];
}

/* Before the live sum of @stack changes: keep what it was at the peak. */
static struct fold_stack *stack_change(struct fold *f, uint32_t stack)
{
	struct fold_stack *s = &f->stacks.at[stack];

	if (f->frozen.at[stack] != f->epoch) {
		s->peak = s->live;
		f->frozen.at[stack] = f->epoch;
	}
	return s;
}

static void block_end(struct fold *f, struct live_block *block,
		      struct fold_window *w, bool temporary)
{
	struct fold_stack *s = stack_change(f, block->stack);
	double size = (double)block->size, p = block->probability;

	sum_add(&s->live, size, p, -1);
	sum_add(&f->result.live, size, p, -1);
	sum_add(&f->result.released, size, p, 1);
	sum_add(&w->released, size, p, 1);
	if (temporary) {
		sum_add(&s->temporary, size, p, 1);
		sum_add(&f->result.temporary, size, p, 1);
	}
	live_remove(&f->live, block);
}

static void block_begin(struct fold *f, uint32_t stack, double size, double p)
{
	sum_add(&stack_change(f, stack)->live, size, p, 1);
	sum_add(&f->result.live, size, p, 1);
}

static void note_peak(struct fold *f, uint64_t ns)
{
	if (f->result.live.bytes <= f->result.peak.bytes)
		return;
	f->result.peak = f->result.live;
	f->result.peak_ns = ns;
	f->epoch++;
}

static int apply_alloc(struct fold *f, const struct fold_event *e,
		       struct thread *t, struct fold_window *w, uint64_t ns)
{
	double size = (double)e->size, p = 1;
	uint32_t stack = stack_of(f, e->node);
	struct live_block *older = live_find(&f->live, e->addr);
	struct fold_stack *s;

	if (stack == UINT32_MAX)
		return -ENOMEM;
	if (older) {
		block_end(f, older, w, false);
		f->owed[f->next_owed++ % OWED] =
			(struct owed) { e->addr, e->ticks };
	}
	if (e->mean > 0)
		p = -expm1(-(size + f->constant) / e->mean);
	f->result.mean_bytes = e->mean;
	f->result.allocations++;
	s = &f->stacks.at[stack];
	s->samples++;
	sum_add(&s->allocated, size, p, 1);
	sum_add(&f->result.allocated, size, p, 1);
	sum_add(&w->allocated, size, p, 1);
	sum_add(&t->public.allocated, size, p, 1);
	block_begin(f, stack, size, p);
	note_peak(f, ns);
	t->last_addr = e->addr;
	return live_add(&f->live,
			&(struct live_block) { e->addr, e->size, e->ticks,
					       stack, e->tid, p });
}

static bool was_overtaken(struct fold *f, const struct fold_event *e)
{
	for (unsigned i = 0; i < OWED; i++) {
		if (f->owed[i].addr != e->addr)
			continue;
		f->owed[i].addr = 0;
		return e->ticks - f->owed[i].ticks < LATE_TICKS;
	}
	return false;
}

static void apply_free(struct fold *f, const struct fold_event *e,
		       struct thread *t, struct fold_window *w)
{
	struct live_block *block = live_find(&f->live, e->addr);

	f->result.releases++;
	t->released.addr = 0;
	if (block && block->tid != e->tid && was_overtaken(f, e))
		return;
	if (!block) {
		f->result.inherited_releases++;
		return;
	}
	t->released = *block;
	block_end(f, block, w, t->last_addr == e->addr);
	t->last_addr = 0;
}

/* realloc failed: the block lives on as if nothing had happened. */
static int apply_unfree(struct fold *f, const struct fold_event *e,
			struct thread *t, struct fold_window *w)
{
	const struct live_block *b = &t->released;

	if (b->addr != e->addr || live_find(&f->live, e->addr))
		return 0;
	sum_add(&f->result.released, (double)b->size, b->probability, -1);
	sum_add(&w->released, (double)b->size, b->probability, -1);
	f->result.releases--;
	block_begin(f, b->stack, (double)b->size, b->probability);
	return live_add(&f->live, b);
}

static size_t mapping_at(const struct fold *f, uint64_t addr)
{
	size_t low = 0, high = f->mappings.count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (f->mappings.at[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low; /* the first that ends after @addr */
}

static int mapping_insert(struct fold *f, size_t at, uint64_t start,
			  uint64_t end, uint32_t stack)
{
	if (!vec_push(&f->mappings))
		return -ENOMEM;
	memmove(&f->mappings.at[at + 1], &f->mappings.at[at],
		(f->mappings.count - 1 - at) * sizeof(struct mapping));
	f->mappings.at[at] = (struct mapping) { start, end, stack };
	return 0;
}

static void mapping_drop(struct fold *f, size_t at)
{
	memmove(&f->mappings.at[at], &f->mappings.at[at + 1],
		(f->mappings.count - 1 - at) * sizeof(struct mapping));
	f->mappings.count--;
}

static int apply_unmap(struct fold *f, uint64_t start, uint64_t size)
{
	uint64_t end = start + size;
	size_t i = mapping_at(f, start);

	while (i < f->mappings.count && f->mappings.at[i].start < end) {
		struct mapping *m = &f->mappings.at[i], was = *m;
		uint64_t from = was.start > start ? was.start : start;
		uint64_t to = was.end < end ? was.end : end;

		f->stacks.at[was.stack].mapped -= (double)(to - from);
		f->mapped -= (double)(to - from);
		if (was.start < from && to < was.end) {
			m->end = from;
			return mapping_insert(f, i + 1, to, was.end, was.stack);
		}
		if (was.start < from) {
			m->end = from;
			i++;
		} else if (to < was.end) {
			m->start = to;
			return 0;
		} else {
			mapping_drop(f, i);
		}
	}
	return 0;
}

static int apply_map(struct fold *f, const struct fold_event *e)
{
	uint32_t stack = stack_of(f, e->node);
	uint64_t end = e->addr + ((e->size + 4095) & ~4095ULL);
	int rc;

	if (stack == UINT32_MAX)
		return -ENOMEM;
	if (end <= e->addr)
		return 0;
	rc = apply_unmap(f, e->addr, end - e->addr); /* MAP_FIXED replaces */
	if (rc < 0)
		return rc;
	f->stacks.at[stack].mapped += (double)(end - e->addr);
	f->mapped += (double)(end - e->addr);
	return mapping_insert(f, mapping_at(f, e->addr), e->addr, end, stack);
}

static int apply_brk(struct fold *f, const struct fold_event *e)
{
	uint32_t stack = stack_of(f, e->node);

	if (stack == UINT32_MAX)
		return -ENOMEM;
	f->stacks.at[stack].heap_grown += (double)e->grown;
	f->heap_grown += (double)e->grown;
	return 0;
}

int fold_apply(struct fold *f, const struct fold_event *e)
{
	struct thread *t = thread_of(f, e->tid, e->ticks);
	uint64_t ns = to_ns(f, e->ticks);
	struct fold_window *w = window_at(f, ns);

	if (!t || !w)
		return -ENOMEM;
	if (ns > f->result.last_ns)
		f->result.last_ns = ns;
	f->result.records++;
	if (!e->addr && e->type <= RECORD_UNFREE)
		return 0; /* damaged bytes; 0 marks an empty slot */
	switch (e->type) {
	case RECORD_ALLOC:
		return apply_alloc(f, e, t, w, ns);
	case RECORD_FREE:
		apply_free(f, e, t, w);
		return 0;
	case RECORD_UNFREE:
		return apply_unfree(f, e, t, w);
	case RECORD_MAP:
		return apply_map(f, e);
	case RECORD_UNMAP:
		return apply_unmap(f, e->addr, (e->size + 4095) & ~4095ULL);
	case RECORD_BRK:
		return apply_brk(f, e);
	case RECORD_EXIT:
		t->public.ended_ns = ns;
		return 0;
	case RECORD_NAME:
		memcpy(t->public.name, e->name, 15);
		return 0;
	default:
		return 0;
	}
}

static int by_node(const void *a, const void *b)
{
	const struct fold_stack *x = a, *y = b;

	return x->node < y->node ? -1 : x->node > y->node;
}

int fold_finish(struct fold *f)
{
	struct fold_result *r = &f->result;
	struct thread *t;

	window_close(f);
	for (size_t i = 0; i < f->stacks.count; i++)
		stack_change(f, (uint32_t)i);
	vec_foreach (&f->threads, t) {
		struct fold_thread *out = vec_push(&f->threads_out);

		if (!out)
			return -ENOMEM;
		*out = t->public;
	}
	if (f->stacks.count)
		qsort(f->stacks.at, f->stacks.count, sizeof(*f->stacks.at),
		      by_node);
	r->stacks = f->stacks.at;
	r->stack_count = f->stacks.count;
	r->windows = f->windows.at;
	r->window_count = f->windows.count;
	r->threads = f->threads_out.at;
	r->thread_count = f->threads_out.count;
	return 0;
}

const struct fold_result *fold_result(const struct fold *f)
{
	return &f->result;
}
