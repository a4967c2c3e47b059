/*
 * asked: the functions of --handler, by what can be told of them.
 *
 * Calls of native ones can be timed by probes.  Of those of Python, and of
 * all where there are no probes, the stacks tell: what is allocated below
 * them, and where somebody looks at CPUs, how long they ran.
 */
#ifndef STRANDLINE_CMD_ASKED_H
#define STRANDLINE_CMD_ASKED_H

#include <stdbool.h>
#include <stddef.h>

#include "profiler/cmd/command.h"

struct asked_way {
	bool probes;	       /* native ones can be timed */
	bool heap;	       /* stacks have what was allocated */
	bool times;	       /* stacks have times */
	bool requests;	       /* which of them it answers can be told */
	const char *for_times; /* what would give them */
};

/*
 * Those of @names that probes are to time, into @timed; of each other one a
 * sentence says what becomes of it.
 */
void asked_split(const char *const *names, size_t count,
		 const struct asked_way *way, struct opt_list *timed);

#endif
