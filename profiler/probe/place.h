/*
 * place: where on a function a probe can be put, and what that costs.
 *
 * The kernel does by itself what a few instructions do (push, nop, jump,
 * call, branch): a hit costs a trap, some 0.4 us.  Any other it copies aside
 * and steps through, which is a second trap: some 1.5 us, and ten times that
 * where a hypervisor takes part.  Pure functions on code bytes.
 */
#ifndef STRANDLINE_PROBE_PLACE_H
#define STRANDLINE_PROBE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct place {
	uint64_t offset; /* from the function's first byte */
	bool stepped;	 /* the dear kind */
};

/*
 * The first place of the cheap kind at which the arguments still are where
 * the caller put them; the first instruction where there is none.  False:
 * code that is not understood.
 */
bool place_entry(const uint8_t *code, size_t size, struct place *at);

/* The first instruction, where alone the kernel can catch the return. */
bool place_first(const uint8_t *code, size_t size, struct place *at);

/* A set of registers, by their numbers in instructions. */
#define PLACE_RSP (1u << 4)
/* The one of argument @n, 0 to 4. */
unsigned place_argument(unsigned n);

/*
 * The first place of the cheap kind that every call comes by with the
 * registers of @keep as its caller left them; the first instruction where
 * there is none.  With PLACE_RSP the kernel can catch the return from there.
 */
bool place_keeping(const uint8_t *code, size_t size, unsigned keep,
		   struct place *at);

/*
 * Every way out of a function of @size bytes: returns and jumps to others.
 * How many of them, at most @max into @at; 0: the code is not understood, or
 * it never returns.
 */
size_t place_exits(const uint8_t *code, size_t size, struct place *at,
		   size_t max);

/*
 * Where it goes by calls and jumps that leave it, as distances from its own
 * first byte; the first @max into @to.  How many there are.
 */
size_t place_targets(const uint8_t *code, size_t size, int64_t *to, size_t max);

/* The function that it calls first, as a distance from its own first byte. */
bool place_first_call(const uint8_t *code, size_t size, int64_t *distance);

#endif
