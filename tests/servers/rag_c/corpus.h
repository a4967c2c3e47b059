/*
 * corpus: real text that is on the machine, cut into passages.
 *
 * Docstrings of Python's library, read as text and without Python; where that
 * is not installed, the comments of /usr/include.  Files are taken in the
 * order of their names, so that every start has the same passages.
 */
#ifndef RAG_CORPUS_H
#define RAG_CORPUS_H

#include <stdbool.h>
#include <stddef.h>

struct passage {
	char *title; /* the file it is from */
	char *text;
};

struct corpus {
	struct passage *passages;
	size_t count, limit;
};

/* Up to @limit passages.  False: there is no such text, or no memory. */
bool corpus_read(struct corpus *c, size_t limit);
void corpus_free(struct corpus *c);

#endif
