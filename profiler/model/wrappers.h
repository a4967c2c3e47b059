/*
 * wrappers: functions that allocate on behalf of their caller.
 *
 * A site is told by the function that wanted the memory, not by xmalloc() or
 * operator new: frames of libc and of the functions named here are seen
 * through.  Users add their own.
 */
#ifndef STRANDLINE_MODEL_WRAPPERS_H
#define STRANDLINE_MODEL_WRAPPERS_H

#include <stdbool.h>

#include "profiler/model/model.h"

struct err;

/* Mark the frames of @m that are known to be wrappers.  0 or -ENOMEM. */
int wrappers_mark(struct model *m);

/*
 * Mark those whose function matches @pattern too: a glob (fnmatch(3)) over the
 * name without return type, arguments and clone suffix.  -EINVAL for an empty
 * one, or one that takes every function; -ENOMEM.
 */
int wrappers_add(struct model *m, const char *pattern, struct err *err);

/*
 * The part of a demangled @function that patterns are held against, as a
 * pointer into it and *@len bytes: "void std::vector<int>::push_back(int&&)"
 * has "std::vector<int>::push_back".
 */
const char *wrappers_name(const char *function, size_t *len);

#endif
