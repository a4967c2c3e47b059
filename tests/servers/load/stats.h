/*
 * stats: what became of the requests, and the two ways to print it.
 */
#ifndef LOAD_STATS_H
#define LOAD_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct stats_series { /* every value is kept: percentiles are exact */
	uint64_t *ns;
	size_t count, room;
};

struct stats {
	const char *name;
	struct stats_series whole; /* request sent to last byte */
	struct stats_series first; /* request sent to first byte */
	uint64_t errors;
	uint64_t body_bytes;
};

/* False: out of memory. */
bool stats_add(struct stats *s, uint64_t whole_ns, uint64_t first_ns);
void stats_free(struct stats *s);
/* Both sort the series they print. */
void stats_print(struct stats *kinds, size_t count, double seconds, FILE *out);
void stats_print_json(struct stats *kinds, size_t count, double seconds,
		      FILE *out);

#endif
