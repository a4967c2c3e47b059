/*
 * reach_signals SECONDS: what a server must not notice of a scan, until that
 * time is over or SIGTERM comes.  Threads sit in system calls that a stop could
 * make fail, and in one that a signal must still end; the main one counts
 * signals that arrive every millisecond.  Prints "ok" and the counts, or what
 * went wrong; exits with 0 or 1.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_int failures;
static atomic_long rounds[6];
static volatile sig_atomic_t ticks;
static atomic_bool stop; /* no child may outlive us */

static void failed(const char *what, int error)
{
	printf("%s: %s\n", what, strerror(error));
	failures++;
}

/* Nothing comes: neither an event nor EINTR may end the wait. */
static void *in_epoll(void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int epoll = epoll_create1(0), event = eventfd(0, 0);

	epoll_ctl(epoll, EPOLL_CTL_ADD, event, &ev);
	for (;; rounds[0]++)
		if (epoll_wait(epoll, &ev, 1, 100) < 0)
			failed("epoll_wait", errno);
	return arg;
}

static void *in_sem(void *arg)
{
	struct timespec patience = { .tv_nsec = 100000000 };
	struct sembuf down = { .sem_op = -1 };
	int set = semget(IPC_PRIVATE, 1, 0600);

	for (;; rounds[1]++)
		if (semtimedop(set, &down, 1, &patience) < 0 &&
		    errno != EAGAIN) {
			failed("semtimedop", errno);
			break;
		}
	return arg;
}

static void *in_nanosleep(void *arg)
{
	struct timespec step = { .tv_nsec = 50000000 };

	for (;; rounds[2]++)
		if (nanosleep(&step, NULL) < 0)
			failed("nanosleep", errno);
	return arg;
}

static void *in_read(void *arg)
{
	int ends[2];
	char c;

	if (pipe(ends) < 0)
		failed("pipe", errno);
	if (read(ends[0], &c, 1) < 0)
		failed("read", errno);
	return arg;
}

/* Busy, with all registers in use and checked. */
static void *in_numbers(void *arg)
{
	double sum = 0;

	for (;; rounds[3]++) {
		double before = sum;

		for (int i = 1; i < 100000; i++)
			sum += 1.0 / i;
		if (sum - before < 12.0 || sum - before > 12.2)
			failed("sum", EIO);
		sum = 0;
	}
	return arg;
}

static void *in_children(void *arg)
{
	for (; !stop; rounds[4]++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(7);
		if (waitpid(-1, &status, 0) != pid || WEXITSTATUS(status) != 7)
			failed("waitpid", errno);
		if (waitpid(-1, &status, WNOHANG) != -1 || errno != ECHILD)
			failed("a child that is none", EEXIST);
		usleep(20000);
	}
	return arg;
}

static void on_alarm(int sig)
{
	(void)sig;
	ticks++;
}

static void on_end(int sig)
{
	(void)sig;
	stop = true;
}

int main(int argc, char **argv)
{
	static void *(*const threads[])(void *) = { in_epoll,	  in_sem,
						    in_nanosleep, in_read,
						    in_numbers,	  in_children };
	struct sigaction action = { .sa_handler = on_alarm };
	struct sigaction ending = { .sa_handler = on_end };
	struct itimerspec every = { { 0, 5000000 }, { 0, 5000000 } };
	double seconds = argc > 1 ? atof(argv[1]) : 4;
	time_t end = time(NULL) + (time_t)seconds;
	pthread_t all[6];
	sigset_t alarm;
	timer_t timer;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigaddset(&alarm, SIGTERM); /* which would end a thread's wait, too */
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGTERM, &ending, NULL);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	for (int i = 0; i < 6; i++)
		pthread_create(&all[i], NULL, threads[i], NULL);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	timer_create(CLOCK_MONOTONIC, NULL, &timer);
	timer_settime(timer, 0, &every, NULL);
	while (!stop && time(NULL) < end)
		pause(); /* each signal must end it */
	stop = true;
	pthread_join(all[5], NULL);
	printf("%s: %d ticks, rounds %ld %ld %ld %ld %ld\n",
	       failures ? "failed" : "ok", (int)ticks, rounds[0], rounds[1],
	       rounds[2], rounds[3], rounds[4]);
	return failures ? 1 : 0;
}
