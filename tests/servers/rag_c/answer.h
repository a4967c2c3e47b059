/*
 * answer: a small local generator, a word chain over the passages found.
 *
 * It says nothing wise, but it streams real words, and the same prompt gets
 * the same answer on every machine.  One answer belongs to one thread.
 */
#ifndef RAG_ANSWER_H
#define RAG_ANSWER_H

#include "tests/servers/rag_c/search.h"

#include <stddef.h>

struct answer;

/* NULL: out of memory. */
struct answer *answer_new(const struct search_result *r, const char *prompt,
			  size_t max_tokens);
void answer_free(struct answer *a);
/* The next word, or NULL at the end. */
const char *answer_next(struct answer *a);

#endif
