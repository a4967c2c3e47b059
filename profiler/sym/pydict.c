#include "profiler/sym/pydict.h"

#include <string.h>

#define COUNT_MAX (1ULL << 28)
#define TEXT_MAX  4096u

enum { /* offsets of PyDictObject, the same from 3.9 to 3.14 */
       DICT_KEYS = 32,
       DICT_VALUES = 40,
};

enum keys_kind { /* since 3.11 */
		 KEYS_GENERAL,
		 KEYS_UNICODE, /* entries without a hash */
		 KEYS_SPLIT,
};

/* Up to 3.10: how wide an index is depends on how many there are. */
static bool open_old_keys(struct pydict *d)
{
	uint64_t head[5]; /* refcnt, size, lookup, usable, nentries */
	uint64_t width;

	if (!pypages_read(d->pages, d->table, head, sizeof(head)) ||
	    head[1] > COUNT_MAX)
		return false;
	width = head[1] <= 0xff ? 1 : head[1] <= 0xffff ? 2 : 4;
	d->entries = d->table + sizeof(head) + head[1] * width;
	d->count = head[4];
	d->stride = 24;
	d->key = 8;
	d->value = 16;
	return d->count <= head[1];
}

static bool open_new_keys(struct pydict *d)
{
	struct {
		uint64_t references;
		uint8_t log2_size, log2_index_bytes, kind, pad;
		uint32_t version;
		uint64_t usable, entries;
	} head;

	if (!pypages_read(d->pages, d->table, &head, sizeof(head)) ||
	    head.log2_size > 28 || head.log2_index_bytes > 31 ||
	    head.kind > KEYS_SPLIT)
		return false;
	d->entries = d->table + sizeof(head) + (1ULL << head.log2_index_bytes);
	d->count = head.entries;
	d->stride = head.kind == KEYS_GENERAL ? 24 : 16;
	d->key = d->stride - 16;
	d->value = d->stride - 8;
	return d->count <= 1ULL << head.log2_size;
}

bool pydict_open_split(struct pydict *d, struct pypages *pages,
		       uint32_t version, uint64_t keys, uint64_t values)
{
	*d = (struct pydict) {
		.pages = pages,
		.table = keys,
		.values = values,
	};
	/* Since 3.13 they have a head of 8 bytes. */
	if (values && version >= 0x030d)
		d->values += 8;
	return version < 0x030b ? open_old_keys(d) : open_new_keys(d);
}

bool pydict_open(struct pydict *d, struct pypages *pages, uint32_t version,
		 uint64_t dict)
{
	uint64_t parts[2]; /* keys, values */

	return pypages_read(pages, dict + DICT_KEYS, parts, sizeof(parts)) &&
	       pydict_open_split(d, pages, version, parts[0], parts[1]);
}

bool pydict_next(struct pydict *d, uint64_t *key, uint64_t *value)
{
	while (d->next < d->count) {
		uint64_t i = d->next++, at = d->entries + i * d->stride;
		bool there = pypages_word(d->pages, at + d->key, key);

		if (d->values)
			at = d->values + i * 8;
		else
			at += d->value;
		if (!there || !pypages_word(d->pages, at, value)) {
			d->next = d->count;
			return false;
		}
		if (*key && *value)
			return true;
	}
	return false;
}

bool pydict_text(struct pypages *pages, uint32_t version, uint64_t str,
		 char *to, size_t size)
{
	uint64_t length, text = str + (version < 0x030c ? 48 : 40);

	if (!pypages_word(pages, str + 16, &length) || !length ||
	    length > TEXT_MAX)
		return false;
	if (length > size - 1)
		length = size - 1;
	if (!pypages_read(pages, text, to, length))
		return false;
	to[length] = '\0';
	for (size_t i = 0; i < length; i++)
		if (to[i] < ' ' || to[i] > '~')
			return false;
	return true;
}

uint64_t pydict_find(struct pypages *pages, uint32_t version, uint64_t dict,
		     const char *key)
{
	uint64_t at, value;
	struct pydict d;
	char text[64];

	if (!pydict_open(&d, pages, version, dict))
		return 0;
	while (pydict_next(&d, &at, &value))
		if (pydict_text(pages, version, at, text, sizeof(text)) &&
		    strcmp(text, key) == 0)
			return value;
	return 0;
}
