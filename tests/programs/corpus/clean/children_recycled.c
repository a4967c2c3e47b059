/*
 * Every now and then a child process is forked, does a job and ends.
 *
 * class: clean
 * function: work_in_child
 * fools: each child has all of its parent's memory and some of its own, and
 *     ends without freeing any of it.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

NOINLINE static char *work_in_child(void)
{
	char *result = malloc(262144);

	fill(result, 262144);
	return result;
}

/* Thirty a run. */
void case_request(struct request *r)
{
	pid_t child;

	if (r->number % (plan.requests / 30 + 1) != 0)
		return;
	child = fork();
	if (child == 0) {
		USE(work_in_child());
		_exit(0);
	}
	if (child < 0 || waitpid(child, NULL, 0) != child)
		give_up("no child");
}
