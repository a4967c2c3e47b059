/*
 * The processes of a session of probes, in the kernel that runs this test.
 * Skipped, with the reason, where it takes no programs from us.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/procs.h"
#include "profiler/base/err.h"
#include "profiler/probe/probe.h"

struct seen {
	pid_t pid;
	int forks, execs, exits, status;
};

static void see(void *context, const struct procs_event *event)
{
	struct seen *seen = context;

	if (event->what == PROCS_FORK && event->ppid == getpid())
		seen->pid = event->pid;
	if (event->pid != seen->pid)
		return;
	seen->forks += event->what == PROCS_FORK;
	seen->execs += event->what == PROCS_EXEC;
	seen->exits += event->what == PROCS_EXIT;
	if (event->what == PROCS_EXIT)
		seen->status = event->status;
}

static struct probes *session(struct seen *seen)
{
	const struct probes_options options = {
		.follow = true,
		.process = see,
		.context = seen,
	};
	struct err err = ERR_INIT;
	struct probes *set;

	if (probes_possible(&err) < 0)
		cr_skip_test("%s", err.text);
	cr_assert_eq(probes_open(&set, &options, &err), 0, "%s", err.text);
	cr_assert_eq(probes_target(set, getpid(), 0, &err), 0);
	cr_assert_eq(probes_attach(set, &err), 0, "%s", err.text);
	return set;
}

static pid_t child_of(int status)
{
	pid_t child = fork();

	if (child == 0) {
		char word[16];

		snprintf(word, sizeof(word), "exit %d", status);
		execl("/bin/sh", "sh", "-c", word, NULL);
		_exit(99);
	}
	waitpid(child, NULL, 0);
	return child;
}

Test(probe, a_child_of_a_target_is_seen_from_its_fork_to_its_exit)
{
	struct seen seen = { 0 };
	struct probes *set = session(&seen);
	pid_t child = child_of(7);

	probes_drain(set, 0);
	cr_expect_eq(seen.pid, child);
	cr_expect_eq(seen.forks, 1);
	cr_expect_eq(seen.execs, 1);
	cr_expect_eq(seen.exits, 1);
	cr_expect_eq(WEXITSTATUS(seen.status), 7);
	probes_close(set);
}

Test(probe, what_ended_is_no_target_any_more)
{
	struct seen seen = { 0 };
	struct probes *set = session(&seen);
	pid_t child = child_of(0);

	cr_expect(probes_is_target(set, getpid()));
	cr_expect_not(probes_is_target(set, child));
	probes_close(set);
}

Test(probe, every_counter_has_a_name)
{
	struct seen seen = { 0 };
	struct probes *set = session(&seen);
	struct probe_counter counter;
	size_t n = 0;

	for (; probes_counter(set, n, &counter); n++)
		cr_expect_not_null(counter.reason);
	cr_expect_eq(n, PROCS_NCOUNTERS);
	probes_close(set);
}

/* Something that begins before the probe looks and ends at its third look. */
struct slow {
	int looks, ends_at;
};

static int slow_open(void **self, struct probes *set, const void *options,
		     struct err *err)
{
	(void)set;
	(void)err;
	*self = (void *)(uintptr_t)options;
	return 0;
}

static int slow_attach(void *self, struct err *err)
{
	(void)self;
	(void)err;
	return 0;
}

static int slow_drain(void *self)
{
	((struct slow *)self)->looks++;
	return 0;
}

static bool slow_unfinished(void *self)
{
	const struct slow *slow = self;

	return slow->looks < slow->ends_at;
}

static int slow_fd(void *self)
{
	(void)self;
	return -1;
}

static bool slow_counter(void *self, size_t n, struct probe_counter *into)
{
	(void)self;
	(void)n;
	(void)into;
	return false;
}

static void slow_close(void *self)
{
	(void)self;
}

static const struct probe_class probe_slow = {
	.name = "slow",
	.open = slow_open,
	.attach = slow_attach,
	.drain = slow_drain,
	.unfinished = slow_unfinished,
	.fd = slow_fd,
	.counter = slow_counter,
	.close = slow_close,
};

Test(probe, what_is_about_to_end_is_waited_for)
{
	struct seen seen = { 0 };
	struct probes *set = session(&seen);
	struct slow slow = { .ends_at = 3 };
	struct err err = ERR_INIT;

	cr_assert_eq(probes_add(set, &probe_slow, &slow, &err), 0);
	probes_settle(set, 60000);
	cr_expect_eq(slow.looks, 3);
	probes_close(set);
}

Test(probe, what_does_not_end_is_not_waited_for_any_longer)
{
	struct seen seen = { 0 };
	struct probes *set = session(&seen);
	struct slow slow = { .ends_at = 1000000 };
	struct err err = ERR_INIT;

	cr_assert_eq(probes_add(set, &probe_slow, &slow, &err), 0);
	probes_settle(set, 10);
	cr_expect_leq(slow.looks, 10);
	probes_close(set);
}
