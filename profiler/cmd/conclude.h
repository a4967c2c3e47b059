/*
 * conclude: what `run` and `attach` do with a recording at its end: find the
 * names of its addresses while the programs are at hand, print the summary
 * and where the recording is.
 */
#ifndef STRANDLINE_CMD_CONCLUDE_H
#define STRANDLINE_CMD_CONCLUDE_H

#include <stdbool.h>

/* Troubles are notes: the server's end, or our leaving it, stands. */
void conclude(const char *path, bool quiet);

#endif
