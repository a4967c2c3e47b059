/*
 * What the programs of this folder share.
 *
 * Each states its truth in its head, a line for each function that makes
 * blocks, read by tests/e2e/test_truth.py:
 *
 *	TRUTH function calls=N bytes=N live=BYTES blocks=N peak=BYTES brief=N
 *
 * calls and bytes are all that was ever asked for under that function, live
 * and blocks what is left at the end, peak its share when the whole program
 * held most, brief the blocks freed before the thread made another; mapped is
 * what mmap made and nobody unmapped.  What a line leaves out is not
 * asserted.  A line for `*` is about the whole program.
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <stddef.h>

/* Its own frame, in its own place, under its own name. */
#define NOINLINE __attribute__((noinline, noclone))

/* The compiler may not drop a block that nobody looks at. */
#define USE(p) __asm__ volatile("" : : "r"(p) : "memory")

#endif
