/*
 * Each tenth request reads the first line of a file with getline.
 *
 * class: leak
 * function: first_line
 * bytes: 12
 * hides: the block belongs to the caller although libc made it; the stream,
 *     which is closed, makes and frees a hundred times as much.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdio.h>

NOINLINE static void first_line(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	char *line = NULL;
	size_t size = 0;

	if (!f || getline(&line, &size, f) <= 0)
		give_up("cannot read a line");
	if (size != 120)
		give_up("not as long as stated");
	USE(line);
	fclose(f);
}

void case_request(struct request *r)
{
	if (r->number % 10 == 0)
		first_line();
}
