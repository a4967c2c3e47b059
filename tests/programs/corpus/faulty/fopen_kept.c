/*
 * Each hundredth request opens a log and does not close it.
 *
 * class: growth
 * also: fds
 * function: open_log
 * bytes: 45.68
 * things: 0.01
 * hides: libc keeps a list of all open streams, so all of it can be reached.
 * argued: for the same reason it is no leak by the definition of DESIGN, and
 *     growth is worse than descriptors.  A FILE with its lock is 472 bytes,
 *     its buffer 4,096: what a file system's block has.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdio.h>

NOINLINE static void open_log(void)
{
	FILE *f = fopen("/dev/null", "we");

	if (!f)
		give_up("cannot open");
	fputs("begin\n", f);
	USE(f); /* the call above is none of the caller's */
}

void case_request(struct request *r)
{
	if (r->number % 100 == 0)
		open_log();
}
