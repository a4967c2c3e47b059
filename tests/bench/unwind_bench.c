/*
 * unwind_bench: nanoseconds for one stack, beside libunwind and glibc.
 *
 * Everything is compiled without frame pointers.  libunwind and backtrace()
 * are reached by dlopen, because linking libunwind replaces glibc's
 * backtrace().
 *
 *   paths	25 frames deep, 512 call paths: nine levels call the next from
 *		either of two places, at random
 *   sizes	the same, but the two ways go through functions with frames of
 *		different sizes, so that the stack does not lie as it did
 *   deep	90 frames of which the outer 82 stay and the inner ones change
 *   same	one stack of 25 frames, again and again
 *   cold	25 frames, nothing remembered from before
 *
 *	unwind_bench [alone]	alone: only ours
 *
 * Each figure is the lower quartile of many rounds, less the same calls without
 * unwinding.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "profiler/unwind/stack.h"
#include "tests/programs/unwind/self.h"

#define ROUNDS	   21
#define PER_ROUND  20000
#define MAX_FRAMES 128

typedef int backtrace_fn(void **, int);

static struct {
	struct stack *stack;
	struct rules *rules;
	struct unwind_modules *modules;
	struct stack_bounds bounds;
	backtrace_fn *libunwind;
	uint64_t hash;
	unsigned depth;
	uint64_t random;
	bool alone; /* leave the others out */
} state;

__attribute__((noipa)) static void leaf_nothing(void)
{
	struct stack_regs regs;

	self_regs(&regs);
	state.hash += regs.pc;
}

__attribute__((noipa)) static void leaf_ours(void)
{
	struct stack_regs regs;

	self_regs(&regs);
	stack_unwind(state.stack, &regs, &state.bounds, state.modules,
		     state.rules);
	state.hash += stack_hash(state.stack);
	state.depth = stack_depth(state.stack);
}

__attribute__((noipa)) static void leaf_cold(void)
{
	stack_forget(state.stack);
	leaf_ours();
}

__attribute__((noipa)) static void leaf_libunwind(void)
{
	void *pcs[MAX_FRAMES];

	state.depth = (unsigned)state.libunwind(pcs, MAX_FRAMES);
}

__attribute__((noipa)) static void leaf_glibc(void)
{
	void *pcs[MAX_FRAMES];

	state.depth = (unsigned)backtrace(pcs, MAX_FRAMES);
}

static void (*leaf)(void);

static inline unsigned next_random(void)
{
	state.random ^= state.random << 13;
	state.random ^= state.random >> 7;
	state.random ^= state.random << 17;
	return (unsigned)(state.random >> 20);
}

/* As in bench/paths.c: frames of their own sizes, no tail calls. */
#define LEVEL(name, room, call)                                    \
	__attribute__((noipa)) static unsigned name(unsigned path) \
	{                                                          \
		volatile unsigned char frame[room];                \
		unsigned sum;                                      \
                                                                   \
		frame[room / 2] = (unsigned char)path;             \
		call;                                              \
		return sum + frame[room / 2];                      \
	}
#define PLAIN(name, next, room) LEVEL(name, room, sum = next(path))
#define TWO(name, left, right, room, bit)                        \
	LEVEL(                                                   \
		name, room,                                      \
		if (path & (1u << (bit))) {                      \
			sum = left(path);                        \
			__asm__ volatile("# left" : "+r"(sum));  \
		} else {                                         \
			sum = right(path);                       \
			__asm__ volatile("# right" : "+r"(sum)); \
		})
#define FORK(name, next, room, bit) TWO(name, next, next, room, bit)

LEVEL(same_22, 16, sum = 1; leaf())
FORK(same_21, same_22, 24, 8)
PLAIN(same_20, same_21, 40)
FORK(same_19, same_20, 8, 7)
PLAIN(same_18, same_19, 120)
PLAIN(same_17, same_18, 16)
FORK(same_16, same_17, 56, 6)
PLAIN(same_15, same_16, 24)
PLAIN(same_14, same_15, 72)
FORK(same_13, same_14, 8, 5)
PLAIN(same_12, same_13, 200)
FORK(same_11, same_12, 40, 4)
PLAIN(same_10, same_11, 24)
PLAIN(same_9, same_10, 8)
FORK(same_8, same_9, 104, 3)
PLAIN(same_7, same_8, 16)
FORK(same_6, same_7, 32, 2)
PLAIN(same_5, same_6, 88)
FORK(same_4, same_5, 48, 1)
PLAIN(same_3, same_4, 16)
FORK(same_2, same_3, 24, 0)
PLAIN(same_1, same_2, 64)

/* A pair of functions between two forks. */
#define PAIR(name, next, a, b)   \
	PLAIN(name##_a, next, a) \
	PLAIN(name##_b, next, b)
LEVEL(size_22, 16, sum = 1; leaf())
PAIR(size_21, size_22, 24, 40)
TWO(size_20, size_21_a, size_21_b, 40, 8)
PAIR(size_19, size_20, 8, 48)
TWO(size_18, size_19_a, size_19_b, 120, 7)
PAIR(size_17, size_18, 16, 200)
TWO(size_16, size_17_a, size_17_b, 56, 6)
PAIR(size_15, size_16, 24, 56)
TWO(size_14, size_15_a, size_15_b, 72, 5)
PAIR(size_13, size_14, 72, 8)
TWO(size_12, size_13_a, size_13_b, 200, 4)
PAIR(size_11, size_12, 40, 88)
TWO(size_10, size_11_a, size_11_b, 24, 3)
PAIR(size_9, size_10, 8, 72)
TWO(size_8, size_9_a, size_9_b, 104, 2)
PAIR(size_7, size_8, 16, 48)
TWO(size_6, size_7_a, size_7_b, 32, 1)
PAIR(size_5, size_6, 24, 88)
TWO(size_4, size_5_a, size_5_b, 48, 0)
PLAIN(size_3, size_4, 16)
PLAIN(size_2, size_3, 24)
PLAIN(size_1, size_2, 64)

static void run_paths(void)
{
	for (unsigned i = 0; i < PER_ROUND; i++)
		same_1(next_random() % 512);
}

static void run_sizes(void)
{
	for (unsigned i = 0; i < PER_ROUND; i++)
		size_1(next_random() % 512);
}

static void run_same(void)
{
	for (unsigned i = 0; i < PER_ROUND; i++)
		same_1(77);
}

/* The inner part: two to eight frames, as of an interpreter's helpers. */
__attribute__((noipa)) static unsigned inner(unsigned left, unsigned path)
{
	volatile unsigned char frame[40];
	unsigned sum = 0;

	frame[20] = (unsigned char)path;
	if (!left)
		leaf();
	else if (path & 1)
		sum = inner(left - 1, path >> 1) + 1;
	else
		sum = inner(left - 1, path >> 1) + frame[20];
	return sum + frame[20];
}

__attribute__((noipa)) static unsigned outer(unsigned left)
{
	volatile unsigned char frame[72];
	unsigned sum = 0;

	frame[20] = (unsigned char)left;
	if (left)
		return outer(left - 1) + frame[20];
	for (unsigned i = 0; i < PER_ROUND; i++) {
		unsigned random = next_random();

		sum += inner(2 + random % 6, random >> 8);
	}
	return sum + frame[20];
}

static void run_deep(void)
{
	outer(78);
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double quartile_ns(void (*run)(void), void (*what)(void))
{
	double ns[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		double since;

		leaf = what;
		since = now_ns();
		run();
		ns[i] = now_ns() - since;
		leaf = leaf_nothing;
		since = now_ns();
		run();
		ns[i] = (ns[i] - (now_ns() - since)) / PER_ROUND;
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), by_value);
	return ns[ROUNDS / 4];
}

static void report(const char *name, void (*run)(void))
{
	double ours = quartile_ns(run, leaf_ours);
	unsigned depth = state.depth;

	printf("%-6s %6u %10.1f", name, depth, ours);
	if (state.libunwind)
		printf(" %10.1f", quartile_ns(run, leaf_libunwind));
	if (!state.alone)
		printf(" %10.1f", quartile_ns(run, leaf_glibc));
	printf("\n");
}

int main(int argc, char **argv)
{
	void *libunwind = dlopen("libunwind.so.8", RTLD_NOW);

	if (argc > 1 && strcmp(argv[1], "alone") == 0)
		state.alone = true;
	state.random = 0x9e3779b97f4a7c15ULL;
	state.stack = self_stack();
	state.rules = self_rules(14);
	state.bounds = self_bounds();
	if (libunwind && !state.alone)
		state.libunwind =
			(backtrace_fn *)dlsym(libunwind, "unw_backtrace");
	leaf = leaf_glibc; /* loads libgcc_s */
	same_1(0);
	state.modules = self_modules(1);

	printf("%-6s %6s %10s", "case", "frames", "strandline");
	printf(state.alone ? "\n" : " %10s %10s\n", "libunwind", "backtrace");
	report("paths", run_paths);
	report("sizes", run_sizes);
	report("deep", run_deep);
	report("same", run_same);
	printf("%-6s %6u %10.1f\n", "cold", state.depth,
	       quartile_ns(run_same, leaf_cold));
	return 0;
}
