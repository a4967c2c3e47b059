#include "profiler/trace/mappings.h"

#include <errno.h>

/* The first mapping that ends after @addr. */
static size_t find(const struct mappings *m, uint64_t addr)
{
	size_t low = 0, high = m->at.count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (m->at.at[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert(struct mappings *m, size_t i, struct mapping mapping)
{
	if (!vec_push(&m->at))
		return -ENOMEM;
	memmove(&m->at.at[i + 1], &m->at.at[i],
		(m->at.count - 1 - i) * sizeof(mapping));
	m->at.at[i] = mapping;
	return 0;
}

static void drop(struct mappings *m, size_t first, size_t end)
{
	memmove(&m->at.at[first], &m->at.at[end],
		(m->at.count - end) * sizeof(*m->at.at));
	m->at.count -= end - first;
}

int mappings_remove(struct mappings *m, uint64_t start, uint64_t end,
		    mappings_gone *gone, void *context)
{
	size_t first = find(m, start), i;

	for (i = first; i < m->at.count && m->at.at[i].start < end; i++) {
		struct mapping *at = &m->at.at[i], was = *at;
		uint64_t from = was.start > start ? was.start : start;
		uint64_t to = was.end < end ? was.end : end;

		gone(context, was.stack, to - from);
		if (was.start < from && to < was.end) {
			at->end = from; /* a hole in the middle */
			was.start = to;
			return insert(m, i + 1, was);
		}
		if (was.start < from) {
			at->end = from;
			first = i + 1;
		} else if (to < was.end) {
			at->start = to;
			break;
		}
	}
	if (first < i)
		drop(m, first, i);
	return 0;
}

int mappings_add(struct mappings *m, uint64_t start, uint64_t end,
		 uint64_t stack, mappings_gone *gone, void *context)
{
	int rc = mappings_remove(m, start, end, gone, context);

	if (rc < 0)
		return rc;
	return insert(m, find(m, start),
		      (struct mapping) { start, end, stack });
}
