#include "profiler/attach/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/attach/snapshot.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/remote.h"
#include "profiler/wire/reach.h"
#include "profiler/wire/slab.h"

#define PAGE	    4096ULL
#define RED_ZONE    128 /* below the stack pointer, a leaf's own */
#define PAGES_READ  8192
#define REGIONS_MAX 65536 /* more is damage */
#define PRESENT	    (1ULL << 63)
#define SWAPPED	    (1ULL << 62)
#define OF_FILE	    (1ULL << 61) /* or of shared memory */

struct finder {
	struct roots *roots;
	const struct snapshot *snapshot;
	int dir, origin_dir; /* of /proc/PID of both */
	int pagemap, origin_pagemap;
	VEC(struct mark_range) holes;  /* of the shim */
	VEC(struct mark_range) forked; /* what the snapshot has */
	uint64_t guard_end; /* of the mapping before, if nobody may read it */
	uint64_t entries[PAGES_READ];
};

static int by_start(const void *a, const void *b)
{
	const struct mark_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static int add_range(struct mark_ranges *list, uint64_t start, uint64_t end,
		     bool any_offset)
{
	struct mark_range *last;

	if (start >= end)
		return 0;
	last = list->list.count ? &list->list.at[list->list.count - 1] : NULL;
	if (last && last->end == start && last->any_offset == any_offset) {
		last->end = end;
		return 0;
	}
	last = vec_push(&list->list);
	if (!last)
		return -ENOMEM;
	*last = (struct mark_range) { start, end, any_offset };
	return 0;
}

/* Without the parts that are the shim's. */
static int add_clear(struct finder *f, struct mark_ranges *list, uint64_t start,
		     uint64_t end, bool any_offset)
{
	const struct mark_range *hole;
	int rc = 0;

	vec_foreach (&f->holes, hole) {
		if (rc < 0 || hole->end <= start || hole->start >= end)
			continue;
		if (hole->start > start)
			rc = add_range(list, start, hole->start, any_offset);
		start = hole->end;
	}
	return rc < 0 ? rc : add_range(list, start, end, any_offset);
}

/* The pages of [@start, @end) that hold something of their own. */
static int add_pages(struct finder *f, int pagemap, struct mark_ranges *list,
		     uint64_t start, uint64_t end, const struct maps_entry *e)
{
	uint64_t unwanted = e->shared ? 0 : OF_FILE;
	bool any = e->prot & MAPS_EXEC;
	uint64_t at = start & ~(PAGE - 1);
	int rc = 0;

	while (at < end && rc == 0) {
		size_t want = (size_t)((end - at + PAGE - 1) / PAGE);
		ssize_t got;

		want = want < PAGES_READ ? want : PAGES_READ;
		got = pread(pagemap, f->entries, want * 8,
			    (off_t)(at / PAGE * 8));
		if (got <= 0)
			break;
		for (ssize_t i = 0; i < got / 8 && rc == 0; i++, at += PAGE) {
			uint64_t page = f->entries[i];
			uint64_t from = at < start ? start : at;
			uint64_t to = at + PAGE < end ? at + PAGE : end;

			if (page & (PRESENT | SWAPPED) && !(page & unwanted))
				rc = add_clear(f, list, from, to, any);
		}
	}
	return rc;
}

/*
 * Where the used part of a thread's stack begins, if @e is one and nothing
 * else can be in it.  Below a stack made by pthread_create() lies a guard;
 * above it, in the same mapping, what the thread pointer points to.
 */
static uint64_t stack_top(const struct finder *f, const struct maps_entry *e)
{
	const struct snapshot_stack *s, *found = NULL;
	bool is_main = maps_path_is(e, "[stack]");

	vec_foreach (&f->snapshot->stacks, s) {
		if (s->sp < e->start || s->sp >= e->end)
			continue;
		if (found)
			return e->start;
		found = s;
	}
	if (!found || found->sp - RED_ZONE < e->start)
		return e->start;
	if (!is_main &&
	    (f->guard_end != e->start || found->thread_pointer <= found->sp ||
	     found->thread_pointer >= e->end))
		return e->start;
	return found->sp - RED_ZONE;
}

static bool is_kernels(const struct maps_entry *e)
{
	return maps_path_begins(e, "[v") || /* [vvar], [vdso], [vsyscall] */
	       (maps_path_begins(e, "/dev/") &&
		!maps_path_begins(e, "/dev/shm/") &&
		!maps_path_begins(e, "/dev/zero"));
}

static int add_mapping(struct finder *f, const struct maps_entry *e)
{
	struct mark_range *had = vec_push(&f->forked);

	if (!had)
		return -ENOMEM;
	*had = (struct mark_range) { e->start, e->end, false };
	if (!(e->prot & MAPS_READ) || e->shared || is_kernels(e))
		return 0;
	return add_pages(f, f->pagemap, &f->roots->memory, stack_top(f, e),
			 e->end, e);
}

static bool was_forked(const struct finder *f, const struct maps_entry *e)
{
	size_t low = 0, high = f->forked.count;

	while (low < high) { /* the first that ends past our start */
		size_t middle = low + (high - low) / 2;

		if (f->forked.at[middle].end <= e->start)
			low = middle + 1;
		else
			high = middle;
	}
	return low < f->forked.count && f->forked.at[low].start <= e->start;
}

/* Memory that processes share for its own sake, and not some file. */
static bool is_shared_memory(const struct maps_entry *e)
{
	return e->path_len == 0 || e->deleted ||
	       maps_path_begins(e, "/dev/shm/") ||
	       maps_path_begins(e, "/dev/zero") ||
	       maps_path_begins(e, "/memfd:") || maps_path_begins(e, "/SYSV") ||
	       maps_path_begins(e, "anon_inode:");
}

/* What the fork shares, or could not copy: its own page tables lack both. */
static int add_live(struct finder *f, const struct maps_entry *e)
{
	if (!(e->prot & MAPS_READ) || is_kernels(e) ||
	    maps_path_ends(e, ".slabs"))
		return 0;
	if (e->shared ? !(e->prot & MAPS_WRITE) || !is_shared_memory(e)
		      : was_forked(f, e))
		return 0;
	return add_pages(f, f->origin_pagemap,
			 was_forked(f, e) ? &f->roots->shared : &f->roots->live,
			 e->start, e->end, e);
}

static int each_mapping(struct finder *f, int dir,
			int (*add)(struct finder *, const struct maps_entry *))
{
	struct buf text = BUF_INIT;
	struct maps_cursor cursor;
	struct maps_entry e;
	int rc = procfs_read(dir, "maps", &text);

	cursor = maps_begin(text.bytes, text.len);
	f->guard_end = 0;
	while (rc == 0 && maps_next(&cursor, &e)) {
		rc = add(f, &e);
		f->guard_end = e.prot ? 0 : e.end;
	}
	buf_free(&text);
	return rc;
}

/* The regions that the shim says are its own. */
static int find_holes(struct finder *f)
{
	const struct slab_entry *entry = f->snapshot->entry;
	struct remote there = remote_process(f->snapshot->pid);
	size_t count = entry->region_count;
	struct reach_region *regions;
	int rc;

	if (count == 0 || count > REGIONS_MAX)
		return -EBADMSG;
	regions = malloc(count * sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	rc = remote_read(&there, entry->regions, regions,
			 count * sizeof(*regions));
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct mark_range *hole;

		if (!regions[i].at)
			continue;
		hole = vec_push(&f->holes);
		if (!hole)
			rc = -ENOMEM;
		else
			*hole = (struct mark_range) { regions[i].at,
						      regions[i].at +
							      regions[i].size,
						      false };
	}
	free(regions);
	if (f->holes.count)
		qsort(f->holes.at, f->holes.count, sizeof(*f->holes.at),
		      by_start);
	return rc;
}

static int add_word(struct roots *r, const char *hex)
{
	uint64_t *slot = vec_push(&r->words);

	if (!slot)
		return -ENOMEM;
	*slot = strtoull(hex, NULL, 16);
	return 0;
}

int roots_parse_epoll(struct roots *r, const char *text)
{
	const char *at = text;
	int rc = 0;

	while (rc == 0 && (at = strstr(at, "data:"))) {
		at += strlen("data:");
		rc = add_word(r, at);
	}
	return rc;
}

int roots_parse_timers(struct roots *r, const char *text)
{
	const char *at = text;
	int rc = 0;

	while (rc == 0 && (at = strstr(at, "signal:"))) {
		size_t len = strcspn(at, "/\n");

		at += len;
		if (*at == '/')
			rc = add_word(r, at + 1);
	}
	return rc;
}

struct descriptors {
	struct finder *finder;
	int rc;
};

static void see_descriptor(void *ctx, uint64_t number)
{
	struct descriptors *d = ctx;
	struct buf text = BUF_INIT;
	char name[64], link[64];

	snprintf(name, sizeof(name), "fd/%llu", (unsigned long long)number);
	if (procfs_link(d->finder->dir, name, link, sizeof(link)) < 0)
		return;
	if (strcmp(link, "anon_inode:[io_uring]") == 0)
		d->finder->roots->hidden = true;
	if (strcmp(link, "anon_inode:[eventpoll]") != 0)
		return;
	snprintf(name, sizeof(name), "fdinfo/%llu", (unsigned long long)number);
	if (procfs_read(d->finder->dir, name, &text) == 0 && d->rc == 0)
		d->rc = roots_parse_epoll(d->finder->roots, text.bytes);
	buf_free(&text);
}

/* What a server hands to the kernel to get back with an event. */
static int find_kernels_words(struct finder *f)
{
	struct descriptors d = { .finder = f };
	struct buf text = BUF_INIT;

	(void)procfs_numbers(f->dir, "fd", see_descriptor, &d);
	if (d.rc == 0 && procfs_read(f->origin_dir, "timers", &text) == 0)
		d.rc = roots_parse_timers(f->roots, text.bytes);
	buf_free(&text);
	return d.rc;
}

static int find(struct finder *f)
{
	int rc = find_kernels_words(f); /* first: they do not stand still */

	if (rc == 0)
		rc = find_holes(f);
	if (rc == 0)
		rc = each_mapping(f, f->dir, add_mapping);
	if (rc == 0 && f->origin_pagemap >= 0)
		(void)each_mapping(f, f->origin_dir, add_live);
	return rc;
}

static void close_dir(int fd)
{
	if (fd >= 0)
		close(fd);
}

int roots_find(struct roots *r, const struct snapshot *s, struct err *err)
{
	struct finder *f = calloc(1, sizeof(*f));
	int rc;

	*r = (struct roots) { 0 };
	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	f->roots = r;
	f->snapshot = s;
	f->dir = procfs_open("/proc", s->pid);
	f->origin_dir = procfs_open("/proc", s->origin);
	f->pagemap = openat(f->dir, "pagemap", O_RDONLY | O_CLOEXEC);
	f->origin_pagemap =
		openat(f->origin_dir, "pagemap", O_RDONLY | O_CLOEXEC);
	rc = f->dir < 0 || f->pagemap < 0 ? -ESRCH : find(f);
	if (rc < 0)
		err_set(err, rc, "cannot look at the memory of process %d: %s",
			(int)s->origin, strerror(-rc));
	close_dir(f->dir);
	close_dir(f->origin_dir);
	close_dir(f->pagemap);
	close_dir(f->origin_pagemap);
	vec_free(&f->holes);
	vec_free(&f->forked);
	free(f);
	return rc;
}

void roots_fini(struct roots *r)
{
	vec_free(&r->memory.list);
	vec_free(&r->shared.list);
	vec_free(&r->live.list);
	vec_free(&r->words);
}
