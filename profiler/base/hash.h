/*
 * hash: an open-addressing map from 64-bit keys to 64-bit values.
 *
 * Any key is allowed.  Single-threaded.  Deletion shifts back, so there are no
 * tombstones and a lookup stays short however long the map has lived.
 */
#ifndef STRANDLINE_BASE_HASH_H
#define STRANDLINE_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash;

struct hash *hash_new(void); /* NULL when out of memory */
void hash_free(struct hash *h);
size_t hash_count(const struct hash *h);
/* A pointer to the value of @key, or NULL; valid until the next change. */
uint64_t *hash_find(const struct hash *h, uint64_t key);
/* Set @key to @value; 0 or -ENOMEM. */
int hash_set(struct hash *h, uint64_t key, uint64_t value);
/* Remove @key; true and *@value (if not NULL) when it was there. */
bool hash_remove(struct hash *h, uint64_t key, uint64_t *value);
/* Iterate: start with *@pos = 0; false at the end.  No changes meanwhile. */
bool hash_next(const struct hash *h, size_t *pos, uint64_t *key,
	       uint64_t *value);

static inline uint64_t hash_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	return x ^ (x >> 32);
}

#endif
