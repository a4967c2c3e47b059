/*
 * intern: texts packed into chunks that never move, found by a table of ids.
 */
#include "profiler/base/intern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"

#define CHUNK_SIZE ((size_t)65536)

struct text {
	const char *bytes;
	size_t len; /* texts may hold NUL bytes */
	uint64_t hash;
};

struct intern {
	VEC(struct text) texts;	 /* by id */
	VEC(char *) chunks;	 /* the last one is being filled */
	size_t used, chunk_size; /* of the last one */
	uint32_t *table;	 /* ids; INTERN_NONE is an empty slot */
	size_t mask;
};

static uint32_t *table_new(size_t capacity)
{
	uint32_t *table = malloc(capacity * sizeof(*table));

	if (table)
		memset(table, 0xff, capacity * sizeof(*table));
	return table;
}

struct intern *intern_new(void)
{
	struct intern *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	in->mask = 63;
	in->table = table_new(in->mask + 1);
	if (!in->table) {
		free(in);
		return NULL;
	}
	return in;
}

void intern_free(struct intern *in)
{
	if (!in)
		return;
	for (size_t i = 0; i < in->chunks.count; i++)
		free(in->chunks.at[i]);
	vec_free(&in->chunks);
	vec_free(&in->texts);
	free(in->table);
	free(in);
}

static uint64_t hash_text(const char *text, size_t len)
{
	uint64_t hash = hash_mix(len + 1), word;

	for (; len >= sizeof(word); text += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		hash = hash_mix(hash ^ word);
	}
	if (len == 0)
		return hash;
	word = 0;
	memcpy(&word, text, len);
	return hash_mix(hash ^ word);
}

/* The slot of the text, or the empty one where its id would go. */
static uint32_t *probe(const struct intern *in, const char *text, size_t len,
		       uint64_t hash)
{
	size_t i = hash & in->mask;

	for (; in->table[i] != INTERN_NONE; i = (i + 1) & in->mask) {
		const struct text *t = &in->texts.at[in->table[i]];

		if (t->hash == hash && t->len == len &&
		    (len == 0 || memcmp(t->bytes, text, len) == 0))
			break;
	}
	return &in->table[i];
}

static bool grow_table(struct intern *in)
{
	size_t mask = in->mask * 2 + 1;
	uint32_t *table = table_new(mask + 1);

	if (!table)
		return false;
	for (uint32_t id = 0; id < in->texts.count; id++) {
		size_t i = in->texts.at[id].hash & mask;

		while (table[i] != INTERN_NONE)
			i = (i + 1) & mask;
		table[i] = id;
	}
	free(in->table);
	in->table = table;
	in->mask = mask;
	return true;
}

/* A lasting copy of the text, NUL-terminated. */
static const char *keep(struct intern *in, const char *text, size_t len)
{
	char **chunk, *copy;

	if (len >= in->chunk_size - in->used) {
		size_t size = len < CHUNK_SIZE ? CHUNK_SIZE : len + 1;

		chunk = vec_push(&in->chunks);
		if (!chunk)
			return NULL;
		*chunk = malloc(size);
		if (!*chunk) {
			in->chunks.count--;
			return NULL;
		}
		in->chunk_size = size;
		in->used = 0;
	}
	copy = in->chunks.at[in->chunks.count - 1] + in->used;
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	in->used += len + 1;
	return copy;
}

uint32_t intern_id(struct intern *in, const char *text)
{
	return intern_id_len(in, text, strlen(text));
}

uint32_t intern_id_len(struct intern *in, const char *text, size_t len)
{
	uint64_t hash = hash_text(text, len);
	uint32_t *slot = probe(in, text, len, hash);
	const char *bytes;
	struct text *t;

	if (*slot != INTERN_NONE)
		return *slot;
	if (in->texts.count + 1 >= INTERN_NONE)
		return INTERN_NONE;
	if ((in->texts.count + 1) * 2 > in->mask + 1) {
		if (!grow_table(in))
			return INTERN_NONE;
		slot = probe(in, text, len, hash);
	}
	bytes = keep(in, text, len);
	if (!bytes)
		return INTERN_NONE;
	t = vec_push(&in->texts);
	if (!t)
		return INTERN_NONE;
	*t = (struct text) { .bytes = bytes, .len = len, .hash = hash };
	*slot = (uint32_t)(in->texts.count - 1);
	return *slot;
}

const char *intern_text(const struct intern *in, uint32_t id)
{
	return id < in->texts.count ? in->texts.at[id].bytes : NULL;
}

uint32_t intern_count(const struct intern *in)
{
	return (uint32_t)in->texts.count;
}
