/*
 * A header's value is copied by strdup and forgotten.
 *
 * class: leak
 * function: read_header
 * bytes: 40
 * hides: libc allocates it; the program never says malloc.
 */
#include "tests/programs/corpus/corpus.h"

#include <string.h>

NOINLINE static size_t read_header(const char *line)
{
	char *value = strdup(line + 8);

	USE(value);
	return strlen(value);
}

void case_request(struct request *r)
{
	char line[] = "Cookie: session=0123456789abcdef0123456789abcde";

	line[20] = (char)('a' + r->number % 26);
	read_header(line);
}
