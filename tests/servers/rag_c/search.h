/*
 * search: rankings by meaning and by words, fused by reciprocal rank.
 */
#ifndef RAG_SEARCH_H
#define RAG_SEARCH_H

#include "tests/servers/rag_c/vectors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEARCH_LIMIT 100

struct search_hit { /* strings are freed by search_free() */
	int64_t id;
	double score;
	char *title, *text, *snippet;
};

struct search_result {
	struct search_hit hits[SEARCH_LIMIT];
	size_t count;
};

/* The @limit (at most SEARCH_LIMIT) best passages; NULL: out of memory. */
struct search_result *search(struct vectors *vs, const char *query,
			     size_t limit, bool vector_only);
void search_free(struct search_result *r);
/* Takes in a passage.  Its id, or -1. */
int64_t search_ingest(struct vectors *vs, const char *title, const char *text);

#endif
