/*
 * Truth: before() makes 10 blocks of 32 in the parent.  A thread keeps
 * allocating and freeing in churn() meanwhile.  Five children each free the
 * 10 they inherited and make 3 blocks of 40 in child(), none freed.  The
 * parent frees its own 10.  So, over all processes:
 *
 *	before	10 malloc, 320 B, none live (the parent's releases)
 *	child	15 malloc, 600 B, 15 live
 *	50 releases are of blocks from before a recording
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

static void *blocks[10];
static void *made[3];
static atomic_int stop;

NOINLINE static void before(void)
{
	for (int i = 0; i < 10; i++)
		blocks[i] = malloc(32);
}

NOINLINE static void child(void)
{
	for (int i = 0; i < 10; i++)
		free(blocks[i]);
	for (int i = 0; i < 3; i++)
		made[i] = malloc(40);
}

NOINLINE static void *churn(void *unused)
{
	while (!stop)
		free(malloc(100));
	return unused;
}

int main(void)
{
	pthread_t thread;

	before();
	pthread_create(&thread, NULL, churn, NULL);
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			child();
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	stop = 1;
	pthread_join(thread, NULL);
	for (int i = 0; i < 10; i++)
		free(blocks[i]);
	return 0;
}
