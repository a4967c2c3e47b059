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

#include "profiler/trace/fold_state.h"
#include "profiler/trace/ticks.h"
#include "profiler/trace/weigh.h"
#include "profiler/wire/record.h"

#define LATE_TICKS 5000 /* an ALLOC's stamp may precede its FREE's */
#define AHEAD	   8	/* blocks are looked up this many events early */
#define PAGE	   4096ULL

static inline void sum_add(struct fold_sum *s, const struct weight *w)
{
	s->bytes += w->bytes;
	s->count += w->count;
	if (likely(w->exact))
		return;
	s->bytes_variance += w->bytes_variance;
	s->count_variance += w->count_variance;
}

static inline void sum_sub(struct fold_sum *s, const struct weight *w)
{
	s->bytes -= w->bytes;
	s->count -= w->count;
	if (likely(w->exact))
		return;
	s->bytes_variance -= w->bytes_variance;
	s->count_variance -= w->count_variance;
}

struct fold *fold_new(const struct slab_file *header, uint64_t window_ns)
{
	struct fold *f = calloc(1, sizeof(*f));
	double slope = ticks_per_ns(header);

	if (!f)
		return NULL;
	f->constant = (double)header->sample_constant;
	f->ticks_per_ns = slope;
	f->thread_grace = (uint64_t)(1e9 * slope);
	f->node_limit = FOLD_NODE_MAX;
	f->core.last_ticks = header->start_ticks;
	f->core.peak_ticks = header->start_ticks;
	windows_begin(f, header->start_ticks,
		      window_ns ? (uint64_t)((double)window_ns * slope) : 1);
	if (live_init(&f->live) < 0 || threads_init(&f->threads) < 0 ||
	    makers_init(&f->makers) < 0) {
		fold_free(f);
		return NULL;
	}
	return f;
}

void fold_free(struct fold *f)
{
	struct series *s;

	if (!f)
		return;
	live_fini(&f->live);
	threads_fini(&f->threads);
	makers_fini(&f->makers);
	vec_foreach (&f->series, s)
		vec_free(&s->levels);
	vec_free(&f->series);
	vec_free(&f->stacks);
	vec_free(&f->windows);
	vec_free(&f->mappings.at);
	vec_free(&f->stacks_out);
	vec_free(&f->threads_out);
	vec_free(&f->routes_out);
	vec_free(&f->spans_out);
	spans_fini(&f->spans);
	requests_fini(&f->requests);
	free(f->by_node);
	free(f);
}

struct fold_sum fold_released(const struct fold *f)
{
	const struct fold_sum *a = &f->core.allocated, *l = &f->core.live;

	return (struct fold_sum) {
		a->bytes - l->bytes,
		a->bytes_variance - l->bytes_variance,
		a->count - l->count,
		a->count_variance - l->count_variance,
	};
}

static int by_node_room(struct fold *f, uint32_t node)
{
	size_t len = f->by_node_len ? f->by_node_len : 1024;
	uint32_t *grown;

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

static uint32_t find_stack(const struct fold *f, uint32_t node, uint32_t route)
{
	uint32_t at = node < f->by_node_len ? f->by_node[node] : 0;

	while (at && f->stacks.at[at - 1].route != route)
		at = f->stacks.at[at - 1].next;
	return at ? at - 1 : STACK_NONE;
}

bool fold_index_stack(struct fold *f, size_t index)
{
	struct stack *s = &f->stacks.at[index];

	if (s->node >= f->by_node_len && by_node_room(f, s->node) < 0) {
		f->failed = true;
		return false;
	}
	if (find_stack(f, s->node, s->route) != STACK_NONE)
		return false;
	s->next = f->by_node[s->node];
	f->by_node[s->node] = (uint32_t)index + 1;
	return true;
}

static uint32_t stack_new(struct fold *f, uint32_t node, uint32_t route)
{
	struct stack *s = vec_push(&f->series) ? vec_push(&f->stacks) : NULL;

	if (!s) {
		f->failed = true;
		return STACK_NONE;
	}
	s->node = node;
	s->route = route;
	s->epoch = f->core.epoch;
	s->window = WINDOW_NONE;
	return fold_index_stack(f, f->stacks.count - 1)
		       ? (uint32_t)f->stacks.count - 1
		       : STACK_NONE;
}

uint32_t fold_stack_of(struct fold *f, uint32_t node, uint32_t route)
{
	uint32_t found;

	if (unlikely(node > f->node_limit))
		node = 0;
	found = find_stack(f, node, route);
	return likely(found != STACK_NONE) ? found : stack_new(f, node, route);
}

/* A block comes alive: born, or its release did not happen. */
static void block_begin(struct fold *f, const struct live_block *block,
			const struct weight *w)
{
	struct stack *s = fold_touch(f, block->stack);

	s->blocks++;
	sum_add(&s->live, w);
	sum_add(&f->core.live, w);
	if (s->route &&
	    unlikely(!requests_hold(&f->requests, s->route, w->bytes)))
		f->failed = true;
	if (block->birth == f->core.serial)
		s->young += w->bytes;
	if (unlikely(live_add(&f->live, block) < 0))
		f->failed = true;
}

static struct stack *block_end(struct fold *f, struct live_block *block,
			       const struct weight *w)
{
	struct stack *s = fold_touch(f, block->stack);

	sum_sub(&s->live, w);
	sum_sub(&f->core.live, w);
	if (s->route)
		requests_hold(&f->requests, s->route, -w->bytes);
	if (block->birth == f->core.serial)
		s->young -= w->bytes;
	if (--s->blocks == 0) /* no rest of rounding stays */
		s->live = (struct fold_sum) { 0 };
	if (s->live.bytes < s->low)
		s->low = s->live.bytes;
	live_remove(&f->live, block);
	if (unlikely(!f->live.count))
		f->core.live = (struct fold_sum) { 0 };
	return s;
}

static void note_peak(struct fold_core *c, uint64_t ticks)
{
	if (c->live.bytes <= c->peak.bytes)
		return;
	c->peak = c->live;
	c->peak_ticks = ticks;
	c->epoch++;
}

static void owe(struct fold_core *c, uint64_t addr, uint64_t ticks)
{
	c->owed[c->owed_next++ % FOLD_OWED] = (struct owed) { addr, ticks };
	c->owed_ticks = ticks;
}

/* Is this the late FREE of a block that an ALLOC has ended already? */
static bool was_owed(struct fold_core *c, uint64_t addr, uint64_t ticks)
{
	if (likely(!c->owed_next ||
		   ticks - c->owed_ticks + LATE_TICKS > 2 * LATE_TICKS))
		return false;
	for (unsigned i = 0; i < FOLD_OWED; i++) {
		struct owed *o = &c->owed[i];

		if (o->addr != addr || ticks - o->ticks > LATE_TICKS)
			continue;
		o->addr = 0;
		return true;
	}
	return false;
}

static float probability(const struct fold *f, double size, uint64_t mean)
{
	double p;

	if (likely(!mean))
		return 1;
	p = -expm1(-(size + f->constant) / (double)mean);
	return p > 1e-12 ? (float)p : 1e-12F;
}

static void end_older(struct fold *f, struct live_block *block, uint64_t ticks)
{
	struct weight w = weigh((double)block->size, block->probability);

	owe(&f->core, block->addr, ticks);
	block_end(f, block, &w);
}

/*
 * realloc() is on record as a release and a birth, although the block was never
 * gone: it is as old as it was, and the stack held it all the while.
 */
static bool is_moved(const struct thread *t, uint32_t stack,
		     const struct fold_event *e)
{
	return e->api == API_REALLOC && t->released.addr &&
	       t->released.stack == stack;
}

static void keep_low(const struct fold *f, const struct thread *t,
		     struct stack *s)
{
	if (t->released_serial == f->core.serial)
		s->low = t->released_low < s->live.bytes ? t->released_low
							 : s->live.bytes;
}

static void apply_alloc(struct fold *f, const struct fold_lane *lane,
			const struct fold_event *e)
{
	double size = (double)e->size;
	float p = probability(f, size, lane->mean);
	struct weight w = weigh(size, p);
	struct thread *t = &f->threads.at.at[lane->thread];
	uint32_t stack = fold_stack_of(f, e->node, t->route);
	struct live_block *older = live_find(&f->live, e->addr);
	bool moved = is_moved(t, stack, e);
	struct stack *s;

	if (unlikely(stack == STACK_NONE))
		return;
	if (unlikely(older))
		end_older(f, older, e->ticks);
	/* Closes the level before this window: `allocated` grows after it. */
	s = fold_touch(f, stack);
	s->samples++;
	sum_add(&s->allocated, &w);
	sum_add(&f->core.allocated, &w);
	sum_add(&t->allocated, &w);
	makers_add(&f->makers, stack, lane->thread, &w);
	t->last_addr = lane->mean ? 0 : e->addr;
	f->core.mean = lane->mean;
	block_begin(f,
		    &(struct live_block) {
			    e->addr, e->size, stack, lane->thread,
			    moved ? t->released.birth : f->core.serial, p },
		    &w);
	if (moved)
		keep_low(f, t, s);
	t->released.addr = 0;
	t->net += size;
	if (t->net > t->net_peak)
		t->net_peak = t->net;
	note_peak(&f->core, e->ticks);
}

static void free_unknown(struct fold *f, struct thread *t,
			 const struct fold_event *e)
{
	if (was_owed(&f->core, e->addr, e->ticks))
		return;
	f->core.inherited++;
	t->released =
		(struct live_block) { .addr = e->addr, .stack = STACK_NONE };
}

static void apply_free(struct fold *f, const struct fold_lane *lane,
		       const struct fold_event *e)
{
	struct thread *t = &f->threads.at.at[lane->thread];
	struct live_block *block = live_find(&f->live, e->addr);
	struct weight w;
	struct stack *s;

	f->core.releases++;
	t->released.addr = 0;
	if (unlikely(!block)) {
		free_unknown(f, t, e);
		return;
	}
	if (block->thread != lane->thread &&
	    was_owed(&f->core, e->addr, e->ticks))
		return;
	t->released = *block;
	t->released_temporary =
		t->last_addr == e->addr && block->thread == lane->thread;
	w = weigh((double)block->size, block->probability);
	t->released_serial = f->core.serial;
	t->released_low = fold_touch(f, block->stack)->low;
	/* What the request before left behind is none of this one's. */
	t->net =
		t->net > (double)block->size ? t->net - (double)block->size : 0;
	s = block_end(f, block, &w);
	if (t->released_temporary)
		sum_add(&s->temporary, &w);
}

/* realloc failed: the block lives on as if nothing had happened. */
static void apply_unfree(struct fold *f, const struct fold_lane *lane,
			 const struct fold_event *e)
{
	struct thread *t = &f->threads.at.at[lane->thread];
	struct live_block block = t->released;
	struct weight w;

	t->released.addr = 0;
	if (block.addr != e->addr || live_find(&f->live, e->addr))
		return;
	f->core.releases--;
	if (block.stack == STACK_NONE) {
		f->core.inherited--;
		return;
	}
	w = weigh((double)block.size, block.probability);
	if (t->released_temporary)
		sum_sub(&f->stacks.at[block.stack].temporary, &w);
	block_begin(f, &block, &w);
}

/*
 * A mapping that blocks are cut from, blocks that are on record: as the heap,
 * it is no memory beside theirs.
 */
static void grow_heap(struct fold *f, uint32_t stack, double by)
{
	f->stacks.at[stack].heap_grown += by;
	f->core.heap_grown += by;
}

static void unmapped(void *context, uint64_t stack, uint64_t bytes)
{
	struct fold *f = context;

	if (stack & FOLD_ARENA) {
		grow_heap(f, (uint32_t)stack, -(double)bytes);
		return;
	}
	fold_touch(f, (uint32_t)stack)->mapped -= (double)bytes;
	f->core.mapped -= (double)bytes;
}

/* The end of a mapping of @e->size bytes; 0 when there is none. */
static uint64_t mapping_end(const struct fold_event *e)
{
	uint64_t size = (e->size + PAGE - 1) & ~(PAGE - 1), end;

	if (size < e->size || __builtin_add_overflow(e->addr, size, &end))
		return 0;
	return end;
}

static void apply_map(struct fold *f, const struct fold_lane *lane,
		      const struct fold_event *e)
{
	uint64_t arena = e->api == API_PYTHON_OBJECT ? FOLD_ARENA : 0;
	uint32_t stack = fold_stack_of(f, e->node, 0);
	uint64_t end = mapping_end(e);

	if (stack == STACK_NONE || end <= e->addr)
		return;
	if (mappings_add(&f->mappings, e->addr, end, stack | arena, unmapped,
			 f) < 0)
		f->failed = true;
	if (arena) {
		grow_heap(f, stack, (double)(end - e->addr));
		return;
	}
	makers_add(&f->makers, stack, lane->thread,
		   &(struct weight) { .bytes = (double)(end - e->addr),
				      .count = 1 });
	fold_touch(f, stack)->mapped += (double)(end - e->addr);
	f->core.mapped += (double)(end - e->addr);
}

static void apply_unmap(struct fold *f, const struct fold_event *e)
{
	uint64_t end = mapping_end(e);

	if (end > e->addr &&
	    mappings_remove(&f->mappings, e->addr, end, unmapped, f) < 0)
		f->failed = true;
}

static void apply_brk(struct fold *f, const struct fold_event *e)
{
	uint32_t stack = fold_stack_of(f, e->node, 0);

	if (stack == STACK_NONE)
		return;
	grow_heap(f, stack, (double)(int64_t)e->size);
}

/* The next request of this thread begins with nothing. */
static void forget_net(struct thread *t)
{
	t->net = 0;
	t->net_peak = 0;
}

static void apply_request(struct fold *f, const struct fold_lane *lane,
			  const struct fold_event *e)
{
	struct thread *t = &f->threads.at.at[lane->thread];

	f->core.window_requests++;
	f->core.window_errors += requests_is_error(e);
	if (!requests_add(&f->requests, e, f->core.window, f->ticks_per_ns))
		f->failed = true;
	else if ((e->api & REQUEST_ALONE) && !lane->mean)
		requests_peak(&f->requests, e->node,
			      t->route == e->node ? t->net_peak : 0);
	forget_net(t);
}

static void apply_descriptor(struct fold *f, const struct fold_event *e)
{
	uint32_t stack = fold_stack_of(f, e->node, 0);

	if (stack != STACK_NONE)
		fold_touch(f, stack)->descriptors += (double)(int64_t)e->size;
}

static void enter_thread(struct fold *f, struct fold_lane *lane, int32_t tid,
			 uint64_t ticks)
{
	lane->tid = tid;
	lane->thread = threads_get(&f->threads, tid, ticks, f->thread_grace);
	if (lane->thread == THREAD_NONE)
		f->failed = true;
}

static void apply_rare(struct fold *f, struct fold_lane *lane,
		       const struct fold_event *e)
{
	struct thread *t = &f->threads.at.at[lane->thread];

	switch (e->type) {
	case RECORD_UNFREE:
		if (e->addr)
			apply_unfree(f, lane, e);
		break;
	case RECORD_MAP:
		apply_map(f, lane, e);
		break;
	case RECORD_UNMAP:
		apply_unmap(f, e);
		break;
	case RECORD_BRK:
		apply_brk(f, e);
		break;
	case RECORD_DESCRIPTOR:
		apply_descriptor(f, e);
		break;
	case RECORD_THREAD:
		enter_thread(f, lane, (int32_t)e->node, e->ticks);
		break;
	case RECORD_SPAN:
		if (!spans_step(&f->spans, t, e, f->ticks_per_ns))
			f->failed = true;
		break;
	case RECORD_EXIT:
		spans_leave(&f->spans, t, e->ticks);
		t->ended = e->ticks ? e->ticks : 1;
		t->route = 0;
		break;
	case RECORD_MEAN:
		lane->mean = e->size;
		break;
	case RECORD_NAME:
		memcpy(t->name, &e->addr, 8);
		memcpy(t->name + 8, &e->size, 7);
		break;
	case RECORD_REQUEST:
		apply_request(f, lane, e);
		break;
	case RECORD_CONTEXT:
		t->route = e->node <= REQUESTS_ROUTE_MAX ? e->node : 0;
		forget_net(t);
		break;
	}
}

struct fold_lane fold_lane(const struct fold *f, int32_t tid, uint64_t mean)
{
	return (struct fold_lane) { mean, tid, threads_find(&f->threads, tid) };
}

ssize_t fold_run(struct fold *f, struct fold_lane *lane,
		 const struct fold_event *at, size_t count, uint64_t until)
{
	size_t i;

	if (unlikely(lane->thread == THREAD_NONE && count))
		enter_thread(f, lane,
			     at->type == RECORD_THREAD ? (int32_t)at->node
						       : lane->tid,
			     at->ticks);
	for (i = 0; i < count && at[i].ticks <= until; i++) {
		const struct fold_event *e = &at[i];

		if (unlikely(f->failed))
			return -ENOMEM;
		if (likely(i + AHEAD < count))
			live_prefetch(&f->live, at[i + AHEAD].addr);
		if (unlikely(e->ticks >= f->core.window_end))
			windows_advance(f, e->ticks);
		if (e->ticks > f->core.last_ticks)
			f->core.last_ticks = e->ticks;
		/* Address 0 is in damaged bytes only; it marks empty slots. */
		if (likely(e->type == RECORD_ALLOC && e->addr))
			apply_alloc(f, lane, e);
		else if (likely(e->type == RECORD_FREE && e->addr))
			apply_free(f, lane, e);
		else
			apply_rare(f, lane, e);
	}
	f->core.records += i;
	return f->failed ? -ENOMEM : (ssize_t)i;
}
