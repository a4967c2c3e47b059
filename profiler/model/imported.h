/*
 * imported: another tool's profile as a model.
 */
#ifndef STRANDLINE_MODEL_IMPORTED_H
#define STRANDLINE_MODEL_IMPORTED_H

#include "profiler/model/frames.h"
#include "profiler/trace/import.h"

struct err;

/* What model_load() does with a file. */
int imported_load(struct model **out, const char *path, struct err *err);

/* The frames of the model that those of an import are. */
struct imported_frames {
	VEC(uint32_t) ids;
	uint32_t *first; /* of import frame i: ids[first[i]] to first[i + 1],
			  * outermost first */
};

/* 0 or -ENOMEM; imported_frames_fini() in any case. */
int imported_frames(struct imported_frames *to, struct frames *f,
		    const struct import *im);
void imported_frames_fini(struct imported_frames *to);

#endif
