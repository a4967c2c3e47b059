/*
 * One process, three images, and children of every kind.
 *
 * TRUTH begin calls=10 bytes=100 live=100 blocks=10
 * TRUTH again calls=10 bytes=200 live=200 blocks=10
 * TRUTH spawned calls=20 bytes=600 live=600 blocks=20
 * TRUTH at_last calls=10 bytes=400 live=400 blocks=10
 *
 * begin(), then exec of itself; again(), then two children, one by
 * posix_spawn and one by vfork and exec, that run spawned(); then exec once
 * more, and at_last().
 */
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

extern char **environ;
static void *kept[10];

NOINLINE static void begin(void)
{
	for (int i = 0; i < 10; i++)
		kept[i] = malloc(10);
}

NOINLINE static void again(void)
{
	for (int i = 0; i < 10; i++)
		kept[i] = malloc(20);
}

NOINLINE static void spawned(void)
{
	for (int i = 0; i < 10; i++)
		kept[i] = malloc(30);
}

NOINLINE static void at_last(void)
{
	for (int i = 0; i < 10; i++)
		kept[i] = malloc(40);
}

static void become(const char *self, const char *stage)
{
	execl(self, self, stage, NULL);
	abort();
}

static void wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || status != 0)
		abort();
}

static void spawn_two(char *self)
{
	char *const words[] = { self, "spawned", NULL };
	pid_t child;

	if (posix_spawn(&child, self, NULL, NULL, words, environ) != 0)
		abort();
	wait_for(child);
	child = vfork();
	if (child == 0) {
		execv(self, words);
		_exit(1);
	}
	wait_for(child);
}

int main(int argc, char **argv)
{
	const char *stage = argc > 1 ? argv[1] : "begin";

	if (strcmp(stage, "begin") == 0) {
		begin();
		become("/proc/self/exe", "again");
	} else if (strcmp(stage, "again") == 0) {
		again();
		spawn_two("/proc/self/exe");
		become("/proc/self/exe", "last");
	} else if (strcmp(stage, "spawned") == 0) {
		spawned();
	} else {
		at_last();
	}
	return 0;
}
