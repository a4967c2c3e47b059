/*
 * tide: the RSS ledger of the whole target over an axis: what all of its
 * processes together held, at the moments at which they were read.
 */
#ifndef STRANDLINE_ANALYSIS_TIDE_H
#define STRANDLINE_ANALYSIS_TIDE_H

#include <stdint.h>

struct axis;
struct model;

enum tide_column {
	TIDE_RSS,
	TIDE_PRIVATE, /* brk heap and anonymous mappings, resident */
	TIDE_FILE,
	TIDE_STACKS,
	TIDE_SELF,
	TIDE_THREADS,
	TIDE_FDS,
	TIDE_LIVE,     /* blocks, as recorded */
	TIDE_MAPPED,   /* mmap'ed by the program, resident or not */
	TIDE_RETAINED, /* private, in no block and no mapping of its own */
	TIDE_COLUMNS,
};

struct tide {
	uint32_t count;		      /* moments, all within the axis */
	double *x, *t;		      /* of each, as the axis has them */
	double *column[TIDE_COLUMNS]; /* NAN where it was not read */
};

int tide_init(struct tide *t, const struct model *m,
	      const struct axis *a); /* 0 or -ENOMEM */
void tide_fini(struct tide *t);

#endif
