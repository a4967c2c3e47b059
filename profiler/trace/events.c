#include "profiler/trace/events.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/wire/record.h"

struct run { /* an open slab */
	uint8_t *bytes;
	const uint8_t *at, *end;
	uint64_t ticks, addr; /* delta bases */
	double mean;
	struct fold_event next;
	bool torn;
	struct run *free_next;
};

struct merge {
	int fd;
	struct events_slab *slabs; /* by first_ticks */
	size_t count, opened;
	struct run **heap;
	size_t heap_len, heap_capacity;
	struct run *unused;
	uint64_t torn;
};

static bool get(struct run *r, uint64_t *value)
{
	const uint8_t *at = record_get(r->at, r->end, value);

	if (!at)
		return false;
	r->at = at;
	return true;
}

static bool get_addr(struct run *r)
{
	uint64_t by;

	if (!get(r, &by))
		return false;
	r->addr += (uint64_t)record_unzigzag(by);
	r->next.addr = r->addr << 3;
	return true;
}

static bool get_ticks(struct run *r)
{
	uint64_t by;

	if (!get(r, &by))
		return false;
	r->ticks += (uint64_t)record_unzigzag(by);
	r->next.ticks = r->ticks;
	return true;
}

static bool get_node(struct run *r)
{
	uint64_t node;

	if (!get(r, &node) || node > UINT32_MAX / 16)
		return false;
	r->next.node = (uint32_t)node;
	return true;
}

static bool get_name(struct run *r)
{
	if (r->end - r->at < 16)
		return false;
	r->next.name = (const char *)r->at;
	r->next.ticks = r->ticks;
	r->at += 16;
	return true;
}

/* Decode the fields of one record; false: the bytes end badly. */
static bool decode_fields(struct run *r, unsigned type)
{
	struct fold_event *e = &r->next;
	uint64_t value;

	switch (type) {
	case RECORD_ALLOC:
		e->mean = r->mean;
		return get_node(r) && get(r, &e->size) && get_addr(r) &&
		       get_ticks(r);
	case RECORD_MAP:
		return get_node(r) && get(r, &e->size) && get_addr(r) &&
		       get_ticks(r);
	case RECORD_FREE:
	case RECORD_UNFREE:
		return get_addr(r) && get_ticks(r);
	case RECORD_UNMAP:
		return get(r, &e->size) && get_addr(r) && get_ticks(r);
	case RECORD_BRK:
		if (!get_node(r) || !get(r, &value))
			return false;
		e->grown = record_unzigzag(value);
		return get_ticks(r);
	case RECORD_THREAD:
		if (!get(r, &value))
			return false;
		e->tid = (int32_t)value;
		return get_ticks(r);
	case RECORD_EXIT:
		return get_ticks(r);
	case RECORD_NAME:
		return get_name(r);
	default:
		return false;
	}
}

/* The next record that is an event; false at the end of the slab. */
static bool decode(struct run *r)
{
	int32_t tid = r->next.tid;
	uint64_t value;

	while (r->at < r->end) {
		uint8_t tag = *r->at++;

		if ((tag & 15) == RECORD_MEAN) {
			if (!get(r, &value))
				break;
			r->mean = (double)value;
			continue;
		}
		r->next = (struct fold_event) { .type = tag & 15,
						.api = tag >> 4,
						.tid = tid };
		if (decode_fields(r, tag & 15))
			return true;
		break;
	}
	r->torn = r->at < r->end || r->torn;
	return false;
}

static struct run *run_new(struct merge *m)
{
	struct run *r = m->unused;

	if (r) {
		m->unused = r->free_next;
		return r;
	}
	r = calloc(1, sizeof(*r));
	if (r)
		r->bytes = malloc(SLAB_SIZE);
	if (r && !r->bytes) {
		free(r);
		r = NULL;
	}
	return r;
}

static void run_done(struct merge *m, struct run *r)
{
	m->torn += r->torn;
	r->free_next = m->unused;
	m->unused = r;
}

/* 1: it has a record; 0: it is empty. */
static int run_open(struct merge *m, const struct events_slab *slab,
		    struct run **out)
{
	struct run *r = run_new(m);
	const struct slab_head *head;
	ssize_t got;
	uint32_t used;

	if (!r)
		return -ENOMEM;
	got = pread(m->fd, r->bytes, SLAB_SIZE,
		    (off_t)slab_offset(slab->number));
	if (got < 0) {
		run_done(m, r);
		return -errno;
	}
	head = (const struct slab_head *)r->bytes;
	used = got > (ssize_t)sizeof(*head)
		       ? (uint32_t)got - (uint32_t)sizeof(*head)
		       : 0;
	r->torn = used && head->used > used;
	if (used && head->used < used)
		used = head->used;
	r->at = (const uint8_t *)(head + 1);
	r->end = r->at + used;
	r->ticks = head->first_ticks;
	r->addr = 0;
	r->mean = 0;
	r->next = (struct fold_event) { .tid = head->tid };
	if (used && decode(r)) {
		*out = r;
		return 1;
	}
	run_done(m, r);
	return 0;
}

static bool before(const struct run *a, const struct run *b)
{
	return a->next.ticks < b->next.ticks;
}

static void sift_down(struct merge *m)
{
	struct run *top = m->heap[0];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= m->heap_len)
			break;
		if (child + 1 < m->heap_len &&
		    before(m->heap[child + 1], m->heap[child]))
			child++;
		if (!before(m->heap[child], top))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = top;
}

static int heap_push(struct merge *m, struct run *r)
{
	size_t i = m->heap_len;

	if (m->heap_len == m->heap_capacity) {
		size_t capacity = m->heap_capacity ? m->heap_capacity * 2 : 16;
		struct run **grown =
			realloc(m->heap, capacity * sizeof(struct run *));

		if (!grown) {
			run_done(m, r);
			return -ENOMEM;
		}
		m->heap = grown;
		m->heap_capacity = capacity;
	}
	m->heap_len++;
	while (i > 0 && before(r, m->heap[(i - 1) / 2])) {
		m->heap[i] = m->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	m->heap[i] = r;
	return 0;
}

/* Open every slab that begins before the earliest record at hand. */
static int open_due(struct merge *m)
{
	while (m->opened < m->count &&
	       (!m->heap_len ||
		m->slabs[m->opened].first_ticks <= m->heap[0]->next.ticks)) {
		struct run *r = NULL;
		int rc = run_open(m, &m->slabs[m->opened++], &r);

		if (rc == 1)
			rc = heap_push(m, r);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Up to when the top run may go on without looking at the others. */
static uint64_t limit(const struct merge *m)
{
	uint64_t limit = UINT64_MAX;

	if (m->opened < m->count)
		limit = m->slabs[m->opened].first_ticks;
	for (size_t i = 1; i < 3 && i < m->heap_len; i++)
		if (m->heap[i]->next.ticks < limit)
			limit = m->heap[i]->next.ticks;
	return limit;
}

static int merge_all(struct merge *m, struct fold *f)
{
	int rc = open_due(m);

	while (rc == 0 && m->heap_len) {
		struct run *top = m->heap[0];
		uint64_t until = limit(m);
		bool more = true;

		while (more && rc == 0 && top->next.ticks <= until) {
			rc = fold_apply(f, &top->next);
			more = decode(top);
		}
		if (rc < 0)
			break;
		if (!more) {
			run_done(m, top);
			m->heap[0] = m->heap[--m->heap_len];
		}
		if (m->heap_len)
			sift_down(m);
		rc = open_due(m);
	}
	return rc;
}

static int by_ticks(const void *a, const void *b)
{
	const struct events_slab *x = a, *y = b;

	if (x->first_ticks != y->first_ticks)
		return x->first_ticks < y->first_ticks ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

int events_fold(int fd, struct events_slab *at, size_t count, struct fold *f,
		uint64_t *torn)
{
	struct merge m = { .fd = fd, .slabs = at, .count = count };
	int rc;

	if (count)
		qsort(at, count, sizeof(*at), by_ticks);
	rc = merge_all(&m, f);
	while (m.heap_len)
		run_done(&m, m.heap[--m.heap_len]);
	while (m.unused) {
		struct run *r = m.unused;

		m.unused = r->free_next;
		free(r->bytes);
		free(r);
	}
	free(m.heap);
	*torn += m.torn;
	return rc;
}
