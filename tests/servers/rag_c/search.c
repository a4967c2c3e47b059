#include "tests/servers/rag_c/search.h"

#include "tests/servers/rag_c/words.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CANDIDATES 50 /* taken from each ranking before they are fused */
#define RRF_K	   60 /* of reciprocal rank fusion, as in the literature */

struct fused {
	int64_t id;
	double score;
};

/* Ids agree between vectors and words: passages are added one at a time. */
static pthread_mutex_t ingest_lock = PTHREAD_MUTEX_INITIALIZER;

static int by_score(const void *left, const void *right)
{
	const struct fused *a = left, *b = right;

	if (a->score != b->score)
		return a->score < b->score ? 1 : -1;
	return (a->id > b->id) - (a->id < b->id);
}

static size_t add_rank(struct fused *all, size_t count, int64_t id, size_t rank)
{
	size_t i = 0;

	while (i < count && all[i].id != id)
		i++;
	if (i == count)
		all[count++] = (struct fused) { .id = id };
	all[i].score += 1.0 / (double)(RRF_K + rank);
	return count;
}

static size_t rank_hybrid(struct vectors *vs, const struct vector *v,
			  const char *query, struct fused *out)
{
	struct near *near = malloc(CANDIDATES * sizeof(*near));
	int64_t *ids = malloc(CANDIDATES * sizeof(*ids));
	size_t count = 0, found;

	if (near && ids) {
		found = vectors_nearest(vs, v, near, CANDIDATES);
		for (size_t i = 0; i < found; i++)
			count = add_rank(out, count, near[i].id, i + 1);
		found = words_search(query, ids, CANDIDATES);
		for (size_t i = 0; i < found; i++)
			count = add_rank(out, count, ids[i], i + 1);
	}
	free(near);
	free(ids);
	qsort(out, count, sizeof(*out), by_score);
	return count;
}

static size_t rank_vector(struct vectors *vs, const struct vector *v,
			  struct fused *out)
{
	struct near near[SEARCH_LIMIT];
	size_t count = vectors_nearest(vs, v, near, SEARCH_LIMIT);

	for (size_t i = 0; i < count; i++)
		out[i] = (struct fused) { near[i].id, (double)near[i].score };
	return count;
}

struct search_result *search(struct vectors *vs, const char *query,
			     size_t limit, bool vector_only)
{
	struct search_result *r = calloc(1, sizeof(*r));
	struct fused ranked[2 * SEARCH_LIMIT];
	struct vector v;
	size_t count;

	if (!r)
		return NULL;
	vector_embed(&v, query);
	count = vector_only ? rank_vector(vs, &v, ranked)
			    : rank_hybrid(vs, &v, query, ranked);
	for (size_t i = 0; i < count && r->count < limit; i++) {
		struct search_hit *hit = &r->hits[r->count];
		struct words_passage p;

		if (!words_passage(query, ranked[i].id, &p))
			continue;
		*hit = (struct search_hit) { ranked[i].id, ranked[i].score,
					     p.title, p.text, p.snippet };
		r->count++;
	}
	return r;
}

void search_free(struct search_result *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++) {
		free(r->hits[i].title);
		free(r->hits[i].text);
		free(r->hits[i].snippet);
	}
	free(r);
}

int64_t search_ingest(struct vectors *vs, const char *title, const char *text)
{
	struct vector v;
	char *both;
	int64_t id = -1;

	if (asprintf(&both, "%s %s", title, text) < 0)
		return -1;
	vector_embed(&v, both);
	free(both);
	pthread_mutex_lock(&ingest_lock);
	if (vectors_add(vs, &v))
		id = words_add(title, text);
	pthread_mutex_unlock(&ingest_lock);
	return id;
}
