/*
 * Stacks as the kernel's unwinder sees them, beside libunwind's of the same
 * process.  Skipped, with the reason, where no programs can be loaded.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/stack.h"
#include "profiler/attach/backtrace.h"
#include "profiler/attach/threads.h"
#include "profiler/base/err.h"
#include "profiler/probe/capture.h"
#include "profiler/probe/cpu.h"
#include "profiler/probe/probe.h"
#include "profiler/proc/remote.h"
#include "tests/unit/scratch.h"

#define DEPTH  24
#define HERTZ  499
#define WANTED 50 /* samples */

static volatile uint64_t *turns; /* the child's, seen by its parent */

__attribute__((noinline)) static void work(void)
{
	for (;;)
		++*turns;
}

/* Frames of sizes that only they know, and calls back out of libc. */
__attribute__((noinline)) static void dive(int depth);

static int compare(const void *a, const void *b)
{
	const int *depth = a;

	(void)b;
	dive(*depth - 1);
	return 0;
}

static void dive(int depth)
{
	char room[16 + 16 * (depth & 3)];
	int two[2] = { depth, depth };

	memset(room, depth, sizeof(room));
	if (depth == 0)
		work();
	else if (depth % 4 == 0)
		qsort(two, 2, sizeof(two[0]), compare);
	else
		dive(depth - 1);
	*turns += (uint64_t)room[1];
}

/* A child that is there: no sample before would agree. */
static pid_t diver(void)
{
	pid_t child;

	turns = mmap(NULL, sizeof(*turns), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(turns, MAP_FAILED);
	child = fork();
	if (child == 0)
		dive(DEPTH);
	while (*turns == 0)
		sched_yield();
	return child;
}

struct seen {
	struct backtrace oracle;
	size_t samples, agree, incomplete;
};

/* All but the innermost frame stand still. */
static void compare_with_oracle(void *context,
				const struct stack_sample *sample)
{
	struct seen *seen = context;
	const uint64_t *frames =
		(const uint64_t *)sample->frames + sample->head.kernel_count;
	size_t count = sample->head.user_count;
	bool same = count == seen->oracle.frames.count;

	seen->samples++;
	seen->incomplete += sample->head.end != STACK_END_ROOT;
	for (size_t i = 1; i < count && same; i++)
		same = frames[i] == seen->oracle.frames.at[i].pc;
	seen->agree += same;
}

static void ask_oracle(struct backtrace *bt, pid_t pid)
{
	const struct threads_options options = { .patience_ns = 2000000000 };
	struct remote there = remote_process(pid);
	struct threads threads = { 0 };
	struct backtraces *b;
	struct images *images;
	struct err err = ERR_INIT;

	cr_assert_eq(threads_copy(&threads, pid, &options, &err), 0, "%s",
		     err.text);
	images = images_new(threads.maps.bytes, threads.maps.len, &there, "");
	b = backtraces_new(images, &there);
	cr_assert_eq(backtrace_of(b, &threads.list.at[0], bt), 0);
	cr_assert_eq(bt->end, BACKTRACE_ROOT);
	backtraces_free(b);
	images_free(images);
	threads_free(&threads);
}

TestSuite(probe_stacks, .init = scratch_make, .fini = scratch_remove);

Test(probe_stacks, they_agree_with_libunwind_frame_for_frame)
{
	const struct capture_options capturing = { .dir = scratch };
	struct seen seen = { 0 };
	const struct probe_cpu_options cpu = { .hertz = HERTZ,
					       .seen = compare_with_oracle,
					       .context = &seen };
	struct probes_options options = { .follow = false };
	struct err err = ERR_INIT;
	struct capture *capture;
	struct probes *set;
	pid_t child;

	if (probes_possible(&err) < 0)
		cr_skip_test("%s", err.text);
	child = diver();
	ask_oracle(&seen.oracle, child);
	cr_assert_eq(capture_open(&capture, &capturing, &err), 0);
	options.capture = capture;
	cr_assert_eq(probes_open(&set, &options, &err), 0, "%s", err.text);
	cr_assert_eq(probes_add(set, &probe_cpu, &cpu, &err), 0, "%s",
		     err.text);
	cr_assert_eq(capture_add(capture, child, &err), 0, "%s", err.text);
	cr_assert_eq(probes_target(set, child, 0, &err), 0);
	cr_assert_eq(probes_attach(set, &err), 0, "%s", err.text);
	for (int i = 0; i < 300 && seen.samples < WANTED; i++)
		probes_drain(set, 100);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	cr_expect_geq(seen.samples, WANTED);
	cr_expect_eq(seen.incomplete, 0);
	cr_expect_eq(seen.agree, seen.samples);
	cr_expect_gt(seen.oracle.frames.count, DEPTH);
	for (size_t n = 0; n < 3; n++) {
		struct probe_counter counter;

		probes_counter(set, 3 + n, &counter);
		cr_log_info("%s.%s %lu\n", counter.probe, counter.reason,
			    (unsigned long)counter.count);
	}
	probes_close(set);
	capture_close(capture);
	backtrace_fini(&seen.oracle);
}
