#include "profiler/sym/pyrefs.h"

#include <string.h>

#include "profiler/sym/pydict.h"

#define ITEMS_MAX (1ULL << 28)
#define BODY_MAX  (64u << 10)
#define PIECE	  64u

static void refer(const struct pyrefs *r, enum pyref_kind kind, uint64_t to,
		  uint64_t key)
{
	const struct pyref ref = { kind, to, key };

	if (to)
		r->refer(r->context, &ref);
}

/* @count words from @at, each perhaps a reference. */
static void refer_words(const struct pyrefs *r, enum pyref_kind kind,
			uint64_t at, uint64_t count)
{
	uint64_t words[PIECE];

	while (count) {
		uint64_t some = count < PIECE ? count : PIECE;

		if (!pypages_read(r->pages, at, words, some * 8))
			return;
		for (uint64_t i = 0; i < some; i++)
			refer(r, kind, words[i], 0);
		at += some * 8;
		count -= some;
	}
}

static void refer_entries(const struct pyrefs *r, struct pydict *d,
			  enum pyref_kind kind)
{
	uint64_t key, value;

	while (pydict_next(d, &key, &value)) {
		if (kind == PYREF_ENTRY)
			refer(r, PYREF_ITEM, key, 0);
		refer(r, kind, value, key);
	}
}

static void of_dict(const struct pyrefs *r, uint64_t dict, enum pyref_kind kind)
{
	struct pydict d;

	if (!pydict_open(&d, r->pages, r->version, dict))
		return;
	if (!d.values)
		r->own(r->context, d.table, "entries");
	else
		r->own(r->context, d.values, "entries");
	refer_entries(r, &d, kind);
}

static void of_list(const struct pyrefs *r, uint64_t list)
{
	uint64_t fields[2]; /* size, items */

	if (!pypages_read(r->pages, list + 16, fields, sizeof(fields)) ||
	    fields[0] > ITEMS_MAX || !fields[1])
		return;
	r->own(r->context, fields[1], "items");
	refer_words(r, PYREF_ITEM, fields[1], fields[0]);
}

/* Since 3.14 a hash comes first. */
static void of_tuple(const struct pyrefs *r, uint64_t tuple)
{
	uint64_t size;

	if (pypages_word(r->pages, tuple + 16, &size) && size <= ITEMS_MAX)
		refer_words(r, PYREF_ITEM,
			    tuple + (r->version < 0x030e ? 24 : 32), size);
}

static void of_set(const struct pyrefs *r, uint64_t set)
{
	uint64_t fields[4]; /* fill, used, mask, table */

	if (!pypages_read(r->pages, set + 16, fields, sizeof(fields)) ||
	    fields[2] > ITEMS_MAX)
		return;
	r->own(r->context, fields[3], "entries");
	for (uint64_t i = 0; i <= fields[2]; i++) {
		uint64_t key;

		if (!pypages_word(r->pages, fields[3] + i * 16, &key))
			return;
		refer(r, PYREF_ITEM, key, 0);
	}
}

/*
 * Blocks of 64 items between two links.  Nothing marks the last one: beyond it
 * the link is whatever stood there before.
 */
static void of_deque(const struct pyrefs *r, uint64_t deque)
{
	uint64_t fields[3]; /* size, first block, last block */
	uint64_t block, left;

	if (!pypages_read(r->pages, deque + 16, fields, sizeof(fields)) ||
	    fields[0] > ITEMS_MAX)
		return;
	block = fields[1];
	for (left = fields[0] / 64 + 2; block && left; left--) {
		r->own(r->context, block, "items");
		refer_words(r, PYREF_ITEM, block + 8, 64);
		if (block == fields[2] ||
		    !pypages_word(r->pages, block + 65 * 8, &block))
			return;
	}
}

static void of_module(const struct pyrefs *r, uint64_t module)
{
	uint64_t dict;

	if (pypages_word(r->pages, module + 16, &dict) && dict)
		of_dict(r, dict, PYREF_NAME);
}

/* A class: what stands in it, no more. */
static void of_type(const struct pyrefs *r, uint64_t type)
{
	uint64_t dict;

	if (pypages_word(r->pages, type + 264, &dict) && dict)
		of_dict(r, dict, PYREF_NAME);
}

/* Attributes whose names are the class's, and whose values stand at @values. */
static void of_values(const struct pyrefs *r, const struct pytype *type,
		      uint64_t values)
{
	struct pydict d;

	if (type->cached_keys && pydict_open_split(&d, r->pages, r->version,
						   type->cached_keys, values))
		refer_entries(r, &d, PYREF_NAME);
}

/*
 * 3.11: values, dict before the collector's head; 3.12: one word for either,
 * odd where it is values; 3.13: the dict, and values behind the object.
 */
static void of_managed(const struct pyrefs *r, uint64_t object,
		       const struct pytype *type)
{
	uint64_t dict = 0, values = 0, valid = 0;

	pypages_word(r->pages, object - 24, &dict);
	if (r->version == 0x030b)
		pypages_word(r->pages, object - 32, &values);
	else if (r->version == 0x030c && dict & 1)
		values = dict + 1;
	else if (!dict && type->inline_values)
		values = object + (uint64_t)type->size;
	if (r->version >= 0x030d && values &&
	    (!pypages_word(r->pages, values, &valid) || !(valid >> 24 & 255)))
		return; /* they have moved into a dict */
	if (!values) {
		if (dict)
			of_dict(r, dict, PYREF_NAME);
		return;
	}
	r->own(r->context, values, "attributes");
	of_values(r, type, values);
}

static void of_instance_dict(const struct pyrefs *r, uint64_t object,
			     const struct pytype *type)
{
	uint64_t dict;

	if (type->managed_dict)
		of_managed(r, object, type);
	else if (type->dict_offset > 0 &&
		 pypages_word(r->pages, object + (uint64_t)type->dict_offset,
			      &dict) &&
		 dict)
		of_dict(r, dict, PYREF_NAME);
}

static uint64_t body_size(const struct pyrefs *r, uint64_t object,
			  const struct pytype *type)
{
	uint64_t size = (uint64_t)type->size, items = 0;

	if (type->item_size && pypages_word(r->pages, object + 16, &items) &&
	    items < BODY_MAX)
		size += items * (uint64_t)type->item_size;
	return size < BODY_MAX ? size : BODY_MAX;
}

/* Any word may be a reference, or where memory of its own begins. */
static void of_body(const struct pyrefs *r, uint64_t object,
		    const struct pytype *type)
{
	uint64_t size = body_size(r, object, type), word;

	for (uint64_t at = 16; at + 8 <= size; at += 8) {
		if (!pypages_word(r->pages, object + at, &word))
			return;
		if (type->collected)
			refer(r, PYREF_HIDDEN, word, 0);
		r->own(r->context, word, "");
	}
}

void pyrefs_of(const struct pyrefs *r, uint64_t object,
	       const struct pytype *type)
{
	switch (type->kind) {
	case PYTYPE_ATOM:
	case PYTYPE_TEXT:
	case PYTYPE_WEAK:
		return;
	case PYTYPE_DICT:
		of_dict(r, object, PYREF_ENTRY);
		break;
	case PYTYPE_LIST:
		of_list(r, object);
		break;
	case PYTYPE_TUPLE:
		of_tuple(r, object);
		break;
	case PYTYPE_SET:
		of_set(r, object);
		break;
	case PYTYPE_DEQUE:
		of_deque(r, object);
		break;
	case PYTYPE_MODULE:
		of_module(r, object);
		return;
	case PYTYPE_TYPE:
		of_type(r, object);
		return;
	case PYTYPE_PLAIN:
		of_body(r, object, type);
		break;
	}
	of_instance_dict(r, object, type);
}
