/*
 * Each fiftieth request compiles an expression and never frees it.
 *
 * class: leak
 * function: matches
 * hides: the regex_t is on the stack; all that is lost was made within libc,
 *     at a dozen places.
 */
#include "tests/programs/corpus/corpus.h"

#include <regex.h>

NOINLINE static int matches(const char *text)
{
	regex_t r;

	if (regcomp(&r, "^/users/[0-9]+(/posts)?$", REG_EXTENDED))
		give_up("cannot compile an expression");
	return regexec(&r, text, 0, NULL, 0) == 0;
}

void case_request(struct request *r)
{
	if (r->number % 50 == 0 && !matches("/users/12/posts"))
		give_up("no match");
}
