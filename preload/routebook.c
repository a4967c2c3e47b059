/*
 * routebook: see routebook.h.
 */
#include "preload/routebook.h"

static struct wire_route *route_room(struct routebook *b, size_t size)
{
	uint32_t number;

	if (!b->meta)
		b->meta = slab_take(SLAB_META, 0, 0, ticks_now(), SLAB_STEP,
				    &number);
	if (!b->meta ||
	    !slab_extend(b->meta, b->meta->seq,
			 (uint32_t)(sizeof(*b->meta) + b->meta->used + size)))
		return NULL;
	return (void *)((uint8_t *)(b->meta + 1) + b->meta->used);
}

static bool write_route(struct routebook *b, uint32_t id)
{
	const char *text = routes_text(b->routes, id);
	size_t length = 0, size;
	struct wire_route *w;

	if (!text)
		return false; /* its maker is not done */
	while (text[length])
		length++;
	size = (sizeof(*w) + length + 1 + 7) & ~(size_t)7;
	w = route_room(b, size);
	if (!w)
		return false;
	*w = (struct wire_route) {
		.head = { .type = WIRE_ROUTE, .size = (uint32_t)size },
		.id = b->first + id,
	};
	for (size_t i = 0; i <= length; i++)
		w->text[i] = text[i];
	__atomic_store_n(&b->meta->used, b->meta->used + (uint32_t)size,
			 __ATOMIC_RELEASE);
	return true;
}

COLD void routebook_write_more(struct routebook *b)
{
	if (__atomic_exchange_n(&b->busy, 1, __ATOMIC_ACQUIRE))
		return;
	while (b->written < routes_count(b->routes) &&
	       write_route(b, b->written + 1))
		b->written++;
	__atomic_store_n(&b->busy, 0, __ATOMIC_RELEASE);
}

void routebook_fork_child(struct routebook *b)
{
	b->meta = NULL;
	b->busy = 0;
	b->written = 0;
}
