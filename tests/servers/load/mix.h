/*
 * mix: which requests are made, in which order.
 *
 * The same mix gives the same requests on every run: the kinds take turns by
 * weight, and the texts of the queries go round.
 */
#ifndef LOAD_MIX_H
#define LOAD_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIX_MAX_KINDS	 16
#define MIX_REQUEST_SIZE 4096

struct mix_kind {
	const char *name; /* as given: "search", "/health" */
	unsigned weight;
	int credit;
	uint64_t made;
};

struct mix {
	struct mix_kind kinds[MIX_MAX_KINDS];
	size_t count;
	uint64_t unique; /* not 0: no two queries alike; a tag of this run */
	const char *host;
};

/*
 * "search=8,chat=1,/health" into kinds; cuts @text up and keeps it.  NULL, or
 * the word that was not understood.
 */
const char *mix_parse(struct mix *m, char *text);
/* Names that mix_parse() knows, for the help; a NULL at the end. */
extern const char *const mix_names[];
/*
 * The next request, whole, into @out (MIX_REQUEST_SIZE).  Returns the index of
 * its kind, and its length.
 */
size_t mix_next(struct mix *m, char *out, size_t *len);

#endif
