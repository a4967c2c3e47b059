/*
 * A process that notices when a system call fails, for looking at it again
 * and again.
 *
 * Truth: four threads wait in epoll_wait, nanosleep, read and poll in turn,
 * each call with a time limit of a few milliseconds or fed by a neighbour;
 * none of them may fail.  At the end of its standard input it prints how many
 * calls it made and how many failed.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls, failures;
static atomic_bool done;

static void count(long result)
{
	atomic_fetch_add(&calls, 1);
	if (result < 0)
		atomic_fetch_add(&failures, 1);
}

static void *epolls(void *unused)
{
	int epoll = epoll_create1(0);
	struct epoll_event event;

	while (!done)
		count(epoll_wait(epoll, &event, 1, 3));
	return unused;
}

static void *sleeps(void *unused)
{
	const struct timespec nap = { .tv_nsec = 2000000 };

	while (!done)
		count(nanosleep(&nap, NULL));
	return unused;
}

static void *polls(void *unused)
{
	while (!done)
		count(poll(NULL, 0, 2));
	return unused;
}

static int ends[2];

static void *reads(void *unused)
{
	char byte;

	while (!done)
		count(read(ends[0], &byte, 1));
	return unused;
}

static void *writes(void *unused)
{
	const struct timespec nap = { .tv_nsec = 5000000 };

	for (;;) {
		count(nanosleep(&nap, NULL));
		count(write(ends[1], "", 1));
	}
	return unused;
}

int main(void)
{
	void *(*const works[])(void *) = { writes, epolls, sleeps, polls,
					   reads };
	pthread_t threads[5];
	char byte;

	if (pipe(ends) < 0)
		return 1;
	for (int i = 0; i < 5; i++)
		if (pthread_create(&threads[i], NULL, works[i], NULL))
			return 1;
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	done = true;
	for (int i = 1; i < 5; i++)
		pthread_join(threads[i], NULL);
	printf("%ld %ld\n", calls, failures);
	return 0;
}
