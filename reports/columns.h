/*
 * columns: arrays of numbers as few bytes, for a page that reads them back.
 *
 * A number takes seven bits a byte, lowest first, the eighth set when more
 * follow; what can be negative is folded first (0, -1, 1, -2 ... as 0, 1, 2,
 * 3).  The bytes lie in one buffer; how many numbers and bytes each column
 * has is told in JSON: "columns": {"node": [count, bytes], ...}.
 */
#ifndef STRANDLINE_REPORTS_COLUMNS_H
#define STRANDLINE_REPORTS_COLUMNS_H

#include <stdint.h>

#include "profiler/base/buf.h"

struct emit;

struct columns {
	struct buf bytes;
	struct emit *e;
	uint64_t count; /* of the one that is open */
	size_t start;
};

/* Opens the object "columns" of @e. */
void columns_begin(struct columns *c, struct emit *e);
void columns_end(struct columns *c);

void column_begin(struct columns *c, const char *name);
void column_put(struct columns *c, uint64_t value);
void column_put_signed(struct columns *c, int64_t value);
/* Rounded; what is below 0 or not finite is 0. */
void column_put_real(struct columns *c, double value);
void column_end(struct columns *c);

#endif
