/*
 * pyline: the line of a Python instruction, by its code object's line table.
 */
#ifndef STRANDLINE_SYM_PYLINE_H
#define STRANDLINE_SYM_PYLINE_H

#include <stddef.h>
#include <stdint.h>

struct pyline_table {
	uint32_t version; /* of Python, hex: each has its own encoding */
	uint32_t first_line;
	const uint8_t *bytes; /* co_lnotab until 3.9, then co_linetable */
	size_t size;
};

/*
 * The line of the instruction @at bytes from the code's first, as Python's
 * own traceback says it.  Where the table gives an instruction none, the one
 * before it; the first line of the code when there is none of those either.
 */
uint32_t pyline(const struct pyline_table *table, int32_t at);

#endif
