/*
 * Begins processes in every way there is, each of which makes blocks under a
 * name of its own; what it prints is how they ended.
 *
 * TRUTH parent calls=100 bytes=1000 live=1000 blocks=100
 * TRUTH forked calls=200 bytes=4000 live=4000 blocks=200
 * TRUTH cloned calls=300 bytes=9000 live=9000 blocks=300
 * TRUTH borrowed calls=400 bytes=16000 live=16000 blocks=400
 * TRUTH spawned calls=500 bytes=25000 live=25000 blocks=500
 * TRUTH daemon_work calls=60000 bytes=3600000 live=3600000 blocks=60000
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

extern char **environ;

#define WORK(name, count, size)                   \
	NOINLINE static void name(void)           \
	{                                         \
		for (int i = 0; i < (count); i++) \
			USE(malloc(size));        \
	}
WORK(parent, 100, 10)
WORK(forked, 200, 20)
WORK(cloned, 300, 30)
WORK(borrowed, 400, 40)
WORK(spawned, 500, 50)
WORK(daemon_work, 60000, 60)

static void report(const char *what, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid)
		abort();
	printf("%s: %d\n", what, WEXITSTATUS(status));
	fflush(stdout);
}

static void fork_one(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		forked();
		_exit(3);
	}
	report("fork", pid);
}

/* Past libc: no handler of fork runs. */
static void clone_one(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		cloned();
		_exit(4);
	}
	report("clone", pid);
}

/* Its blocks are its parent's, as its memory is. */
static int borrow(void *arg)
{
	borrowed();
	close(200);
	return *(int *)arg;
}

static void vfork_one(void)
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	int status = 5;

	report("vfork", clone(borrow, stack + sizeof(stack),
			      CLONE_VM | CLONE_VFORK | SIGCHLD, &status));
}

static void spawn_one(char *self)
{
	char *words[] = { self, "spawned", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (posix_spawn(&pid, self, &actions, NULL, words, environ))
		abort();
	report("posix_spawn", pid);
}

static void quiet(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	closefrom(3);
}

/* By the book: twice forked, of no terminal, at home nowhere. */
static void daemon_one(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		if (fork())
			_exit(6);
		umask(0);
		if (chdir("/"))
			abort();
		quiet();
		daemon_work();
		exit(0);
	}
	report("daemon", pid);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		spawned();
		return 7;
	}
	parent();
	fork_one();
	clone_one();
	vfork_one();
	spawn_one(argv[0]);
	daemon_one();
	return 0;
}
