/*
 * walk: the state of an unwinding, and its steps.  Private to stack.c, whose
 * head tells the whole story.
 */
#ifndef STRANDLINE_UNWIND_WALK_H
#define STRANDLINE_UNWIND_WALK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * GCC would move neighbouring words as one vector.  Then an sp waits for the
 * pc beside it, and a load of two words for both of the stores before it: the
 * walk takes twice as long.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

#include "profiler/unwind/lookup.h"
#include "profiler/unwind/memory.h"
#include "profiler/unwind/stack.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define COLD	    __attribute__((cold, noinline))

/* Instead of a bp that no step from here on depends on; bp's are aligned. */
#define NO_BP 1

struct how {
	uint64_t rule; /* packed */
	uint64_t bp;   /* in the frame, if it or a caller depends on it */
};

struct fresh {
	uint64_t sp, pc;
	uint64_t rule;
	uint64_t bp; /* in the frame, if its own rule depends on it */
};

/* The step out of frame @step was decided by @slot holding @value, too. */
struct check {
	uint64_t slot, value;
	uint64_t step;
};

struct stack {
	unsigned count;
	unsigned hashed; /* prefix[] is right for so many frames */
	unsigned checked;
	bool steady; /* made of plain steps: may be followed */
	enum stack_end end;
	uint64_t missing_pc;
	uint64_t high;
	uint64_t hash;
	uint64_t differ[STACK_MAX_FRAMES / 32 + 1]; /* two bits a frame */
	uint64_t sp[STACK_MAX_FRAMES];		    /* root first */
	uint64_t pc[STACK_MAX_FRAMES] __attribute__((aligned(16)));
	struct how how[STACK_MAX_FRAMES];
	struct lookup lookup;
	struct fresh fresh[STACK_MAX_FRAMES]; /* leaf first */
	struct check checks[STACK_MAX_FRAMES];
	uint64_t prefix[STACK_MAX_FRAMES]; /* hash up to here */
};

struct walk {
	struct stack *s;
	const struct stack_bounds *bounds;
	uint64_t high;	    /* of the stack that sp is in */
	uint64_t sp, pc;    /* of the next frame */
	uint64_t bp;	    /* its bp, unless it lies in bp_slot */
	uint64_t bp_slot;   /* 0: in none */
	unsigned fresh;	    /* frames in s->fresh */
	int meet;	    /* kept frame to look out for, or -1 */
	int rest;	    /* no kept frame differs from here outwards */
	unsigned changed;   /* outermost kept frame with a new pc */
	bool irregular;	    /* not all steps are plain */
	enum stack_end end; /* when it has ended */
	uint64_t missing_pc;
	uint64_t zero_slot; /* a return address of 0 ended it */
};

enum outcome {
	ENDED,	   /* w->end says how */
	MET,	   /* at sp of kept frame w->meet */
	NEEDS_ALL, /* a rule that needs more registers */
};

/* From sp and pc outwards, until one of the above. */
enum outcome walk_out(struct walk *w);
/* Once more from @from, with all registers: slow, and seldom needed. */
void walk_all(struct walk *w, const struct stack_regs *from);

#endif
