/*
 * In the middle of the run four times as many connections come.
 *
 * class: clean
 * function: open_session|read_body
 * load: 8 x 800/s for 1/2; 8 x 800/s + 24 x 1600/s for 1/2
 * fools: the level after the step is four times the one before it, for the
 *     rest of the run, and all that makes it up was born after the step.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>
#include <unistd.h>

#define WORKERS 40
#define SESSION 131072

const struct shape shape = { WORKERS, 0 };
static char *sessions[WORKERS];

NOINLINE static char *open_session(void)
{
	char *s = malloc(SESSION);

	fill(s, SESSION);
	return s;
}

void case_opened(unsigned worker, int fd)
{
	(void)fd;
	sessions[worker] = open_session();
}

void case_closed(unsigned worker)
{
	free(sessions[worker]);
	sessions[worker] = NULL;
}

NOINLINE static char *read_body(void)
{
	char *body = malloc(24576);

	fill(body, 24576);
	return body;
}

void case_request(struct request *r)
{
	char *body = read_body();

	usleep(500 + scramble(r->number) % 1000);
	free(body);
}
