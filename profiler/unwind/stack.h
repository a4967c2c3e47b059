/*
 * stack: unwind this thread's own stack from inside an allocation hook.
 *
 * Freestanding.  Never allocates, locks, calls the loader or takes a signal
 * mask; every load is checked against the stack's bounds, so garbage gives a
 * short stack and never a fault.  Memory comes from the caller.
 *
 * Cost model: a frame whose rule is cached is two dependent loads.  Where the
 * stack lies as it did in this thread's previous call, a frame costs one
 * compare, by loads that do not wait for each other; a call from another
 * place in the same function costs a look at that place's rule besides.
 */
#ifndef STRANDLINE_UNWIND_STACK_H
#define STRANDLINE_UNWIND_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STACK_MAX_FRAMES 1024

/*
 * Code known to the unwinder.  The owner keeps the array sorted by start and
 * replaces it whole; `generation` changes whenever addresses may have changed
 * their meaning (dlclose), which voids every cached rule.
 */
struct unwind_module {
	uint64_t start; /* first executable address */
	uint64_t end;
	uint64_t bias;
	uint64_t eh_frame_hdr; /* mapped runtime address; 0: none */
	uint64_t eh_frame_hdr_size;
	uint64_t readable_start; /* bounds of what may be read when */
	uint64_t readable_end;	 /* following .eh_frame pointers */
	uint64_t entry;		 /* where the image begins to run; 0: nowhere */
	uint64_t inode; /* of the file, to know it again; the owner's */
	uint32_t id;
	bool greenlets; /* its functions begin their stacks; the owner's */
};

struct unwind_modules {
	uint32_t generation;
	uint32_t count;
	struct unwind_module at[];
};

struct rules; /* rules.h: lock-free pc -> rule cache, process-wide */

enum stack_end {
	STACK_ROOT,	 /* reached a frame whose caller is undefined */
	STACK_TRUNCATED, /* more than STACK_MAX_FRAMES */
	STACK_BROKEN,	 /* no rule, a bad address, a loop */
};

/*
 * One frame.  The code it stands in is found at pc - 1, always: pc is a
 * return address (whose call can be the last instruction of its function),
 * or, where a signal interrupted the frame, the interrupted address plus one.
 */
struct stack_frame {
	uint64_t pc;
	uint64_t sp;   /* the frame's own sp = CFA of its callee */
	uint64_t hash; /* of the pcs from the root to here; never 0 */
};

struct stack_regs { /* the registers a caller's frame can depend on */
	uint64_t pc, sp, bp, bx, r12, r13, r14, r15; /* pc as above */
};

struct stack_bounds { /* the memory that may be read: [low, high) */
	uint64_t low, high;
	/* A second stack that a signal frame may lead to; 0, 0: none. */
	uint64_t beyond_low, beyond_high;
};

struct stack; /* one a thread; about 160 KiB, touched as deep as it gets */

size_t stack_size(void);
/* @memory: stack_size() zeroed bytes, 64-byte aligned. */
struct stack *stack_init(void *memory);

/*
 * Unwind from @regs.  Returns the number of outermost frames that are the
 * same activations as in the previous call on this struct stack; when that
 * is all of them, it is the same stack.
 */
unsigned stack_unwind(struct stack *s, const struct stack_regs *regs,
		      const struct stack_bounds *bounds,
		      const struct unwind_modules *modules,
		      struct rules *rules);
unsigned stack_depth(const struct stack *s);
uint64_t stack_hash(const struct stack *s); /* of the innermost frame */
/* Frame @index, 0 being the root. */
struct stack_frame stack_frame(struct stack *s, unsigned index);
enum stack_end stack_end(const struct stack *s);
/* With STACK_BROKEN: the pc no module covered, or 0 when that was not why. */
uint64_t stack_missing_pc(const struct stack *s);
/* Forget the previous stack (after fork, after a change of modules). */
void stack_forget(struct stack *s);

#endif
