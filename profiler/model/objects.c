/*
 * objects: what the blocks of sites are in Python, and what holds them.
 *
 * Of a site's stacks the one that holds most tells, by the last scan of its
 * process.
 */
#include <errno.h>
#include <stdlib.h>

#include "profiler/base/hash.h"
#include "profiler/model/build.h"

static const char *text_of(struct model *m, const char *text)
{
	return text[0] ? model_string(m, text) : NULL;
}

/* The last of each stack comes last. */
static int index_objects(const struct trace_view *v, uint32_t image,
			 struct hash *by_node)
{
	const struct slab_file *h = &v->images[image].header;
	int rc = 0;

	for (size_t i = 0; i < v->objects_count && rc == 0; i++) {
		const struct trace_objects *o = &v->objects[i];

		if (o->pid == h->pid && o->image == h->image)
			rc = hash_set(by_node, o->node, i);
	}
	return rc;
}

static void fill_site(struct model *m, struct model_site *site,
		      const struct trace_objects *o)
{
	site->object_type = text_of(m, o->type);
	site->holder = text_of(m, o->holder);
	site->holder_type = text_of(m, o->holder_type);
}

static void fill_image(struct model *m, const struct trace_view *v,
		       const struct build_part *parts, size_t count,
		       const struct hash *by_node, uint64_t *most)
{
	for (size_t i = 0; i < count; i++) {
		const struct fold_stack *stacks =
			v->images[parts[i].image].result.stacks;
		uint64_t *index =
			hash_find(by_node, stacks[parts[i].stack].node);
		const struct trace_objects *o;

		o = index ? &v->objects[*index] : NULL;
		if (!o || o->bytes < most[parts[i].site])
			continue;
		most[parts[i].site] = o->bytes;
		fill_site(m, &m->sites[parts[i].site], o);
	}
}

/* Parts of one image follow each other. */
int build_objects(struct model *m, const struct trace_view *v,
		  const struct build_part *parts, size_t count)
{
	uint64_t *most = calloc((size_t)m->site_count + 1, sizeof(*most));
	int rc = most ? 0 : -ENOMEM;

	for (size_t i = 0, end; i < count && rc == 0; i = end) {
		struct hash *by_node = hash_new();

		end = i + 1;
		while (end < count && parts[end].image == parts[i].image)
			end++;
		rc = by_node ? index_objects(v, parts[i].image, by_node)
			     : -ENOMEM;
		if (rc == 0)
			fill_image(m, v, parts + i, end - i, by_node, most);
		hash_free(by_node);
	}
	free(most);
	return rc;
}
