/*
 * main of a corpus server: NAME [REQUESTS [SECONDS]]
 *
 * Prints its port, serves until SIGTERM and exits in order, open connections
 * or not.  REQUESTS and SECONDS say how long the run will be (struct plan).
 */
#include "tests/programs/corpus/corpus.h"
#include "tests/programs/corpus/serve.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WEAK __attribute__((weak))

struct plan plan = { 120000, 60 };
WEAK const struct shape shape = { 8, 0 };
static struct timespec began;

WEAK void case_start(void)
{
}

WEAK void case_idle(void)
{
}

WEAK void case_opened(unsigned worker, int fd)
{
	(void)worker;
	(void)fd;
}

WEAK void case_closed(unsigned worker)
{
	(void)worker;
}

double seconds_since_start(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - began.tv_sec) +
	       (double)(now.tv_nsec - began.tv_nsec) / 1e9;
}

uint64_t scramble(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

void give_up(const char *what)
{
	perror(what);
	exit(1);
}

void fill(void *p, size_t size)
{
	if (!p)
		give_up("out of memory");
	memset(p, 0x5a, size);
	USE(p);
}

/* Serves until SIGTERM, which is blocked in all threads. */
static void serve(int listener, const sigset_t *ends)
{
	const struct timespec tick = { .tv_nsec = 100000000 };

	case_start();
	serve_start(listener, shape.workers);
	while (sigtimedwait(ends, NULL, &tick) < 0)
		case_idle();
	serve_stop();
}

/* The parent of the servers does nothing but wait. */
static void supervise(int listener, const sigset_t *ends)
{
	pid_t children[16];
	int sig;

	for (unsigned i = 0; i < shape.processes && i < 16; i++) {
		children[i] = fork();
		if (children[i] < 0)
			give_up("cannot fork");
		if (children[i] == 0) {
			serve(listener, ends);
			return;
		}
	}
	sigwait(ends, &sig);
	for (unsigned i = 0; i < shape.processes && i < 16; i++)
		kill(children[i], SIGTERM);
	while (wait(NULL) > 0)
		;
}

int main(int argc, char **argv)
{
	sigset_t ends;
	int listener;

	clock_gettime(CLOCK_MONOTONIC, &began);
	if (argc > 1)
		plan.requests = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		plan.seconds = strtod(argv[2], NULL);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	listener = serve_listen();
	if (shape.processes) {
		plan.requests /= shape.processes;
		supervise(listener, &ends);
	} else {
		serve(listener, &ends);
	}
	exit(0);
}
