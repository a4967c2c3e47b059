/*
 * near: the functions of a recording whose names are much like one that none
 * of them has: what a misspelt --handler was to be.
 */
#ifndef STRANDLINE_MODEL_NEAR_H
#define STRANDLINE_MODEL_NEAR_H

#include <stdint.h>

#include "profiler/model/model.h"

struct trace_view;

/*
 * Into @names those nearest to @asked, the nearest first; as they would be
 * asked for.  Strings are @m's.  How many, or -ENOMEM.
 */
int near_find(struct model *m, const struct trace_view *v, const char *asked,
	      const char *names[MODEL_NEAR_MOST]);

#endif
