/*
 * Each eighth request reads a file line by line and writes another.
 *
 * class: clean
 * function: copy_lines
 * fools: what libc allocates for streams and lines is allocated and released
 *     behind the program's back, with a descriptor each; the line buffer only
 *     grows, until the stream is closed.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdio.h>
#include <stdlib.h>

NOINLINE static void copy_lines(void)
{
	FILE *in = fopen("/proc/self/maps", "re");
	FILE *out = fopen("/dev/null", "we");
	char *line = NULL;
	size_t size = 0;

	if (!in || !out)
		give_up("cannot open a stream");
	while (getline(&line, &size, in) > 0)
		fputs(line, out);
	free(line);
	fclose(in);
	fclose(out);
}

void case_request(struct request *r)
{
	if (r->number % 8 == 0)
		copy_lines();
}
