#include "profiler/base/pylines.h"

#include <stdbool.h>

#define V3_10	    0x030a0000u
#define V3_11	    0x030b0000u
#define NO_LINE	    (-128) /* of 3.10: the range is of no line */
#define UNIT	    2	   /* bytes of an instruction's unit */
#define ENTRY_START 0x80   /* of the location table */

enum {			   /* kinds of entries of the location table */
       KIND_ONE_LINE = 10, /* to 12: 0 to 2 lines on */
       KIND_NO_COLUMN = 13,
       KIND_LONG = 14,
       KIND_NONE = 15,
};

/* Pairs: bytes until the next pair's place, lines until its line. */
static uint32_t find_3_9(uint32_t first, const uint8_t *table, size_t size,
			 int32_t instruction)
{
	int64_t line = first, at = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		at += table[i];
		if (at > instruction)
			break;
		line += (int8_t)table[i + 1];
	}
	return line > 0 ? (uint32_t)line : 0;
}

/* Pairs: bytes that a range has, lines that it is behind the one before. */
static uint32_t find_3_10(uint32_t first, const uint8_t *table, size_t size,
			  int32_t instruction)
{
	int64_t line = first, end = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		int8_t delta = (int8_t)table[i + 1];

		end += table[i];
		if (delta != NO_LINE)
			line += delta;
		if (end > instruction)
			return delta != NO_LINE && line > 0 ? (uint32_t)line
							    : 0;
	}
	return 0;
}

/* Six bits a byte, the least first; the others say whether it goes on. */
static int64_t signed_at(const uint8_t *table, size_t size, size_t at)
{
	uint64_t value = 0;

	for (unsigned shift = 0; at < size && shift < 60; shift += 6, at++) {
		value |= (uint64_t)(table[at] & 63) << shift;
		if (!(table[at] & 64))
			break;
	}
	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static int64_t entry_delta(const uint8_t *table, size_t size, size_t at,
			   unsigned kind)
{
	if (kind == KIND_NO_COLUMN || kind == KIND_LONG)
		return signed_at(table, size, at + 1);
	if (kind >= KIND_ONE_LINE && kind < KIND_NO_COLUMN)
		return kind - KIND_ONE_LINE;
	return 0; /* short ones stay on the line, KIND_NONE has none */
}

static uint32_t find_3_11(uint32_t first, const uint8_t *table, size_t size,
			  int32_t instruction)
{
	int64_t line = first, end = 0;

	for (size_t at = 0; at < size;) {
		unsigned kind = table[at] >> 3 & 15;

		if (!(table[at] & ENTRY_START))
			break;
		end += ((table[at] & 7) + 1) * UNIT;
		line += entry_delta(table, size, at, kind);
		if (end > instruction)
			return kind != KIND_NONE && line > 0 ? (uint32_t)line
							     : 0;
		for (at++; at < size && !(table[at] & ENTRY_START);)
			at++;
	}
	return 0;
}

uint32_t pylines_find(uint32_t version, uint32_t first_line,
		      const uint8_t *table, size_t size, int32_t instruction)
{
	if (instruction < 0)
		return first_line;
	if (version < V3_10)
		return find_3_9(first_line, table, size, instruction);
	if (version < V3_11)
		return find_3_10(first_line, table, size, instruction);
	return find_3_11(first_line, table, size, instruction);
}
