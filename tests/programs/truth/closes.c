/*
 * A daemon's habits: between two halves of its work it does what its words
 * say: close every descriptor (in one of three ways), change root, drop its
 * rights.
 *
 * TRUTH before calls=1000 bytes=100000 live=0 blocks=0
 * TRUTH after calls=200000 bytes=20000000 live=20000000 blocks=200000
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "truth.h"

#define AFTER 200000

static void *first[1000], *second[AFTER];

NOINLINE static void before(void)
{
	for (int i = 0; i < 1000; i++)
		first[i] = malloc(100);
}

NOINLINE static void after(void)
{
	for (int i = 0; i < AFTER; i++)
		second[i] = malloc(100);
}

static bool drop(const char *what)
{
	if (strcmp(what, "descriptors") == 0) {
		for (int fd = 0; fd < 4096; fd++)
			close(fd);
		return true;
	}
	if (strcmp(what, "range") == 0)
		return close_range(0, ~0u, 0) == 0;
	if (strcmp(what, "from") == 0) {
		closefrom(0);
		return true;
	}
	if (strcmp(what, "root") == 0)
		return chroot("/proc/self/fdinfo") == 0 && chdir("/") == 0;
	return strcmp(what, "rights") == 0 && setgid(65534) == 0 &&
	       setuid(65534) == 0;
}

int main(int argc, char **argv)
{
	before();
	for (int i = 1; i < argc; i++) {
		if (!drop(argv[i]))
			return 1;
	}
	for (int i = 0; i < 1000; i++)
		free(first[i]);
	after();
	return 0;
}
