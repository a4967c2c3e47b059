/*
 * places: the sites of a model, put together by the line of code that is to
 * blame, each with its levels over an axis.
 */
#ifndef STRANDLINE_ANALYSIS_PLACES_H
#define STRANDLINE_ANALYSIS_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/base/vec.h"

struct axis;
struct model;

struct place {
	uint32_t frame; /* that is to blame */
	uint32_t node;	/* where it stands in the stack that grew most */
	double most;	/* what that stack grew by */
	double live, allocated, mapped; /* bytes at the end; in all; at the
					 * end */
	double unreachable, twice;	/* bytes; < 0: no scan */
	double blocks, blocks_variance; /* that live at the end */
	double variance_per_byte;
	uint64_t samples;
	bool in_thread_start; /* pthread_create() allocates there */
	const char *route;    /* whose requests grew it, see grew; or NULL */
	double grew, grew_for_route; /* bytes, of sites that grew */
	double *level;	     /* bytes that were there all through window i */
	double *low;	     /* the least that was there at a time; >= level */
	double *end;	     /* what was there when window i ended */
	double *mapping;     /* bytes mmap'ed; NULL: never any */
	double *descriptors; /* open; NULL: never any */
	double born, kept;   /* bytes: allocated after window 0 of the axis;
			      * of them, less what was there before and
			      * went, what is left */
};

struct places {
	VEC(struct place) list;
	double *total; /* level of all together */
};

int places_init(struct places *p, const struct model *m,
		const struct axis *a); /* 0 or -ENOMEM */
void places_fini(struct places *p);

#endif
