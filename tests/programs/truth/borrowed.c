/*
 * Blocks that libc makes on behalf of its caller belong to the caller.
 *
 * TRUTH copies calls=20 bytes=240 live=240 blocks=20
 * TRUTH lines calls=1 bytes=120 live=120 blocks=1
 * TRUTH files calls=20 live=0 blocks=0
 *
 * strdup and strndup of 11 characters; getline of a short line takes 120
 * bytes at first, as ever in glibc; fopen of a file that is read takes two
 * blocks, the stream and its buffer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "truth.h"

static char *copied[20], *line;

NOINLINE static void copies(void)
{
	for (int i = 0; i < 10; i++) {
		copied[2 * i] = strdup("strandlines");
		copied[2 * i + 1] = strndup("strandlines and more", 11);
	}
}

NOINLINE static void lines(FILE *file)
{
	size_t size = 0;

	if (getline(&line, &size, file) < 0)
		abort();
}

NOINLINE static void files(void)
{
	for (int i = 0; i < 10; i++) {
		FILE *file = fopen("/proc/self/comm", "r");

		if (!file || fgetc(file) == EOF)
			abort();
		fclose(file);
	}
}

int main(void)
{
	static char buffer[BUFSIZ];
	FILE *file = fopen("/proc/self/comm", "r");

	if (!file)
		return 1;
	setbuf(file, buffer);
	copies();
	lines(file);
	files();
	fclose(file);
	return 0;
}
