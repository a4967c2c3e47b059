#include "tests/servers/rag_c/vectors.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a */
static uint64_t hash(const char *bytes, size_t len, uint64_t seed)
{
	uint64_t h = 0xcbf29ce484222325u ^ seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3u;
	return h;
}

/* Eight bits of a hash as eight signs: a passage has hundreds of features. */
static float signs[256][8];

__attribute__((constructor)) static void fill_signs(void)
{
	for (size_t byte = 0; byte < 256; byte++) {
		for (size_t bit = 0; bit < 8; bit++)
			signs[byte][bit] = (byte >> bit) & 1 ? 1.f : -1.f;
	}
}

/* Adds the direction of a feature: 256 signs drawn from its hash. */
static void add_feature(struct vector *v, uint64_t feature)
{
	for (size_t i = 0; i < VECTOR_DIMENSIONS; i += 8) {
		if (i % 64 == 0) { /* splitmix64 */
			feature += 0x9e3779b97f4a7c15u;
			feature = (feature ^ (feature >> 30)) *
				  0xbf58476d1ce4e5b9u;
			feature = (feature ^ (feature >> 27)) *
				  0x94d049bb133111ebu;
			feature ^= feature >> 31;
		}
		for (size_t lane = 0; lane < 8; lane++)
			v->at[i + lane] +=
				signs[(feature >> (i % 64)) & 0xff][lane];
	}
}

static void add_word(struct vector *v, const char *word, size_t len)
{
	add_feature(v, hash(word, len, 0));
	for (size_t at = 0; at + 3 <= len; at++)
		add_feature(v, hash(word + at, 3, 1));
}

static float dot(const struct vector *a, const struct vector *b)
{
	float lanes[8] = { 0 },
	      sum = 0; /* eight sums: SIMD without -ffast-math */

	for (size_t i = 0; i < VECTOR_DIMENSIONS; i += 8) {
		for (size_t lane = 0; lane < 8; lane++)
			lanes[lane] += a->at[i + lane] * b->at[i + lane];
	}
	for (size_t lane = 0; lane < 8; lane++)
		sum += lanes[lane];
	return sum;
}

void vector_embed(struct vector *v, const char *text)
{
	char word[64];
	size_t len = 0;
	float norm;

	memset(v, 0, sizeof(*v));
	for (;; text++) {
		if (isalnum((unsigned char)*text) && len < sizeof(word)) {
			word[len++] = (char)tolower((unsigned char)*text);
			continue;
		}
		if (len)
			add_word(v, word, len);
		len = 0;
		if (!*text)
			break;
	}
	norm = sqrtf(dot(v, v));
	for (size_t i = 0; norm > 0 && i < VECTOR_DIMENSIONS; i++)
		v->at[i] /= norm;
}

void vectors_init(struct vectors *vs)
{
	*vs = (struct vectors) { .all = NULL };
	pthread_rwlock_init(&vs->lock, NULL);
}

void vectors_fini(struct vectors *vs)
{
	pthread_rwlock_destroy(&vs->lock);
	free(vs->all);
}

static bool make_room(struct vectors *vs)
{
	size_t room = vs->room ? 2 * vs->room : 1024;
	struct vector *grown;

	if (vs->count < vs->room)
		return true;
	grown = realloc(vs->all, room * sizeof(*grown));
	if (!grown)
		return false;
	vs->all = grown;
	vs->room = room;
	return true;
}

bool vectors_add(struct vectors *vs, const struct vector *v)
{
	bool ok;

	pthread_rwlock_wrlock(&vs->lock);
	ok = make_room(vs);
	if (ok)
		vs->all[vs->count++] = *v;
	pthread_rwlock_unlock(&vs->lock);
	return ok;
}

size_t vectors_count(struct vectors *vs)
{
	size_t count;

	pthread_rwlock_rdlock(&vs->lock);
	count = vs->count;
	pthread_rwlock_unlock(&vs->lock);
	return count;
}

/* Keeps @out sorted, best first; ties stay in the order of their ids. */
static size_t insert(struct near *out, size_t count, size_t limit,
		     struct near found)
{
	size_t at = count;

	while (at > 0 && out[at - 1].score < found.score)
		at--;
	if (at == limit)
		return count;
	if (count < limit)
		count++;
	memmove(&out[at + 1], &out[at], (count - 1 - at) * sizeof(*out));
	out[at] = found;
	return count;
}

size_t vectors_nearest(struct vectors *vs, const struct vector *v,
		       struct near *out, size_t limit)
{
	size_t count = 0;

	pthread_rwlock_rdlock(&vs->lock);
	for (size_t i = 0; i < vs->count; i++) {
		struct near found = { (int64_t)i + 1, dot(&vs->all[i], v) };

		if (count < limit || found.score > out[count - 1].score)
			count = insert(out, count, limit, found);
	}
	pthread_rwlock_unlock(&vs->lock);
	return count;
}
