/*
 * splice: the stack of a node of a recording, Python frames in their places.
 *
 * A native stack shows CPython's evaluator where Python runs.  Each frame of
 * it is replaced by the Python frames that it runs: those from one that native
 * code called (WIRE_PYTHON_ENTRY) to the next such one.  They are matched from
 * the innermost outwards, so that a stack whose outer end is missing is right
 * as far as it goes; what Python frames are left over go to the outermost
 * evaluator, and an evaluator that is left over stays what it is.
 *
 * A greenlet's stack ends at its first function, where "[greenlet]" stands.
 */
#ifndef STRANDLINE_MODEL_SPLICE_H
#define STRANDLINE_MODEL_SPLICE_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/model/model.h"

struct frames;
struct splice;
struct trace_image;

/* Stacks of @im; frames are interned in @f.  NULL: out of memory. */
struct splice *splice_new(struct frames *f, const struct trace_image *im,
			  enum model_view view);
void splice_free(struct splice *s); /* NULL is fine */

/*
 * The frames of node @node, root first, at *@path until the next call; how
 * many.  0 where the node says nothing; or memory ran out: f->failed.
 */
size_t splice_path(struct splice *s, uint32_t node, const uint32_t **path);

#endif
