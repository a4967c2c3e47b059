#include "profiler/attach/pages.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"

#define PAGE	   4096ULL
#define PAGES_MOST 16384 /* 64 MiB; what comes then is not kept */

typedef uint8_t page[PAGE];

struct pages {
	struct remote there;
	struct hash *known; /* page's address -> index in kept */
	VEC(page *) kept;
};

struct pages *pages_new(const struct remote *there)
{
	struct pages *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->there = *there;
	p->known = hash_new();
	if (!p->known) {
		free(p);
		return NULL;
	}
	return p;
}

void pages_free(struct pages *p)
{
	page **at;

	if (!p)
		return;
	vec_foreach (&p->kept, at)
		free(*at);
	vec_free(&p->kept);
	hash_free(p->known);
	free(p);
}

/* The page at @at, kept from now on; NULL when it cannot be had or kept. */
static const uint8_t *page_at(struct pages *p, uint64_t at)
{
	uint64_t *known = hash_find(p->known, at);
	page **slot, *new;

	if (known)
		return *p->kept.at[*known];
	if (p->kept.count >= PAGES_MOST)
		return NULL;
	new = malloc(sizeof(*new));
	if (!new || remote_read(&p->there, at, *new, PAGE) < 0)
		goto free_page;
	slot = vec_push(&p->kept);
	if (!slot)
		goto free_page;
	*slot = new;
	if (hash_set(p->known, at, p->kept.count - 1) < 0) {
		p->kept.count--;
		goto free_page;
	}
	return *new;

free_page:
	free(new);
	return NULL;
}

bool pages_read(struct pages *p, uint64_t addr, void *to, size_t size)
{
	uint64_t offset = addr % PAGE;
	const uint8_t *bytes;

	bytes = offset + size <= PAGE ? page_at(p, addr - offset) : NULL;
	if (!bytes)
		return remote_read(&p->there, addr, to, size) == 0;
	memcpy(to, bytes + offset, size);
	return true;
}
