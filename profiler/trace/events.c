#include "profiler/trace/events.h"

#include <errno.h>
#include <stdlib.h>

#include "profiler/trace/fold_state.h"

struct merge {
	int fd;
	struct fold *fold;
	struct cursor *cursors;
	size_t count, opened;
	VEC(struct run *) heap; /* the earliest is heap.at[0] */
	struct run *unused;
};

static void run_done(struct merge *m, struct run *r)
{
	run_close(r);
	m->fold->core.torn += r->torn;
	r->next = m->unused;
	m->unused = r;
}

static bool before(const struct run *a, const struct run *b)
{
	if (a->at->ticks != b->at->ticks)
		return a->at->ticks < b->at->ticks;
	return a->cursor->slab < b->cursor->slab;
}

static void sift_down(struct merge *m)
{
	struct run **heap = m->heap.at, *top = heap[0];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < m->heap.count) {
		if (child + 1 < m->heap.count &&
		    before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], top))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = top;
}

static int heap_push(struct merge *m, struct run *r)
{
	size_t i = m->heap.count;

	if (!vec_push(&m->heap)) {
		run_done(m, r);
		return -ENOMEM;
	}
	while (i > 0 && before(r, m->heap.at[(i - 1) / 2])) {
		m->heap.at[i] = m->heap.at[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	m->heap.at[i] = r;
	return 0;
}

static int open_slab(struct merge *m, struct cursor *cursor)
{
	struct run *r = m->unused;
	int rc;

	if (r)
		m->unused = r->next;
	else
		r = malloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	rc = run_open(r, m->fd, cursor, m->fold);
	if (rc > 0)
		return heap_push(m, r);
	if (rc == 0) {
		run_done(m, r);
		return 0;
	}
	free(r);
	return rc;
}

/* Open every slab that begins no later than the earliest record at hand. */
static int open_due(struct merge *m, uint64_t until)
{
	int rc = 0;

	while (rc == 0 && m->opened < m->count) {
		uint64_t due = m->heap.count ? m->heap.at[0]->at->ticks : until;

		if (m->cursors[m->opened].ticks > due)
			break;
		rc = open_slab(m, &m->cursors[m->opened++]);
	}
	return rc;
}

/*
 * Up to which ticks the top run may go on without a look at the others, given
 * that equal ones go by slab number.
 */
static uint64_t limit(const struct merge *m, uint64_t until)
{
	const struct run *top = m->heap.at[0];

	if (m->opened < m->count && m->cursors[m->opened].ticks <= until)
		until = m->cursors[m->opened].ticks - 1;
	for (size_t i = 1; i < 3 && i < m->heap.count; i++) {
		const struct run *r = m->heap.at[i];
		uint64_t own =
			r->at->ticks - (r->cursor->slab < top->cursor->slab);

		if (own < until)
			until = own;
	}
	return until;
}

/* Apply the top run up to the limit; 1: it has more, 0: it has ended. */
static int apply_top(struct merge *m, uint64_t until)
{
	struct run *top = m->heap.at[0];
	ssize_t applied;
	int more = 1;

	do {
		applied = fold_run(m->fold, &top->lane, top->at,
				   (size_t)(top->end - top->at), until);
		if (applied < 0)
			return (int)applied;
		top->at += applied;
		if (top->at == top->end)
			more = run_fill(top, m->fd);
	} while (more > 0 && top->at->ticks <= until);
	return more;
}

static int merge_all(struct merge *m, uint64_t until)
{
	int rc;

	for (;;) {
		rc = open_due(m, until);
		if (rc < 0 || !m->heap.count ||
		    m->heap.at[0]->at->ticks > until)
			return rc;
		rc = apply_top(m, limit(m, until));
		if (rc < 0)
			return rc;
		if (rc == 0) {
			run_done(m, m->heap.at[0]);
			m->heap.at[0] = m->heap.at[--m->heap.count];
		}
		if (m->heap.count)
			sift_down(m);
	}
}

int events_fold(int fd, struct cursors *cursors, struct fold *f, uint64_t until)
{
	struct merge m = { .fd = fd,
			   .fold = f,
			   .cursors = cursors->at.at,
			   .count = cursors->at.count };
	int rc = merge_all(&m, until);

	while (m.heap.count)
		run_done(&m, m.heap.at[--m.heap.count]);
	while (m.unused) {
		struct run *r = m.unused;

		m.unused = r->next;
		free(r);
	}
	vec_free(&m.heap);
	return rc;
}
