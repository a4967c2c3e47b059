/*
 * fold_rig: a fold, some lanes, and verbs for the events of a test.  Ticks
 * are nanoseconds since the recording began.
 */
#ifndef STRANDLINE_TESTS_FOLD_RIG_H
#define STRANDLINE_TESTS_FOLD_RIG_H

#include <criterion/criterion.h>
#include <string.h>

#include "profiler/trace/fold.h"
#include "profiler/wire/record.h"
#include "profiler/wire/slab.h"

#define SECOND	  1000000000ULL
#define START	  (1000 * SECOND)
#define RIG_LANES 4

struct rig {
	struct slab_file header;
	struct fold *fold;
	struct fold_lane lanes[RIG_LANES]; /* of tids 1, 2, ... */
};

static inline struct rig rig_new(void)
{
	struct rig r = { .header = { .clock = SLAB_CLOCK_MONOTONIC,
				     .start_monotonic_ns = START,
				     .start_ticks = START,
				     .sample_constant = 512 } };

	r.fold = fold_new(&r.header, SECOND);
	cr_assert_not_null(r.fold);
	for (int i = 0; i < RIG_LANES; i++)
		r.lanes[i] = fold_lane(r.fold, i + 1, 0);
	return r;
}

static inline void rig_event(struct rig *r, int lane, struct fold_event e)
{
	e.ticks += START;
	cr_assert_eq(fold_run(r->fold, &r->lanes[lane], &e, 1, UINT64_MAX), 1);
}

static inline void rig_alloc(struct rig *r, int lane, uint32_t node,
			     uint64_t size, uint64_t addr, uint64_t at)
{
	rig_event(r, lane,
		  (struct fold_event) { .type = RECORD_ALLOC,
					.node = node,
					.size = size,
					.addr = addr,
					.ticks = at });
}

static inline void rig_addr(struct rig *r, int lane, enum record_type type,
			    uint64_t addr, uint64_t at)
{
	rig_event(r, lane,
		  (struct fold_event) {
			  .type = (uint8_t)type, .addr = addr, .ticks = at });
}

static inline void rig_free(struct rig *r, int lane, uint64_t addr, uint64_t at)
{
	rig_addr(r, lane, RECORD_FREE, addr, at);
}

static inline void rig_map(struct rig *r, uint32_t node, uint64_t size,
			   uint64_t addr, uint64_t at)
{
	rig_event(r, 0,
		  (struct fold_event) { .type = RECORD_MAP,
					.node = node,
					.size = size,
					.addr = addr,
					.ticks = at });
}

static inline void rig_unmap(struct rig *r, uint64_t size, uint64_t addr,
			     uint64_t at)
{
	rig_event(r, 0,
		  (struct fold_event) { .type = RECORD_UNMAP,
					.size = size,
					.addr = addr,
					.ticks = at });
}

static inline void rig_descriptor(struct rig *r, uint32_t node, int64_t by,
				  uint64_t at)
{
	rig_event(r, 0,
		  (struct fold_event) { .type = RECORD_DESCRIPTOR,
					.node = node,
					.size = (uint64_t)by,
					.ticks = at });
}

static inline void rig_mean(struct rig *r, int lane, uint64_t mean)
{
	rig_event(r, lane,
		  (struct fold_event) { .type = RECORD_MEAN, .size = mean });
}

static inline void rig_thread(struct rig *r, int lane, int32_t tid, uint64_t at)
{
	rig_event(r, lane,
		  (struct fold_event) { .type = RECORD_THREAD,
					.node = (uint32_t)tid,
					.ticks = at });
}

static inline const struct fold_result *rig_finish(struct rig *r)
{
	cr_assert_eq(fold_finish(r->fold, &r->header), 0);
	return fold_result(r->fold);
}

/* The stack of @node, all zero when there is none. */
static inline struct fold_stack rig_stack(const struct fold_result *result,
					  uint32_t node)
{
	for (size_t i = 0; i < result->stack_count; i++)
		if (result->stacks[i].node == node)
			return result->stacks[i];
	return (struct fold_stack) { .node = node };
}

static inline uint64_t rig_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
