/*
 * checkpoint_load: a checkpoint from bytes, see checkpoint_file.h.  Nothing in
 * them is believed.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "profiler/base/err.h"
#include "profiler/latency/histo.h"
#include "profiler/trace/checkpoint.h"
#include "profiler/trace/checkpoint_file.h"
#include "profiler/wire/record.h"

#define DEFLATE_MOST 1032 /* times as long, at the most, is what it held */

/* @count elements into an empty vector. */
static int take_array(struct checkpoint_file *f, void **at, size_t *length,
		      size_t *capacity, uint64_t count, size_t element_size)
{
	if (count > f->left / element_size)
		return -EBADMSG;
	if (!count)
		return 0;
	if (vec_grow_(at, capacity, count, element_size) < 0)
		return -ENOMEM;
	if (!checkpoint_take(f, *at, count * element_size))
		return -EBADMSG;
	*length = count;
	return 0;
}

#define take_vec(f, v, n)                                                \
	take_array(f, (void **)&(v)->at, &(v)->count, &(v)->capacity, n, \
		   sizeof(*(v)->at))

static bool sums_ok(const struct fold_sum *s, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!isfinite(s[i].bytes) || !isfinite(s[i].bytes_variance) ||
		    !isfinite(s[i].count) || !isfinite(s[i].count_variance))
			return false;
	return true;
}

static bool core_ok(const struct fold_core *c, const struct checkpoint_head *h)
{
	return c->window_ticks && c->window == h->windows &&
	       c->window < FOLD_WINDOWS && isfinite(c->mapped) &&
	       isfinite(c->heap_grown) && sums_ok(&c->live, 3) &&
	       sums_ok(&c->window_allocated, 2) &&
	       c->window_end == windows_end(c, c->window);
}

static bool stack_ok(const struct fold *f, const struct stack *s)
{
	return s->node <= FOLD_NODE_MAX && s->route <= REQUESTS_ROUTE_MAX &&
	       s->epoch <= f->core.epoch &&
	       (s->window == WINDOW_NONE || s->window <= f->core.window) &&
	       sums_ok(&s->live, 3) && sums_ok(&s->temporary, 1) &&
	       isfinite(s->low) && isfinite(s->young) &&
	       isfinite(s->window_allocated) && isfinite(s->mapped) &&
	       isfinite(s->heap_grown);
}

static int take_stacks(struct checkpoint_file *f, struct fold *fold,
		       uint64_t count)
{
	int rc = take_vec(f, &fold->stacks, count);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct stack *s = &fold->stacks.at[i];

		if (!stack_ok(fold, s) || !fold_index_stack(fold, i))
			return fold->failed ? -ENOMEM : -EBADMSG;
	}
	return rc;
}

static bool levels_ok(const struct fold *f, const struct series *s)
{
	uint32_t after = 0;

	for (size_t i = 0; i < s->levels.count; i++) {
		const struct fold_level *l = &s->levels.at[i];

		if (l->window < after || l->window > f->core.window ||
		    !isfinite(l->end) || !isfinite(l->low) ||
		    !isfinite(l->old) || !isfinite(l->count) ||
		    !isfinite(l->allocated))
			return false;
		after = l->window + 1;
	}
	return true;
}

static int take_series(struct checkpoint_file *f, struct fold *fold,
		       uint64_t levels)
{
	VEC(uint64_t) counts = VEC_INIT;
	int rc = take_vec(f, &counts, fold->stacks.count);

	for (size_t i = 0; rc == 0 && i < counts.count; i++) {
		struct series *s = vec_push(&fold->series);

		rc = s ? take_vec(f, &s->levels, counts.at[i]) : -ENOMEM;
		if (rc == 0 && !levels_ok(fold, s))
			rc = -EBADMSG;
		if (rc == 0)
			fold->level_count += s->levels.count;
	}
	vec_free(&counts);
	return rc == 0 && fold->level_count != levels ? -EBADMSG : rc;
}

static bool block_ok(const struct fold *f, const struct live_block *b,
		     uint64_t threads)
{
	return b->stack < f->stacks.count && b->thread < threads &&
	       b->probability > 0 && b->probability <= 1;
}

/* One block; NULL when the bytes are none. */
static const uint8_t *get_block(const uint8_t *at, const uint8_t *end,
				uint64_t before, struct live_block *b)
{
	uint64_t value[6];
	uint32_t bits;

	for (int i = 0; i < 6; i++) {
		at = record_get(at, end, &value[i]);
		if (!at)
			return NULL;
	}
	if (value[2] > UINT32_MAX || value[3] > UINT32_MAX ||
	    value[4] > UINT32_MAX || value[5] > UINT32_MAX)
		return NULL;
	*b = (struct live_block) {
		.addr = before + (uint64_t)record_unzigzag(value[0]),
		.size = value[1],
		.stack = (uint32_t)value[2],
		.thread = (uint32_t)value[3],
		.birth = (uint32_t)value[4],
	};
	bits = (uint32_t)value[5] ^ CHECKPOINT_CERTAIN;
	memcpy(&b->probability, &bits, sizeof(bits));
	return at;
}

static int add_block(struct fold *fold, const struct checkpoint_head *h,
		     const struct live_block *b)
{
	if (!b->addr || !block_ok(fold, b, h->threads) ||
	    live_find(&fold->live, b->addr))
		return -EBADMSG;
	return live_add(&fold->live, b);
}

/* The blocks of the next chunk, @left at the most; how many, or -errno. */
static int64_t take_chunk(struct checkpoint_file *f, struct fold *fold,
			  const struct checkpoint_head *h,
			  struct checkpoint_chunk *c, uint64_t left)
{
	const uint8_t *at = c->bytes, *end;
	struct live_block b = { 0 };
	int64_t count = 0;
	int rc = 0;

	if (!checkpoint_take(f, &c->used, sizeof(c->used)) || !c->used ||
	    c->used > CHECKPOINT_CHUNK ||
	    !checkpoint_take(f, c->bytes, (c->used + 7) & ~7ULL))
		return -EBADMSG;
	end = c->bytes + c->used;
	while (rc == 0 && at < end) {
		at = get_block(at, end, b.addr, &b);
		if (!at || !left--)
			return -EBADMSG;
		rc = add_block(fold, h, &b);
		count++;
	}
	return rc < 0 ? rc : count;
}

static int take_blocks(struct checkpoint_file *f, struct fold *fold,
		       const struct checkpoint_head *h)
{
	uint64_t left = h->blocks;
	struct checkpoint_chunk c;
	int rc;

	if (left > f->left / 6) /* bytes that a block takes at the least */
		return -EBADMSG;
	rc = live_reserve(&fold->live, left);
	while (rc == 0 && left) {
		int64_t count = take_chunk(f, fold, h, &c, left);

		if (count < 0)
			return (int)count;
		left -= (uint64_t)count;
	}
	return rc;
}

static int take_threads(struct checkpoint_file *f, struct fold *fold,
			const struct checkpoint_head *h)
{
	struct threads *t = &fold->threads;
	int rc = take_vec(f, &t->at, h->threads);

	for (size_t i = 0; rc == 0 && i < t->at.count; i++) {
		struct thread *at = &t->at.at[i];

		at->name[sizeof(at->name) - 1] = 0;
		if (!sums_ok(&at->allocated, 1) ||
		    at->route > REQUESTS_ROUTE_MAX || !isfinite(at->net) ||
		    !isfinite(at->net_peak) || !isfinite(at->released_low) ||
		    !sums_ok(&at->at_allocated, 1) ||
		    (at->released.addr && at->released.stack != STACK_NONE &&
		     !block_ok(fold, &at->released, h->threads)))
			return -EBADMSG;
	}
	t->forgotten = h->threads_forgotten;
	t->forgotten_allocated = h->forgotten_allocated;
	if (!sums_ok(&t->forgotten_allocated, 1))
		return -EBADMSG;
	return rc == 0 ? threads_index(t) : rc;
}

static int take_windows(struct checkpoint_file *f, struct fold *fold,
			uint64_t count)
{
	int rc = take_vec(f, &fold->windows, count);
	const struct fold_window *w;

	if (rc < 0)
		return rc;
	vec_foreach (&fold->windows, w)
		if (!sums_ok(&w->live, 3) || !isfinite(w->mapped) ||
		    !isfinite(w->heap_end))
			return -EBADMSG;
	return 0;
}

static int take_mappings(struct checkpoint_file *f, struct fold *fold,
			 uint64_t count)
{
	int rc = take_vec(f, &fold->mappings.at, count);
	uint64_t after = 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		const struct mapping *m = &fold->mappings.at.at[i];

		if (m->start < after || m->end <= m->start ||
		    (m->stack & ~FOLD_ARENA) >= fold->stacks.count)
			return -EBADMSG;
		after = m->end;
	}
	return rc;
}

static int take_histo(struct checkpoint_file *f, struct histo **out)
{
	uint64_t size;
	uint8_t *bytes;
	int rc;

	if (!checkpoint_take(f, &size, sizeof(size)) || size > f->left)
		return -EBADMSG;
	if (!size)
		return 0;
	*out = histo_new();
	bytes = malloc((size + 7) & ~7ULL);
	if (!*out || !bytes) {
		free(bytes);
		return -ENOMEM;
	}
	rc = checkpoint_take(f, bytes, (size + 7) & ~7ULL)
		     ? histo_add_bytes(*out, bytes, size, NULL)
		     : -EBADMSG;
	free(bytes);
	return rc;
}

static int take_course(struct checkpoint_file *f, struct course *c)
{
	uint64_t head[2];
	int rc;

	if (!checkpoint_take(f, head, sizeof(head)) ||
	    head[0] > COURSE_SHIFT_MAX || head[1] > COURSE_CELLS)
		return -EBADMSG;
	c->shift = (uint32_t)head[0];
	rc = take_vec(f, &c->cells, head[1]);
	return rc == 0 && !course_sound(c) ? -EBADMSG : rc;
}

static int take_routes(struct checkpoint_file *f, struct fold *fold,
		       uint64_t count)
{
	int rc = count <= REQUESTS_ROUTE_MAX + 1 ? 0 : -EBADMSG;

	for (uint32_t id = 0; rc == 0 && id < count; id++) {
		struct route *r = requests_route(&fold->requests, id);

		if (!r)
			return -ENOMEM;
		if (!checkpoint_take(f, &r->counts, sizeof(r->counts)) ||
		    !requests_sound(&r->counts))
			return -EBADMSG;
		for (int t = 0; rc == 0 && t < REQUESTS_NTIMES; t++)
			rc = take_histo(f, &r->times[t]);
		if (rc == 0)
			rc = take_course(f, &r->course);
	}
	if (rc == 0 &&
	    (!checkpoint_take(f, &fold->requests.load, sizeof(struct load)) ||
	     !load_sound(&fold->requests.load)))
		return -EBADMSG;
	return rc;
}

static int take_span_names(struct checkpoint_file *f, struct spans *s,
			   uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct span_counts c;
		struct span_name *name;
		int rc;

		if (!checkpoint_take(f, &c, sizeof(c)) || !isfinite(c.busy) ||
		    !sums_ok(&c.allocated, 1) || spans_find_name(s, c.name))
			return -EBADMSG;
		name = spans_name(s, c.name);
		if (!name)
			return -ENOMEM;
		name->counts = c;
		rc = take_histo(f, &name->took);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int take_spans(struct checkpoint_file *f, struct spans *s,
		      const struct checkpoint_head *h)
{
	uint64_t after = 0;
	const struct span *open;
	int rc = take_span_names(f, s, h->span_names);

	if (rc == 0)
		rc = take_vec(f, &s->open, h->spans);
	if (rc < 0)
		return rc;
	vec_foreach (&s->open, open) {
		if (open->number <= after || !isfinite(open->busy) ||
		    !sums_ok(&open->allocated, 1))
			return -EBADMSG;
		after = open->number;
	}
	s->forgotten = h->spans_forgotten;
	return s->open.count > SPANS_OPEN_MAX ? -EBADMSG : 0;
}

static bool take_maker(struct checkpoint_file *f, const struct fold *fold,
		       struct maker *m)
{
	struct maker_head head;

	if (!checkpoint_take(f, &head, sizeof(head)) || !head.stack ||
	    head.stack > fold->stacks.count ||
	    (head.thread & ~MAKER_SOLE) >= fold->threads.at.count)
		return false;
	m->stack = head.stack;
	m->thread = head.thread & ~MAKER_SOLE;
	m->bytes = fold->stacks.at[head.stack - 1].allocated.bytes;
	m->count = fold->stacks.at[head.stack - 1].allocated.count;
	if (head.thread & MAKER_SOLE)
		return true;
	return checkpoint_take(f, &m->bytes, sizeof(m->bytes)) &&
	       checkpoint_take(f, &m->count, sizeof(m->count)) &&
	       isfinite(m->bytes) && isfinite(m->count);
}

static int take_makers(struct checkpoint_file *f, struct fold *fold,
		       uint64_t count)
{
	struct makers *m = &fold->makers;

	for (uint64_t i = 0; i < count; i++) {
		struct maker read, *one;

		if (!take_maker(f, fold, &read) ||
		    makers_at(m, read.stack - 1, read.thread)->stack)
			return -EBADMSG;
		one = makers_new(m, read.stack - 1, read.thread);
		if (!one)
			return m->count < MAKERS_MAX ? -ENOMEM : -EBADMSG;
		*one = read;
	}
	return 0;
}

static int take_cursors(struct checkpoint_file *f, struct checkpoint *c,
			const struct checkpoint_head *h)
{
	const struct cursor *cursor;
	uint64_t after = 0;
	int rc = take_vec(f, &c->cursors.at, h->cursors);

	if (rc < 0)
		return rc;
	vec_foreach (&c->cursors.at, cursor)
		if (cursor->slab >= SLABFILE_SLABS_MAX ||
		    cursor->offset > SLAB_ROOM)
			return -EBADMSG;
	rc = take_vec(f, &c->slabs.kept, h->kept);
	c->slabs.base = h->slabs_base;
	if (rc == 0 && c->slabs.base > SLABFILE_SLABS_MAX)
		return -EBADMSG;
	for (size_t i = 0; rc == 0 && i < c->slabs.kept.count; i++) {
		if (c->slabs.kept.at[i] < after ||
		    c->slabs.kept.at[i] >= c->slabs.base)
			return -EBADMSG;
		after = c->slabs.kept.at[i] + 1;
	}
	return rc;
}

static int take_fold(struct checkpoint_file *f, struct fold *fold,
		     const struct checkpoint_head *h)
{
	int rc;

	if (!checkpoint_take(f, &fold->core, sizeof(fold->core)) ||
	    !core_ok(&fold->core, h))
		return -EBADMSG;
	rc = take_stacks(f, fold, h->stacks);
	if (rc == 0)
		rc = take_series(f, fold, h->levels);
	if (rc == 0)
		rc = take_blocks(f, fold, h);
	if (rc == 0)
		rc = take_threads(f, fold, h);
	if (rc == 0)
		rc = take_windows(f, fold, h->windows);
	if (rc == 0)
		rc = take_mappings(f, fold, h->mappings);
	if (rc == 0)
		rc = take_routes(f, fold, h->routes);
	if (rc == 0)
		rc = take_spans(f, &fold->spans, h);
	if (rc == 0)
		rc = take_makers(f, fold, h->makers);
	return rc;
}

static int take_all(struct checkpoint_file *f, struct checkpoint *c,
		    const struct slab_file *header)
{
	uint64_t expected, sum;
	struct checkpoint_head h;
	int rc;

	if (!checkpoint_take(f, &h, sizeof(h)) || h.magic != CHECKPOINT_MAGIC)
		return -EBADMSG;
	if (h.layout != CHECKPOINT_LAYOUT)
		return -EPROTO;
	if (h.start_ticks != header->start_ticks || h.pid != header->pid ||
	    h.start_realtime_ns != header->start_realtime_ns ||
	    h.seed != header->seed)
		return -EBADMSG;
	rc = take_fold(f, c->fold, &h);
	if (rc == 0)
		rc = take_cursors(f, c, &h);
	if (rc < 0)
		return rc;
	expected = f->sum;
	if (!checkpoint_take(f, &sum, sizeof(sum)) || sum != expected ||
	    gzgetc(f->stream) != -1 || !gzeof(f->stream))
		return -EBADMSG;
	return 0;
}

static int failure(int rc, const char *path, struct err *err)
{
	if (rc == -ENOMEM)
		return err_set(err, rc, "out of memory reading %s", path);
	if (rc == -EPROTO)
		return err_set(err, rc,
			       "%s: written by another version of strandline; "
			       "read it with that one",
			       path);
	return err_set(err, rc,
		       "%s: damaged; what it held of the recording is lost",
		       path);
}

int checkpoint_load(struct checkpoint *c, const char *path,
		    const struct slab_file *header, struct err *err)
{
	struct checkpoint_file f = { .stream = checkpoint_open(path, "rbe") };
	struct stat sb;
	int rc;

	*c = (struct checkpoint) { 0 };
	if (!f.stream)
		return err_errno(err, "cannot open %s", path);
	rc = checkpoint_init(c, header);
	if (rc == 0) {
		if (stat(path, &sb) == 0)
			f.left = (uint64_t)sb.st_size;
		if (!gzdirect(f.stream))
			f.left *= DEFLATE_MOST;
		rc = take_all(&f, c, header);
	}
	gzclose(f.stream);
	if (rc == 0)
		return 0;
	checkpoint_fini(c);
	return failure(rc, path, err);
}
