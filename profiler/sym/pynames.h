/*
 * pynames: how what an interpreter runs is called.
 */
#ifndef STRANDLINE_SYM_PYNAMES_H
#define STRANDLINE_SYM_PYNAMES_H

#include <stdbool.h>
#include <stddef.h>

/* A native function of that name runs Python frames. */
bool pynames_is_evaluator(const char *function);

/*
 * A native function of that name is the first of a greenlet.  What called it
 * is not on this stack: outside of it lies whatever another greenlet has left
 * there, and Python's frames end, too.
 */
bool pynames_is_greenlet(const char *function);

/*
 * The module that @file is imported as, as far as its path tells: from the
 * package on below site-packages, dist-packages and the standard library,
 * relative to @folder (may be NULL) where it lies within, else its name alone.
 * "/srv/rag/app/search.py" in /srv/rag is "app.search".
 */
void pynames_module(char *to, size_t size, const char *file,
		    const char *folder);

#endif
