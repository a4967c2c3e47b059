#include "profiler/sym/pypages.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/proc/remote.h"

#define PAGE	 4096u
#define SLOTS	 16384u /* 64 MiB at most, as they are touched */
#define ABSENT	 1u	/* with a page's address: it is not there */
#define USER_END (1ULL << 47)

struct slot {
	uint64_t page; /* its address; 0: none yet */
	uint8_t *bytes;
};

struct pypages {
	struct remote from;
	struct slot slots[SLOTS];
};

struct pypages *pypages_new(const struct remote *from)
{
	struct pypages *p = calloc(1, sizeof(*p));

	if (p)
		p->from = *from;
	return p;
}

void pypages_free(struct pypages *p)
{
	for (size_t i = 0; p && i < SLOTS; i++)
		free(p->slots[i].bytes);
	free(p);
}

/* A fake's ranges need not begin or end with a page. */
static bool read_around(const struct pypages *p, uint64_t at, void *to,
			size_t size)
{
	return p->from.range_count && remote_read(&p->from, at, to, size) == 0;
}

static const uint8_t *page_of(struct pypages *p, uint64_t page)
{
	struct slot *s = &p->slots[hash_mix(page / PAGE) % SLOTS];

	if (s->page == page)
		return s->bytes;
	if (s->page == (page | ABSENT))
		return NULL;
	if (!s->bytes)
		s->bytes = malloc(PAGE);
	if (!s->bytes)
		return NULL;
	s->page = page;
	if (remote_read(&p->from, page, s->bytes, PAGE) == 0)
		return s->bytes;
	s->page |= ABSENT;
	return NULL;
}

bool pypages_read(struct pypages *p, uint64_t at, void *to, size_t size)
{
	if (at < PAGE || at >= USER_END || size > USER_END - at)
		return false;
	while (size) {
		uint64_t offset = at % PAGE;
		size_t some = size < PAGE - offset ? size : PAGE - offset;
		const uint8_t *bytes = page_of(p, at - offset);

		if (bytes)
			memcpy(to, bytes + offset, some);
		else if (!read_around(p, at, to, some))
			return false;
		at += some;
		to = (char *)to + some;
		size -= some;
	}
	return true;
}
