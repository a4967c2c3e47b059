#include "profiler/cmd/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "profiler/attach/mark.h"
#include "profiler/attach/room.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/remote.h"
#include "profiler/sym/pyheap.h"
#include "profiler/trace/blocks.h"
#include "profiler/trace/reader.h"
#include "profiler/trace/writer.h"

#define OBJECTS_MAX 100 /* stacks told of in a scan; some 10 KiB */

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
	struct slab_entry entry; /* where its recorder can be found */
	struct blocks *events;
	struct block *blocks; /* alive at the instant, until looked at */
	size_t block_count;
	uint32_t window; /* of the instant */
	struct found_list last;
	uint32_t number;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/*
 * A file is named after its process's number, which may be another one where
 * we are: see that it is the one, before anything is written into it.
 */
static int check_mapped(pid_t pid, const char *path, struct err *err)
{
	struct buf text = BUF_INIT;
	struct maps_cursor cursor;
	struct maps_entry e;
	struct stat sb;
	int dir, rc;

	if (stat(path, &sb) < 0)
		return err_errno(err, "cannot stat %s", path);
	dir = procfs_open("/proc", pid);
	if (dir < 0)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	rc = procfs_read(dir, "maps", &text);
	close(dir);
	cursor = maps_begin(text.bytes, text.len);
	if (rc == 0)
		rc = -ENOTSUP;
	while (rc < 0 && maps_next(&cursor, &e))
		if (e.inode == sb.st_ino && maps_path_ends(&e, ".slabs"))
			rc = 0;
	buf_free(&text);
	return rc < 0 ? err_set(err, rc, "process %d does not record into %s",
				(int)pid, path)
		      : 0;
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
	rc = check_mapped(pid, path, err);
	if (rc == 0)
		rc = blocks_open(&s->events, path, err);
	if (rc < 0) {
		scan_close(s);
		return rc;
	}
	s->entry = blocks_header(s->events)->entry;
	*out = s;
	return 0;
}

void scan_close(struct scan *s)
{
	if (!s)
		return;
	blocks_close(s->events);
	free(s->blocks);
	vec_free(&s->last.at);
	free(s->path);
	free(s);
}

void scan_result_fini(struct scan_result *r)
{
	vec_free(&r->sites);
	pyheap_free(r->objects);
	r->objects = NULL;
}

pid_t scan_pid(const struct scan *s)
{
	return s->pid;
}

int scan_prepare(struct scan *s, struct err *err)
{
	return blocks_read_on(s->events, err);
}

void shot_release(struct shot *shot)
{
	snapshot_release(&shot->snapshot);
	roots_fini(&shot->roots);
}

int scan_take(const struct scan *s, struct shot *shot, struct err *err)
{
	int rc = room_check(s->pid, err);

	*shot = (struct shot) { 0 };
	if (rc == 0)
		rc = snapshot_take(&shot->snapshot, s->pid, &s->entry, err);
	if (rc == 0)
		rc = roots_find(&shot->roots, &shot->snapshot, err);
	if (rc < 0)
		shot_release(shot);
	return rc;
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

int scan_read(struct scan *s, const struct shot *shot, struct err *err)
{
	const struct snapshot *snap = &shot->snapshot;
	bool tsc = blocks_header(s->events)->clock == SLAB_CLOCK_TSC;
	int rc;

	free(s->blocks);
	rc = blocks_at(s->events, tsc ? snap->tsc : snap->at_ns, &s->blocks,
		       &s->block_count, &s->window, err);
	if (rc == 0)
		s->block_count = keep_plain(s->blocks, s->block_count);
	return rc;
}

struct look {
	struct scan *scan;
	const struct shot *shot;
	const struct block *blocks;
	size_t count;
	struct mark_block *extents;
	struct mark *mark;
	struct found_list found;
	struct hash *site_of; /* node -> index in the result's sites */
	struct scan_result *result;
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
	return l->blocks[i].birth + 1 >= l->scan->window;
}

static int mark_all(struct look *l)
{
	const struct snapshot *snap = &l->shot->snapshot;
	const struct roots *roots = &l->shot->roots;
	struct remote then = remote_mem(snap->mem);
	struct remote now = remote_process(snap->origin);
	int rc = mark_words(l->mark, snap->words.at, snap->words.count);

	if (rc == 0)
		rc = mark_words(l->mark, roots->words.at, roots->words.count);
	if (rc == 0)
		rc = mark_scan(l->mark, &now, &roots->live);
	if (rc == 0)
		rc = mark_scan(l->mark, &then, &roots->shared);
	if (rc == 0)
		rc = mark_scan(l->mark, &then, &roots->memory);
	for (size_t i = 0; i < l->count && rc == 0; i++)
		if (is_young(l, i))
			rc = mark_block(l->mark, i);
	return rc < 0 ? rc : mark_follow(l->mark);
}

static struct wire_reach_site *site_of(struct look *l, uint32_t node)
{
	struct scan_result *r = l->result;
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
	const struct slab_file *h = blocks_header(l->scan->events);

	l->result->summary = (struct wire_reach) {
		.pid = h->pid,
		.image = h->image,
		.at_ns = l->shot->snapshot.at_ns,
		.pause_ns = l->shot->snapshot.pause_ns,
		.scan_ns = now_ns() - since,
		.bytes = mark_bytes(l->mark),
		.blocks = l->count,
		.lost = lost_events(h),
		.number = ++l->scan->number,
		.flags = l->shot->roots.hidden ? REACH_HIDDEN : 0,
	};
}

static int find_unreachable(struct look *l)
{
	struct scan_result *r = l->result;
	int rc;

	l->site_of = hash_new();
	rc = l->site_of ? compare_with_last(l) : -ENOMEM;
	if (rc < 0)
		return rc;
	if (r->sites.count)
		qsort(r->sites.at, r->sites.count, sizeof(*r->sites.at),
		      by_node);
	vec_free(&l->scan->last.at);
	l->scan->last = l->found;
	l->found = (struct found_list) { 0 };
	return 0;
}

/*
 * Of young blocks most are not kept.  Failing to find objects is no failure
 * of the scan.
 */
static void find_objects(struct look *l)
{
	const struct slab_python *python =
		&blocks_header(l->scan->events)->python;
	struct remote then = remote_mem(l->shot->snapshot.mem);
	struct pyheap_block *old;
	size_t count = 0;

	if (!python->modules)
		return;
	old = malloc((l->count + 1) * sizeof(*old));
	for (size_t i = 0; old && i < l->count; i++) {
		const struct block *b = &l->blocks[i];

		if (is_young(l, i))
			continue;
		old[count++] = (struct pyheap_block) {
			.addr = b->addr,
			.size = b->size,
			.group = b->node,
			.weight = (float)b->size / b->probability,
		};
	}
	if (old)
		(void)pyheap_read(&l->result->objects, &then, python->version,
				  python->modules, old, count);
	free(old);
}

static int look(struct look *l)
{
	int rc = make_marker(l);

	if (rc == 0)
		rc = mark_all(l);
	if (rc == 0)
		rc = find_unreachable(l);
	if (rc == 0)
		find_objects(l);
	return rc;
}

static int write_handlers(const struct pyheap *h, struct writer *w)
{
	const struct pyroute *at;
	size_t count;
	int rc = 0;

	at = pyheap_routes(h, &count);
	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct trace_handler handler = {
			.request = at[i].request,
			.function = at[i].function,
			.file = at[i].file,
		};

		rc = writer_handler(w, &handler);
	}
	return rc;
}

static int write_objects(const struct scan_result *r, struct writer *w)
{
	const struct wire_reach *s = &r->summary;
	const struct pyheap_group *g;
	size_t count;
	int rc = 0;

	g = pyheap_groups(r->objects, &count);
	for (size_t i = 0; i < count && i < OBJECTS_MAX && rc == 0; i++) {
		const struct trace_objects o = {
			.pid = s->pid,
			.image = s->image,
			.at_ns = s->at_ns,
			.node = g[i].group,
			.blocks = g[i].blocks,
			.bytes = (uint64_t)g[i].weight,
			.type = g[i].type,
			.holder = g[i].holder,
			.holder_type = g[i].holder_type,
		};

		rc = writer_objects(w, &o);
	}
	return rc < 0 ? rc : write_handlers(r->objects, w);
}

int scan_write(const struct scan_result *r, struct writer *w)
{
	int rc = writer_reach(w, &r->summary, r->sites.at, r->sites.count);

	return rc == 0 && r->objects ? write_objects(r, w) : rc;
}

/* As if it had been taken: the process's own memory, as of about now. */
static int pretend_shot(const struct scan *s, struct shot *shot,
			struct err *err)
{
	char path[64];

	*shot = (struct shot) {
		.snapshot.tsc = __builtin_ia32_rdtsc(),
		.snapshot.at_ns = now_ns(),
	};
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)s->pid);
	shot->snapshot.mem = open(path, O_RDONLY | O_CLOEXEC);
	return shot->snapshot.mem < 0 ? err_errno(err, "cannot open %s", path)
				      : 0;
}

static int tell_objects(struct scan *s, const struct shot *shot,
			struct writer *w, struct err *err)
{
	const struct slab_file *h = blocks_header(s->events);
	struct scan_result result = {
		.summary.pid = h->pid,
		.summary.image = h->image,
		.summary.at_ns = shot->snapshot.at_ns,
	};
	struct look l = {
		.scan = s,
		.result = &result,
		.shot = shot,
		.blocks = s->blocks,
		.count = s->block_count,
	};
	int rc = 0;

	find_objects(&l);
	if (result.objects)
		rc = write_objects(&result, w);
	if (rc < 0)
		err_set(err, rc, "cannot write what was found: %s",
			strerror(-rc));
	scan_result_fini(&result);
	return rc;
}

int scan_glance(struct scan *s, struct writer *w, struct err *err)
{
	struct shot shot;
	int rc = scan_prepare(s, err);

	if (rc == 0)
		rc = pretend_shot(s, &shot, err);
	if (rc < 0)
		return rc;
	rc = scan_read(s, &shot, err);
	if (rc == 0)
		rc = tell_objects(s, &shot, w, err);
	close(shot.snapshot.mem);
	free(s->blocks);
	s->blocks = NULL;
	return rc;
}

int scan_look(struct scan *s, const struct shot *shot, struct scan_result *out,
	      struct err *err)
{
	struct look l = {
		.scan = s,
		.result = out,
		.shot = shot,
		.blocks = s->blocks,
		.count = s->block_count,
	};
	uint64_t since = now_ns();
	int rc;

	*out = (struct scan_result) { 0 };
	rc = look(&l);
	if (rc == 0) {
		summarize(&l, since);
	} else {
		err_set(err, rc, "cannot scan process %d: %s", (int)s->pid,
			strerror(-rc));
		scan_result_fini(out);
	}
	mark_free(l.mark);
	hash_free(l.site_of);
	vec_free(&l.found.at);
	free(l.extents);
	free(s->blocks);
	s->blocks = NULL;
	return rc;
}
