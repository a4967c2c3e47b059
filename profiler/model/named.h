/*
 * named: functions as a user names them, --handler NAME.
 *
 * "search", "ns::search" and "libindex.so:search" are native.  "app.search",
 * "app.Index.search" and whatever follows "python:" are of Python: a
 * qualified name, with its module or without.
 */
#ifndef STRANDLINE_MODEL_NAMED_H
#define STRANDLINE_MODEL_NAMED_H

#include <stdbool.h>

struct model_frame;

/* Does @name name one of Python? */
bool named_python(const char *name);
/* @name without what only says that. */
const char *named_shown(const char *name);
/* Is @frame of the function @name? */
bool named_frame(const struct model_frame *frame, const char *name);
/* Is the Python function @function of @file, which may be NULL? */
bool named_function(const char *function, const char *file, const char *name);

#endif
