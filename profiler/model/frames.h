/*
 * frames: what the nodes of a recording stand for, as interned frames of a
 * model that is being built.
 *
 * Two addresses of one source line are one frame; an inlined call is a frame
 * of its own.
 */
#ifndef STRANDLINE_MODEL_FRAMES_H
#define STRANDLINE_MODEL_FRAMES_H

#include "profiler/base/vec.h"
#include "profiler/model/model.h"
#include "profiler/sym/symtab.h"
#include "profiler/trace/reader.h"

struct hash;

struct frames {
	struct model *m;
	struct symtab *st;
	VEC(struct model_frame) list;
	struct hash *ids;	 /* content -> frame */
	struct hash *complained; /* of which modules */
	VEC(const char *) problems;
	bool failed; /* out of memory */
};

int frames_init(struct frames *f, struct model *m, struct symtab *st);
void frames_fini(struct frames *f);

/* What one node stands for. */
struct frames_node {
	uint32_t count;			 /* 0: nobody's business */
	uint32_t at[SYMBOL_MAX_INLINED]; /* outermost first */
	/* From this one on they are CPython's evaluator, which runs Python
	 * frames; count: they are not. */
	uint32_t evaluator;
	bool greenlet; /* its first: what is outside of it is another's */
};

/* A node of any kind but MIXED; @outermost: it has no caller. */
void frames_of_node(struct frames *f, const struct trace_image *im,
		    const struct wire_node *node, bool outermost,
		    struct frames_node *out);
/* One that is known from elsewhere; its texts are copied. */
uint32_t frames_add(struct frames *f, const struct model_frame *frame);
/* The frame of a marker: "[unknown]". */
uint32_t frames_marker(struct frames *f, const char *name);

#endif
