/*
 * Threads at known places, for `strandline stacks`.
 *
 *	stacks_places [N]
 *
 * Truth: N threads (2 by default) named "waiter-I" wait in pthread_cond_wait
 * below wait_here() below go_deeper(), which is entered 10 + I times.  The
 * first thread waits in read(0) below read_here() below main().  It writes
 * "ready" when all are there, and ends when its standard input does.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define DEPTH 10

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_cond_t there = PTHREAD_COND_INITIALIZER;
static int waiting;

__attribute__((noinline)) static int wait_here(int n)
{
	pthread_mutex_lock(&lock);
	waiting++;
	pthread_cond_signal(&there);
	while (waiting > 0)
		pthread_cond_wait(&never, &lock);
	return n;
}

__attribute__((noinline)) static int go_deeper(int n)
{
	volatile char space[64] = { (char)n };

	if (n == 0)
		return wait_here(n) + space[0];
	return go_deeper(n - 1) + space[0];
}

static void *waiter(void *number)
{
	char name[16];
	long n = (long)number;

	snprintf(name, sizeof(name), "waiter-%ld", n);
	prctl(PR_SET_NAME, name);
	go_deeper(DEPTH + (int)n - 1);
	return NULL;
}

__attribute__((noinline)) static long read_here(void)
{
	char byte;
	long n, sum = 0;

	while ((n = read(0, &byte, 1)) > 0)
		sum += n;
	return sum;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 2;
	pthread_t thread;

	for (long i = 0; i < count; i++)
		if (pthread_create(&thread, NULL, waiter, (void *)i))
			return 1;
	pthread_mutex_lock(&lock);
	while (waiting < count)
		pthread_cond_wait(&there, &lock);
	pthread_mutex_unlock(&lock);
	puts("ready");
	fflush(stdout);
	return (int)(read_here() & 1);
}
