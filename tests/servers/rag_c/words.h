/*
 * words: full text in SQLite's FTS5, ranked by BM25.
 *
 * The database is in memory and shared by all threads; each thread has its
 * own connection and statements, opened at its first search and closed when
 * the thread ends.
 */
#ifndef RAG_WORDS_H
#define RAG_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct corpus;

struct words_passage { /* strings are the caller's to free */
	char *title, *text, *snippet;
};

/* One for the process: the database is SQLite's, and has a name. */
bool words_open(const struct corpus *c);
void words_close(void);
/* Ids of the best @limit passages with any word of @query. */
size_t words_search(const char *query, int64_t *ids, size_t limit);
bool words_passage(const char *query, int64_t id, struct words_passage *out);
/* The new passage's id, or -1. */
int64_t words_add(const char *title, const char *text);

#endif
