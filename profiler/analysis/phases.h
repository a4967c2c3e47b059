/*
 * phases: what happened between two marks, read off a model.  Pure.
 *
 * The marks of a recording (`strandline mark`) part it: what comes before the
 * first is a phase without a name.  Requests and bytes are known by window;
 * within one they came evenly, so a phase shorter than a window is a guess.
 */
#ifndef STRANDLINE_ANALYSIS_PHASES_H
#define STRANDLINE_ANALYSIS_PHASES_H

#include <stdint.h>

struct model;

/* Of the server's main process; NAN where it was not read. */
struct phase_level {
	double rss, live, retained, threads, fds;
};

struct phase {
	const char *label; /* NULL: before the first mark */
	double from, to;   /* seconds since the recording began */
	double requests, errors;
	double requests_per_second;
	double mean_ms, max_ms; /* of all endpoints; NAN: none was timed */
	double allocated_bytes, released_bytes;
	struct phase_level begin, end; /* where it began and where it ended */
};

/* How many there are; 0 where there is no mark. */
uint32_t phases_count(const struct model *m);
/* Number @n of them, by time. */
void phases_get(const struct model *m, uint32_t n, struct phase *phase);

#endif
