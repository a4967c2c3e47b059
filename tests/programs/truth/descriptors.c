/*
 * A program that looks at all its descriptors: what it prints must be the
 * same with a recorder in it, whatever descriptors that one keeps.
 *
 *	truth_descriptors HABIT...	between its two halves of work
 *
 * TRUTH before calls=100 bytes=10000 live=10000 blocks=100
 * TRUTH after calls=50000 bytes=5000000 live=5000000 blocks=50000
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "truth.h"

#define NUMBERS 5000

NOINLINE static void before(void)
{
	for (int i = 0; i < 100; i++)
		USE(malloc(100));
}

NOINLINE static void after(void)
{
	for (int i = 0; i < 50000; i++)
		USE(malloc(100));
}

/* How many there still are to be had, and the highest of them. */
static void fill(void)
{
	int fd, highest = -1, count = 0;

	for (; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0; count++)
		highest = fd > highest ? fd : highest;
	printf("%d opened up to %d, then errno %d\n", count, highest, errno);
}

static void close_each(void)
{
	for (int fd = 3; fd < NUMBERS; fd++) {
		if (close(fd) == 0)
			printf("%d was open\n", fd);
		else if (errno != EBADF)
			printf("%d: errno %d\n", fd, errno);
	}
}

static void dup_each(void)
{
	for (int fd = 3; fd < NUMBERS; fd++)
		if (dup(fd) >= 0)
			printf("%d could be copied\n", fd);
}

/* Onto every number, and away again. */
static void dup2_each(void)
{
	struct rlimit limit;
	int first = -1, count = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 3; fd < (int)limit.rlim_cur && fd < NUMBERS; fd++) {
		int rc = fd % 2 ? dup2(0, fd) : dup3(0, fd, O_CLOEXEC);

		first = rc == fd || first >= 0 ? first : fd;
		count += rc == fd && close(fd) == 0;
	}
	printf("dup2: %d, the first that failed %d\n", count, first);
}

static void range(void)
{
	int odd = close_range(5, 4, 0), odd_errno = errno;

	printf("close_range: %d %d", odd, odd_errno);
	printf(" %d", close_range(3, 9999, 0));
	printf(" %d", close_range(200, 200, 0));
	printf(" %d\n", close_range(3, ~0u, 0));
}

static void from(void)
{
	closefrom(1500);
	closefrom(200);
	closefrom(3);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*act)(void);
	} habits[] = {
		{ "fill", fill },    { "close", close_each },
		{ "dup", dup_each }, { "dup2", dup2_each },
		{ "range", range },  { "from", from },
	};

	setvbuf(stdout, NULL, _IONBF, 0);
	before();
	for (int i = 1; i < argc; i++)
		for (size_t n = 0; n < sizeof(habits) / sizeof(*habits); n++)
			if (strcmp(argv[i], habits[n].name) == 0)
				habits[n].act();
	after();
	return 0;
}
