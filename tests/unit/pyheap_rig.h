/*
 * pyheap_rig: the memory of a small CPython 3.11, made by hand.
 *
 * Types, dicts, lists and strs are laid out as the interpreter does it, in
 * one piece of memory at RIG_BASE.
 */
#ifndef STRANDLINE_TESTS_PYHEAP_RIG_H
#define STRANDLINE_TESTS_PYHEAP_RIG_H

#include <stdint.h>
#include <string.h>

#define RIG_BASE    0x100000ULL
#define RIG_SIZE    (64u << 10)
#define RIG_VERSION 0x030b

struct rig {
	uint8_t bytes[RIG_SIZE];
	uint64_t used;
	uint64_t type, dict, list, text, module, plain; /* type objects */
	uint64_t modules;				/* sys.modules */
};

static inline void rig_put(struct rig *r, uint64_t at, uint64_t value)
{
	memcpy(r->bytes + (at - RIG_BASE), &value, sizeof(value));
}

static inline uint64_t rig_room(struct rig *r, uint64_t size)
{
	uint64_t at = RIG_BASE + r->used;

	r->used += (size + 15) & ~15ULL;
	return at;
}

static inline uint64_t rig_bytes(struct rig *r, const char *text)
{
	uint64_t at = rig_room(r, strlen(text) + 1);

	memcpy(r->bytes + (at - RIG_BASE), text, strlen(text) + 1);
	return at;
}

static inline uint64_t rig_object(struct rig *r, uint64_t type, uint64_t size)
{
	uint64_t at = rig_room(r, size + 16) + 16; /* behind the GC's head */

	rig_put(r, at, 1);
	rig_put(r, at + 8, type);
	return at;
}

static inline uint64_t rig_type(struct rig *r, const char *name, uint64_t size,
				uint64_t flags)
{
	uint64_t at = rig_object(r, r->type, 416);

	if (!r->type)
		rig_put(r, at + 8, at); /* `type` is of its own type */
	rig_put(r, at + 24, rig_bytes(r, name));
	rig_put(r, at + 32, size);
	rig_put(r, at + 168, flags | 1u << 12); /* ready */
	return at;
}

static inline uint64_t rig_text(struct rig *r, const char *text)
{
	uint64_t at = rig_room(r, 48 + strlen(text) + 1);

	rig_put(r, at, 1);
	rig_put(r, at + 8, r->text);
	rig_put(r, at + 16, strlen(text));
	memcpy(r->bytes + (at + 48 - RIG_BASE), text, strlen(text));
	return at;
}

/* Of general keys, with room for 8 (5 of them usable). */
static inline uint64_t rig_dict(struct rig *r)
{
	uint64_t at = rig_object(r, r->dict, 48);
	uint64_t keys = rig_room(r, 32 + 8 + 5 * 24);

	rig_put(r, at + 32, keys);
	rig_put(r, keys, 1);
	rig_put(r, keys + 8, 3 | 3 << 8); /* 8 indices of a byte, general */
	return at;
}

static inline uint64_t rig_word(const struct rig *r, uint64_t at)
{
	uint64_t value;

	memcpy(&value, r->bytes + (at - RIG_BASE), sizeof(value));
	return value;
}

static inline void rig_set(struct rig *r, uint64_t dict, uint64_t key,
			   uint64_t value)
{
	uint64_t keys = rig_word(r, dict + 32);
	uint64_t count = rig_word(r, keys + 24);

	rig_put(r, keys + 24, count + 1);
	rig_put(r, keys + 40 + count * 24 + 8, key);
	rig_put(r, keys + 40 + count * 24 + 16, value);
}

static inline uint64_t rig_list(struct rig *r, const uint64_t *items,
				uint64_t count)
{
	uint64_t at = rig_object(r, r->list, 40);
	uint64_t room = rig_room(r, count * 8);

	rig_put(r, at + 16, count);
	rig_put(r, at + 24, room);
	for (uint64_t i = 0; i < count; i++)
		rig_put(r, room + i * 8, items[i]);
	return at;
}

/* A module of that name; the dict of its globals. */
static inline uint64_t rig_module(struct rig *r, const char *name)
{
	uint64_t at = rig_object(r, r->module, 56), globals = rig_dict(r);

	rig_put(r, at + 16, globals);
	rig_set(r, r->modules, rig_text(r, name), at);
	return globals;
}

static inline void rig_begin(struct rig *r)
{
	const uint64_t collected = 1u << 14;

	memset(r, 0, sizeof(*r));
	r->type = rig_type(r, "type", 880, 1u << 31 | collected);
	r->dict = rig_type(r, "dict", 48, 1u << 29 | collected);
	r->list = rig_type(r, "list", 40, 1u << 25 | collected);
	r->text = rig_type(r, "str", 80, 1u << 28);
	r->module = rig_type(r, "module", 56, collected);
	r->plain = rig_type(r, "app.Session", 32, collected);
	r->modules = rig_dict(r);
}

#endif
