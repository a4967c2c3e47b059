/*
 * image: one <pid>.slabs file read whole: header, nodes, modules, events
 * folded, those in its digest first.  Every size and id in it is foreign.
 */
#ifndef STRANDLINE_TRACE_IMAGE_H
#define STRANDLINE_TRACE_IMAGE_H

#include "profiler/trace/reader.h"

struct image; /* owns what its view points to */

/* -EPROTO (newer format), -EBADMSG, -ENOMEM, -errno, with a sentence. */
int image_open(struct image **out, const char *path, struct err *err);
void image_close(struct image *im);
const struct trace_image *image_view(const struct image *im);
/* See handlers.h. */
int image_charge(struct image *im, const struct trace_handler *handlers,
		 size_t count);
/* A sentence on what could not be read of it; "" when nothing. */
const char *image_problem(const struct image *im);

#endif
