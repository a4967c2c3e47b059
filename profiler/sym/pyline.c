#include "profiler/sym/pyline.h"

#include <stdbool.h>

#define V3_10 0x030a0000u
#define V3_11 0x030b0000u

static uint32_t line_or(int64_t line, uint32_t otherwise)
{
	return line > 0 && line < 1 << 30 ? (uint32_t)line : otherwise;
}

/* co_lnotab: pairs of steps, of the address and of the line. */
static uint32_t by_pairs(const struct pyline_table *t, int32_t at)
{
	int64_t line = t->first_line;
	int32_t address = 0;

	for (size_t i = 0; i + 2 <= t->size; i += 2) {
		address += t->bytes[i];
		if (address > at)
			break;
		line += (int8_t)t->bytes[i + 1];
	}
	return line_or(line, t->first_line);
}

/* 3.10: pairs of how far a range goes, and the step to its line; -128: none. */
static uint32_t by_ranges(const struct pyline_table *t, int32_t at)
{
	int64_t line = t->first_line, last = line;
	int32_t end = 0;

	for (size_t i = 0; i + 2 <= t->size; i += 2) {
		int8_t step = (int8_t)t->bytes[i + 1];

		end += t->bytes[i];
		if (step != -128) {
			line += step;
			last = line;
		}
		if (at < end)
			break;
	}
	return line_or(last, t->first_line);
}

/* 6 bits a byte, the lowest first; bit 6: more follow. */
static int64_t varint(const struct pyline_table *t, size_t *at)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte = 0x40;

	while (byte & 0x40 && *at < t->size && shift < 60) {
		byte = t->bytes[(*at)++];
		value |= (uint64_t)(byte & 0x3f) << shift;
		shift += 6;
	}
	/* The lowest bit is the sign. */
	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

/*
 * 3.11: entries that begin with a byte whose top bit is set: a kind, and how
 * many code units it is for, less one; other bytes belong to it.
 */
static uint32_t by_entries(const struct pyline_table *t, int32_t at)
{
	int64_t line = t->first_line;
	int32_t end = 0;

	for (size_t i = 0; i < t->size;) {
		unsigned kind = t->bytes[i] >> 3 & 15;
		size_t next = i + 1;

		end += ((t->bytes[i] & 7) + 1) * 2;
		if (kind == 13 || kind == 14)
			line += varint(t, &next);
		else if (kind >= 10 && kind <= 12)
			line += kind - 10;
		if (at < end)
			break;
		while (next < t->size && !(t->bytes[next] & 0x80))
			next++;
		i = next;
	}
	return line_or(line, t->first_line);
}

uint32_t pyline(const struct pyline_table *table, int32_t at)
{
	if (at < 0)
		return table->first_line;
	if (table->version >= V3_11)
		return by_entries(table, at);
	if (table->version >= V3_10)
		return by_ranges(table, at);
	return by_pairs(table, at);
}
