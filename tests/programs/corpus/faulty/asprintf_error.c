/*
 * Requests that fail have their error put into words, which nobody frees.
 *
 * class: leak
 * function: explain
 * bytes: 10
 * hides: only one request in twenty fails, and is answered with 500; vasprintf
 *     makes a first block and shrinks it to what it needs.
 * argued: 199 characters and a NUL for each twentieth.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdio.h>

NOINLINE static void explain(struct request *r)
{
	char *text;

	if (asprintf(&text, "%s failed at %012lu: %-169s.", "work",
		     (unsigned long)r->number, "the index is read-only") != 199)
		give_up("not as long as stated");
	USE(text);
	r->status = 500;
}

void case_request(struct request *r)
{
	if (r->number % 20 == 7)
		explain(r);
}
