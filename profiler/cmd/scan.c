#include "profiler/cmd/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profiler/attach/mark.h"
#include "profiler/attach/roots.h"
#include "profiler/attach/snapshot.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/cmd/recording.h"
#include "profiler/proc/remote.h"
#include "profiler/trace/blocks.h"

struct found { /* unreachable in the last scan; by address */
	uint64_t addr;
	uint64_t size;
	uint32_t node, birth;
	float probability;
};

struct found_list {
	VEC(struct found) at;
};

struct scan {
	pid_t pid;
	char *path;
	struct blocks *events;
	struct snapshot snapshot;
	struct found_list last;
	struct scan_result result;
	uint32_t number;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

int scan_open(struct scan **out, pid_t pid, const char *path, struct err *err)
{
	struct scan *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (s)
		s->path = strdup(path);
	if (!s || !s->path) {
		scan_close(s);
		return err_set(err, -ENOMEM, "out of memory");
	}
	s->pid = pid;
	rc = blocks_open(&s->events, path, err);
	if (rc < 0) {
		scan_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void scan_close(struct scan *s)
{
	if (!s)
		return;
	blocks_close(s->events);
	vec_free(&s->last.at);
	vec_free(&s->result.sites);
	free(s->path);
	free(s);
}

const struct scan_result *scan_result(const struct scan *s)
{
	return &s->result;
}

pid_t scan_pid(const struct scan *s)
{
	return s->pid;
}

int scan_prepare(struct scan *s, struct err *err)
{
	return blocks_read_on(s->events, err);
}

int scan_take(struct scan *s, struct err *err)
{
	const struct slab_file *header = blocks_header(s->events);

	return snapshot_take(&s->snapshot, s->pid, &header->entry, err);
}

void scan_release(struct scan *s)
{
	snapshot_release(&s->snapshot);
}

/*
 * Leave out what cannot be marked: a block that others lie in (an allocator
 * took it to hand out in parts) is a root like any memory that nobody knows.
 */
static size_t keep_plain(struct block *blocks, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct block b = blocks[i];

		b.size = b.size ? b.size : 1;
		while (kept &&
		       blocks[kept - 1].addr + blocks[kept - 1].size > b.addr)
			kept--;
		if (b.addr % 8 == 0 && b.size < 1ULL << 46)
			blocks[kept++] = b;
	}
	return kept;
}

struct look {
	struct scan *scan;
	struct block *blocks;
	size_t count;
	uint32_t window;
	struct mark_block *extents;
	struct mark *mark;
	struct roots roots;
	struct found_list found;
	struct hash *site_of; /* node -> index in the result's sites */
};

static int make_marker(struct look *l)
{
	l->extents = malloc((l->count + 1) * sizeof(*l->extents));
	if (!l->extents)
		return -ENOMEM;
	for (size_t i = 0; i < l->count; i++)
		l->extents[i] = (struct mark_block) { l->blocks[i].addr,
						      l->blocks[i].size };
	return mark_new(&l->mark, l->extents, l->count);
}

/*
 * Born in the window of the instant or the one before: not old enough to be
 * lost, and a later block at its address could not be told from it.
 */
static bool is_young(const struct look *l, size_t i)
{
	return l->blocks[i].birth + 1 >= l->window;
}

static int mark_all(struct look *l)
{
	const struct snapshot *snap = &l->scan->snapshot;
	struct remote then = remote_process(snap->pid);
	struct remote now = remote_process(snap->origin);
	int rc = mark_words(l->mark, snap->words.at, snap->words.count);

	if (rc == 0)
		rc = mark_words(l->mark, l->roots.words.at,
				l->roots.words.count);
	if (rc == 0)
		rc = mark_scan(l->mark, &now, &l->roots.live);
	if (rc == 0)
		rc = mark_scan(l->mark, &then, &l->roots.memory);
	for (size_t i = 0; i < l->count && rc == 0; i++)
		if (is_young(l, i))
			rc = mark_block(l->mark, i);
	return rc < 0 ? rc : mark_follow(l->mark);
}

static struct wire_reach_site *site_of(struct look *l, uint32_t node)
{
	struct scan_result *r = &l->scan->result;
	uint64_t *known = hash_find(l->site_of, node);
	struct wire_reach_site *site;

	if (known)
		return &r->sites.at[*known];
	site = vec_push(&r->sites);
	if (!site || hash_set(l->site_of, node, r->sites.count - 1) < 0)
		return NULL;
	site->node = node;
	return site;
}

static void add(uint64_t *count, uint64_t *bytes, uint64_t size,
		float probability)
{
	double weight = 1.0 / (double)probability;

	*count += (uint64_t)(weight + 0.5);
	*bytes += (uint64_t)((double)size * weight + 0.5);
}

static int add_freed(struct look *l, const struct found *f)
{
	struct wire_reach_site *site = site_of(l, f->node);

	if (!site)
		return -ENOMEM;
	add(&site->freed_count, &site->freed_bytes, f->size, f->probability);
	return 0;
}

static int add_unreachable(struct look *l, const struct block *b, bool twice)
{
	struct wire_reach_site *site = site_of(l, b->node);
	struct found *f = vec_push(&l->found.at);

	if (!site || !f)
		return -ENOMEM;
	*f = (struct found) { b->addr, b->size, b->node, b->birth,
			      b->probability };
	add(&site->count, &site->bytes, b->size, b->probability);
	if (twice)
		add(&site->twice_count, &site->twice_bytes, b->size,
		    b->probability);
	return 0;
}

/* Both lists are by address. */
static int compare_with_last(struct look *l)
{
	const struct found *at = l->scan->last.at.at;
	const struct found *end = at + l->scan->last.at.count;
	int rc = 0;

	for (size_t i = 0; i < l->count && rc == 0; i++) {
		const struct block *b = &l->blocks[i];
		bool known;

		for (; rc == 0 && at < end && at->addr < b->addr; at++)
			rc = add_freed(l, at);
		known = at < end && at->addr == b->addr;
		if (known && at->birth != b->birth && rc == 0) {
			rc = add_freed(l, at);
			known = false;
			at++;
		}
		if (rc == 0 && !mark_reached(l->mark, i))
			rc = add_unreachable(l, b, known);
		at += known;
	}
	for (; rc == 0 && at < end; at++)
		rc = add_freed(l, at);
	return rc;
}

static int by_node(const void *a, const void *b)
{
	const struct wire_reach_site *x = a, *y = b;

	return (x->node > y->node) - (x->node < y->node);
}

/* Events whose loss can leave a block in the list that is gone. */
static uint64_t lost_events(const struct slab_file *h)
{
	const uint64_t *drops = h->stats.drops;

	return drops[DROP_NO_SLAB] + drops[DROP_AFTER_STOP] +
	       drops[DROP_REENTRANT] + drops[DROP_THREAD_STATE];
}

static void summarize(struct look *l, uint64_t since)
{
	struct scan *s = l->scan;
	const struct slab_file *h = blocks_header(s->events);

	s->result.summary = (struct wire_reach) {
		.pid = h->pid,
		.image = h->image,
		.at_ns = s->snapshot.at_ns,
		.pause_ns = s->snapshot.pause_ns,
		.scan_ns = now_ns() - since,
		.bytes = mark_bytes(l->mark),
		.blocks = l->count,
		.lost = lost_events(h),
		.number = ++s->number,
		.flags = l->roots.hidden ? REACH_HIDDEN : 0,
	};
}

static int find_unreachable(struct look *l)
{
	struct scan *s = l->scan;
	int rc;

	s->result.sites.count = 0;
	l->site_of = hash_new();
	rc = l->site_of ? compare_with_last(l) : -ENOMEM;
	if (rc < 0)
		return rc;
	if (s->result.sites.count)
		qsort(s->result.sites.at, s->result.sites.count,
		      sizeof(*s->result.sites.at), by_node);
	vec_free(&s->last.at);
	s->last = l->found;
	l->found = (struct found_list) { 0 };
	return 0;
}

static uint64_t instant(const struct scan *s)
{
	return blocks_header(s->events)->clock == SLAB_CLOCK_TSC
		       ? s->snapshot.tsc
		       : s->snapshot.at_ns;
}

int scan_look(struct scan *s, struct err *err)
{
	struct look l = { .scan = s };
	uint64_t since = now_ns();
	int rc = roots_find(&l.roots, &s->snapshot, err);

	if (rc == 0)
		rc = blocks_at(s->events, instant(s), &l.blocks, &l.count,
			       &l.window, err);
	if (rc < 0)
		goto out;
	l.count = keep_plain(l.blocks, l.count);
	rc = make_marker(&l);
	if (rc == 0)
		rc = mark_all(&l);
	if (rc == 0)
		rc = find_unreachable(&l);
	if (rc == 0)
		summarize(&l, since);
	else
		err_set(err, rc, "cannot scan process %d: %s", (int)s->pid,
			strerror(-rc));
out:
	roots_fini(&l.roots);
	mark_free(l.mark);
	hash_free(l.site_of);
	vec_free(&l.found.at);
	free(l.extents);
	free(l.blocks);
	return rc;
}
