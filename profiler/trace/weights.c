/*
 * weights: what the records of a <pid>.probe.slabs add up to.
 */
#include "profiler/trace/weights.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS_MOST (1u << 20)

static int add(struct weights *w, const struct wire_weight *from)
{
	uint64_t key = (uint64_t)from->kind << 32 | from->node, *place;
	struct trace_weight *sum;

	if (from->kind == 0 || from->kind >= WEIGHT_NKINDS ||
	    from->node > FOLD_NODE_MAX)
		return 0;
	place = hash_find(w->places, key);
	if (!place) {
		sum = vec_push(&w->sums);
		if (!sum || hash_set(w->places, key, w->sums.count - 1) < 0)
			return -ENOMEM;
		sum->node = from->node;
		sum->kind = (enum wire_weight_kind)from->kind;
	} else {
		sum = &w->sums.at[*place];
	}
	/* Unsigned: foreign numbers may overflow, which is damage only. */
	sum->count = (int64_t)((uint64_t)sum->count + (uint64_t)from->count);
	sum->weight = (int64_t)((uint64_t)sum->weight + (uint64_t)from->weight);
	return 0;
}

static int take_weights(struct weights *w, const struct wire_weights *record)
{
	size_t count = (record->head.size - sizeof(*record)) /
		       sizeof(struct wire_weight);
	int rc = 0;

	if (!w->places)
		w->places = hash_new();
	if (!w->places)
		return -ENOMEM;
	if (record->at_ns > w->last_ns)
		w->last_ns = record->at_ns;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = add(w, &record->at[i]);
	return rc;
}

static int take_text(struct weights *w, const struct wire_text *record)
{
	size_t size = record->head.size - sizeof(*record);

	if (record->id == 0 || record->id > TEXTS_MOST)
		return 0;
	while (w->texts.count < record->id)
		if (!vec_push(&w->texts))
			return -ENOMEM;
	free(w->texts.at[record->id - 1]);
	w->texts.at[record->id - 1] = strndup(record->text, size);
	return w->texts.at[record->id - 1] ? 0 : -ENOMEM;
}

int weights_record(struct weights *w, const struct wire_head *record)
{
	if (record->type == WIRE_WEIGHTS &&
	    record->size >= sizeof(struct wire_weights))
		return take_weights(w, (const struct wire_weights *)record);
	if (record->type == WIRE_TEXT &&
	    record->size > sizeof(struct wire_text))
		return take_text(w, (const struct wire_text *)record);
	return 0;
}

static int by_node(const void *a, const void *b)
{
	const struct trace_weight *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return (x->kind > y->kind) - (x->kind < y->kind);
}

void weights_finish(struct weights *w, struct trace_image *view)
{
	if (w->sums.count)
		qsort(w->sums.at, w->sums.count, sizeof(*w->sums.at), by_node);
	view->weights = w->sums.at;
	view->weight_count = w->sums.count;
	view->texts = (const char *const *)w->texts.at;
	view->text_count = w->texts.count;
	if (view->probed && w->last_ns > view->result.last_ns)
		view->result.last_ns = w->last_ns;
}

void weights_fini(struct weights *w)
{
	char **text;

	vec_foreach (&w->texts, text)
		free(*text);
	vec_free(&w->texts);
	vec_free(&w->sums);
	hash_free(w->places);
	*w = (struct weights) { 0 };
}
