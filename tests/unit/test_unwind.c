/* Stacks of this process itself, held against glibc's backtrace(). */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/programs/unwind/self.h"

#include <criterion/criterion.h>

#define NOIPA __attribute__((noipa))

static struct stack *stack;
static struct rules *rules;
static struct unwind_modules *modules;
static struct stack_bounds bounds;
static unsigned kept;

/* glibc's own: a sanitizer puts another in front of it. */
static int (*glibc_backtrace)(void **, int);

static void begin(void)
{
	void *pcs[4];

	glibc_backtrace =
		(int (*)(void **, int))dlsym(dlopen("libc.so.6", RTLD_NOW),
					     "backtrace");
	glibc_backtrace(pcs, 4); /* loads libgcc_s */
	stack = self_stack();
	rules = self_rules(12);
	modules = self_modules(1);
	bounds = self_bounds();
}

TestSuite(unwind, .init = begin);

static void unwind_from(const struct stack_regs *regs)
{
	kept = stack_unwind(stack, regs, &bounds, modules, rules);
}

/* Frame @up callers up from the leaf. */
static struct stack_frame frame(unsigned up)
{
	return stack_frame(stack, stack_depth(stack) - 1 - up);
}

/* Unwind here, and have glibc do the same; all but the leaf must agree. */
NOIPA static void check_here(void)
{
	static void *pcs[4096];
	struct stack_regs regs;
	int n = glibc_backtrace(pcs, 4096);

	self_regs(&regs);
	unwind_from(&regs);
	cr_assert_eq(stack_depth(stack), (unsigned)n);
	for (unsigned i = 1; i < (unsigned)n; i++)
		cr_assert_eq(frame(i).pc, (uint64_t)pcs[i], "frame %u", i);
}

NOIPA static void deeper(unsigned depth, void (*then)(void))
{
	volatile char room[40] = { 0 };

	room[3] = (char)depth;
	if (depth)
		deeper(depth - 1, then);
	else
		then();
	room[4] = room[3];
}

Test(unwind, every_frame_is_the_one_that_backtrace_finds)
{
	check_here();
	cr_assert_eq(stack_end(stack), STACK_ROOT);
	deeper(20, check_here);
	deeper(3, check_here);
	check_here();
}

Test(unwind, frames_lie_one_above_the_other)
{
	deeper(10, check_here);
	for (unsigned i = 1; i < stack_depth(stack); i++)
		cr_assert_gt(stack_frame(stack, i - 1).sp,
			     stack_frame(stack, i).sp);
}

static struct stack_regs regs_here;

NOIPA static void unwind_twice(void)
{
	self_regs(&regs_here);
	unwind_from(&regs_here);
	unwind_from(&regs_here);
}

Test(unwind, the_same_stack_again_is_kept_whole)
{
	deeper(5, unwind_twice);
	cr_assert_eq(kept, stack_depth(stack));
}

NOIPA static void unwind_here(void)
{
	struct stack_regs regs;

	self_regs(&regs);
	unwind_from(&regs);
}

NOIPA static void unwind_at_5_and_9(void)
{
	volatile char room[8] = { 0 };

	deeper(5, unwind_here);
	deeper(9, unwind_here);
	room[1] = room[2];
}

Test(unwind, outer_frames_that_have_not_moved_are_kept)
{
	unwind_at_5_and_9();
	/* deeper() ten times and unwind_here() are new, and one has moved on */
	cr_assert_eq(kept, stack_depth(stack) - 12);
}

Test(unwind, what_was_forgotten_is_not_kept)
{
	unwind_here();
	stack_forget(stack);
	unwind_here();
	cr_assert_eq(kept, 0);
}

Test(unwind, a_new_generation_of_modules_forgets)
{
	unwind_twice();
	modules->generation++;
	unwind_from(&regs_here);
	cr_assert_eq(kept, 0);
	cr_assert_eq(stack_end(stack), STACK_ROOT);
}

static uint64_t hashes[2];

NOIPA static void hash_after_others(void)
{
	self_regs(&regs_here);
	deeper(3, unwind_here);
	deeper(4, unwind_here);
	unwind_from(&regs_here);
	hashes[0] = stack_hash(stack);
	stack_forget(stack);
	unwind_from(&regs_here);
	hashes[1] = stack_hash(stack);
}

Test(unwind, equal_stacks_have_equal_hashes_however_they_were_found)
{
	deeper(7, hash_after_others);
	cr_assert_eq(hashes[0], hashes[1]);
	cr_assert_neq(hashes[0], 0);
	cr_assert_eq(frame(0).hash, hashes[0]);
}

NOIPA static void two_places(void (*then)(uint64_t *))
{
	then(&hashes[0]);
	then(&hashes[1]);
}

static void put_hash(uint64_t *to)
{
	unwind_here();
	*to = stack_hash(stack);
}

Test(unwind, a_call_from_another_place_is_another_stack)
{
	two_places(put_hash);
	cr_assert_neq(hashes[0], hashes[1]);
}

Test(unwind, the_innermost_1024_frames_of_a_deeper_stack_are_kept)
{
	struct stack_frame before;

	deeper(2000, unwind_here);
	cr_assert_eq(stack_end(stack), STACK_TRUNCATED);
	cr_assert_eq(stack_depth(stack), STACK_MAX_FRAMES);
	before = frame(1);
	cr_assert_eq(frame(500).pc, frame(400).pc);
	cr_assert_eq(frame(401).sp - frame(400).sp, frame(3).sp - frame(2).sp);
	deeper(10, check_here);
	cr_assert_neq(frame(1).sp, before.sp);
}

Test(unwind, growing_past_1024_frames_is_truncated_as_from_anew)
{
	uint64_t hash;

	deeper(990, unwind_here);
	cr_assert_eq(stack_end(stack), STACK_ROOT);
	deeper(1100, unwind_twice);
	hash = stack_hash(stack);
	cr_assert_eq(stack_end(stack), STACK_TRUNCATED);
	stack_forget(stack);
	deeper(1100, unwind_twice);
	cr_assert_eq(stack_hash(stack), hash);
}

Test(unwind, code_in_no_module_ends_the_stack_and_is_named)
{
	struct stack_regs regs;

	self_regs(&regs);
	regs.pc = 0x1000;
	unwind_from(&regs);
	cr_assert_eq(stack_end(stack), STACK_BROKEN);
	cr_assert_eq(stack_depth(stack), 1);
	cr_assert_eq(stack_missing_pc(stack), 0xfff);
	unwind_here();
	cr_assert_eq(stack_missing_pc(stack), 0);
}

Test(unwind, a_stack_pointer_out_of_bounds_gives_one_frame)
{
	struct stack_regs regs;

	self_regs(&regs);
	regs.sp = bounds.high;
	unwind_from(&regs);
	cr_assert_eq(stack_end(stack), STACK_BROKEN);
	cr_assert_eq(stack_depth(stack), 1);
	self_regs(&regs);
	regs.sp += 4;
	unwind_from(&regs);
	cr_assert_eq(stack_depth(stack), 1);
}

NOIPA static void unwind_narrowly(void)
{
	struct stack_regs regs;

	self_regs(&regs);
	bounds.high = (regs.sp + 0x400) & ~(uint64_t)7;
	unwind_from(&regs);
}

Test(unwind, nothing_is_read_past_the_bounds)
{
	deeper(100, unwind_narrowly);
	cr_assert_eq(stack_end(stack), STACK_BROKEN);
	cr_assert_lt(stack_depth(stack), 40);
	cr_assert_leq(stack_frame(stack, 0).sp, bounds.high);
}

/* backtrace() gives the interrupted address itself; we give one more. */
static void on_signal(int number)
{
	(void)number;
	unwind_here();
}

Test(unwind, a_signal_leads_to_the_frame_it_interrupted)
{
	Dl_info info;
	void *pcs[64];
	int n;

	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	cr_assert_eq(stack_end(stack), STACK_ROOT);
	/* unwind_here, handler, __restore_rt, in raise */
	cr_assert(dladdr((void *)(frame(3).pc - 1), &info));
	cr_assert(strstr(info.dli_fname, "libc"));
	unwind_here();
	n = glibc_backtrace(pcs, 64);
	cr_assert_eq(stack_depth(stack), (unsigned)n + 1);
}

static void raise_on_alternate_stack(void (*handler)(int))
{
	static char memory[65536] __attribute__((aligned(16)));
	stack_t alternate = { .ss_sp = memory, .ss_size = sizeof(memory) };
	struct sigaction action = { .sa_handler = handler,
				    .sa_flags = SA_ONSTACK };

	sigaltstack(&alternate, NULL);
	sigaction(SIGUSR1, &action, NULL);
	bounds.beyond_low = bounds.low;
	bounds.beyond_high = bounds.high;
	bounds.low = (uint64_t)memory;
	bounds.high = (uint64_t)memory + sizeof(memory);
	raise(SIGUSR1);
}

Test(unwind, an_alternate_stack_leads_back_when_the_bounds_cover_both)
{
	unsigned depth;

	unwind_here();
	depth = stack_depth(stack);
	raise_on_alternate_stack(on_signal);
	cr_assert_eq(stack_end(stack), STACK_ROOT);
	/* The handler, the return from it, and whoever raised. */
	cr_assert_geq(stack_depth(stack), depth + 3);
}

static void on_signal_alone(int number)
{
	(void)number;
	bounds.beyond_low = bounds.beyond_high = 0;
	unwind_here();
	bounds.beyond_low = 0; /* no tail call: this frame is counted */
}

Test(unwind, an_alternate_stack_alone_ends_broken_at_the_signal)
{
	raise_on_alternate_stack(on_signal_alone);
	cr_assert_eq(stack_end(stack), STACK_BROKEN);
	cr_assert_eq(stack_depth(stack), 3);
}

static void *thread(void *unused)
{
	(void)unused;
	bounds = self_bounds();
	deeper(4, check_here);
	return NULL;
}

Test(unwind, a_thread_ends_at_its_root)
{
	pthread_t id;

	pthread_create(&id, NULL, thread, NULL);
	pthread_join(id, NULL);
	cr_assert_eq(stack_end(stack), STACK_ROOT);
}

static int compare(const void *a, const void *b)
{
	check_here();
	return *(const int *)a - *(const int *)b;
}

Test(unwind, frames_of_libc_are_stepped_through)
{
	int numbers[] = { 3, 1, 2 };

	qsort(numbers, 3, sizeof(numbers[0]), compare);
}
