/*
 * Each tenth request sets a variable of the environment to something new.
 *
 * class: growth
 * function: set_trace
 * bytes: 6.4
 * hides: there is one variable, and it is replaced; glibc keeps every value
 *     that one ever had, in a tree of its own.
 * argued: it can be reached from there, so it is no leak by definition.  A
 *     node is 24 bytes, "TRACE=" with 33 digits and a NUL 40.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdio.h>
#include <stdlib.h>

NOINLINE static void set_trace(uint64_t number)
{
	char id[40];

	snprintf(id, sizeof(id), "%033lu", (unsigned long)number);
	setenv("TRACE", id, 1);
}

void case_request(struct request *r)
{
	if (r->number % 10 == 0)
		set_trace(r->number);
}
