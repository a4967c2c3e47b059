/*
 * Each user's profile is loaded through a project's own wrappers, and lost.
 *
 * class: leak
 * function: load_profile
 * bytes: 120
 * hides: all that the program allocates is allocated by xmalloc, at one line.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>
#include <string.h>

NOINLINE static void *xmalloc(size_t size)
{
	void *p = malloc(size);

	if (!p)
		abort();
	return p;
}

NOINLINE static char *xstrndup(const char *text, size_t len)
{
	char *copy = xmalloc(len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

NOINLINE static void load_profile(const char *text)
{
	char *name = xstrndup(text, 39);
	char *mail = xstrndup(text + 8, 79);

	USE(name);
	USE(mail);
}

NOINLINE static void answer(const char *text)
{
	char *copy = xstrndup(text, 100);

	USE(copy);
	free(copy);
}

void case_request(struct request *r)
{
	char text[128];

	(void)r;
	fill(text, sizeof(text));
	load_profile(text);
	answer(text);
}
