/*
 * A process's descendants.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profiler/proc/family.h"

struct seen {
	pid_t pids[16];
	size_t count;
};

static void see(void *context, pid_t pid)
{
	struct seen *s = context;

	if (s->count < 16)
		s->pids[s->count++] = pid;
}

/* A child that has a child of its own, both waiting for their end. */
static pid_t start(pid_t *grandchild)
{
	int ready[2];
	pid_t child;

	cr_assert_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		pid_t own = fork();

		if (own == 0)
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		else if (write(ready[1], &own, sizeof(own)) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	cr_assert_eq(read(ready[0], grandchild, sizeof(*grandchild)),
		     (ssize_t)sizeof(*grandchild));
	close(ready[0]);
	close(ready[1]);
	return child;
}

Test(family, children_and_theirs_are_visited_parents_first)
{
	struct seen s = { .count = 0 };
	pid_t grandchild, child = start(&grandchild);

	family_each(getpid(), see, &s);
	kill(grandchild, SIGKILL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	cr_assert_eq(s.count, 2);
	cr_expect_eq(s.pids[0], child);
	cr_expect_eq(s.pids[1], grandchild);
}

Test(family, a_process_that_is_gone_has_none)
{
	struct seen s = { .count = 0 };
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	family_each(child, see, &s);
	cr_expect_eq(s.count, 0);
}
