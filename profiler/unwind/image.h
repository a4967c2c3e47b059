/*
 * image: a window of one module's bytes, and a bounded reader over it.
 *
 * Addresses are the module's own: run-time ones when the window is the mapped
 * module itself, ELF vaddrs when it is the content of a loadable segment read
 * from a file.  A read past the window gives 0 and sets `failed`, which
 * sticks, so a parser may check once, at its end.
 *
 * Freestanding, header-only.
 */
#ifndef STRANDLINE_UNWIND_IMAGE_H
#define STRANDLINE_UNWIND_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

struct image {
	const uint8_t *bytes; /* of [address, address + size) */
	uint64_t address;
	uint64_t size;
	uint64_t eh_frame_hdr; /* address; 0: none */
	uint64_t eh_frame_hdr_size;
	uint64_t eh_frame; /* address; 0: ask the header */
};

struct cursor {
	const struct image *image;
	uint64_t at;  /* the next byte's address */
	uint64_t end; /* never past the window */
	bool failed;
};

static inline struct cursor cursor_at(const struct image *image, uint64_t at,
				      uint64_t end)
{
	uint64_t window_end = image->address + image->size;
	struct cursor c = { .image = image, .at = at, .end = end };

	if (c.end > window_end)
		c.end = window_end;
	if (at < image->address || at > c.end) {
		c.at = c.end = image->address;
		c.failed = true;
	}
	return c;
}

static inline bool cursor_done(const struct cursor *c)
{
	return c->failed || c->at >= c->end;
}

static inline bool cursor_has(struct cursor *c, uint64_t size)
{
	if (c->failed || c->end - c->at < size)
		c->failed = true;
	return !c->failed;
}

static inline void cursor_skip(struct cursor *c, uint64_t size)
{
	if (cursor_has(c, size))
		c->at += size;
}

/* @size little-endian bytes, at most 8. */
static inline uint64_t cursor_unsigned(struct cursor *c, unsigned size)
{
	const uint8_t *from;
	uint64_t value = 0;

	if (!cursor_has(c, size))
		return 0;
	from = c->image->bytes + (c->at - c->image->address);
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)from[i] << (8 * i);
	c->at += size;
	return value;
}

static inline int64_t cursor_signed(struct cursor *c, unsigned size)
{
	unsigned spare = 64 - 8 * size;

	return (int64_t)(cursor_unsigned(c, size) << spare) >> spare;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)cursor_unsigned(c, 1);
}

static inline uint64_t cursor_uleb(struct cursor *c)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint64_t byte = cursor_u8(c);

		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	c->failed = true;
	return 0;
}

static inline int64_t cursor_sleb(struct cursor *c)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint64_t byte = cursor_u8(c);

		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if ((byte & 0x40) && shift + 7 < 64)
			value |= ~(uint64_t)0 << (shift + 7);
		return (int64_t)value;
	}
	c->failed = true;
	return 0;
}

#endif
