/*
 * checkpoint_save: a checkpoint as bytes, see checkpoint_file.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/latency/histo.h"
#include "profiler/trace/checkpoint.h"
#include "profiler/trace/checkpoint_file.h"
#include "profiler/wire/record.h"

#define BLOCK_MAX 64u /* bytes of a block's code */

static void put_series(struct checkpoint_file *f, const struct fold *fold)
{
	const struct series *s;

	vec_foreach (&fold->series, s) {
		uint64_t count = s->levels.count;

		checkpoint_put(f, &count, sizeof(count));
	}
	vec_foreach (&fold->series, s)
		checkpoint_put(f, s->levels.at,
			       s->levels.count * sizeof(*s->levels.at));
}

static void put_chunk(struct checkpoint_file *f, struct checkpoint_chunk *c)
{
	memset(c->bytes + c->used, 0, 8);
	checkpoint_put(f, c, sizeof(c->used) + ((c->used + 7) & ~7ULL));
	c->used = 0;
}

/* 0 for the probability of exact recordings. */
static uint32_t probability_code(float probability)
{
	uint32_t bits;

	memcpy(&bits, &probability, sizeof(bits));
	return bits ^ CHECKPOINT_CERTAIN;
}

static void put_blocks(struct checkpoint_file *f, const struct live *l)
{
	struct checkpoint_chunk c = { 0 };
	uint64_t before = 0;

	for (size_t i = 0; i <= l->mask; i++) {
		const struct live_block *b = &l->slots[i];
		uint8_t *at = c.bytes + c.used;

		if (!b->addr)
			continue;
		at = record_put(at, record_zigzag((int64_t)(b->addr - before)));
		at = record_put(at, b->size);
		at = record_put(at, b->stack);
		at = record_put(at, b->thread);
		at = record_put(at, b->birth);
		at = record_put(at, probability_code(b->probability));
		before = b->addr;
		c.used = (uint64_t)(at - c.bytes);
		if (c.used > CHECKPOINT_CHUNK - BLOCK_MAX) {
			put_chunk(f, &c);
			before = 0;
		}
	}
	if (c.used)
		put_chunk(f, &c);
}

/* A histogram's length and its bytes, padded to whole words. */
static void put_histo(struct checkpoint_file *f, const struct histo *h)
{
	struct buf bytes = BUF_INIT;
	uint64_t size;

	if (h)
		histo_write(h, &bytes);
	size = bytes.len;
	while (bytes.len % 8)
		buf_putc(&bytes, 0);
	f->failed |= buf_status(&bytes) < 0;
	checkpoint_put(f, &size, sizeof(size));
	checkpoint_put(f, bytes.bytes, bytes.len);
	buf_free(&bytes);
}

static void put_course(struct checkpoint_file *f, const struct course *c)
{
	const uint64_t head[] = { c->shift, c->cells.count };

	checkpoint_put(f, head, sizeof(head));
	checkpoint_put(f, c->cells.at, c->cells.count * sizeof(*c->cells.at));
}

static void put_routes(struct checkpoint_file *f, const struct requests *r)
{
	const struct route *route;

	vec_foreach (&r->at, route) {
		checkpoint_put(f, &route->counts, sizeof(route->counts));
		for (int t = 0; t < REQUESTS_NTIMES; t++)
			put_histo(f, route->times[t]);
		put_course(f, &route->course);
	}
	checkpoint_put(f, &r->load, sizeof(r->load));
}

static void put_span_names(struct checkpoint_file *f, const struct spans *s)
{
	const struct span_name *name;

	vec_foreach (&s->names, name) {
		checkpoint_put(f, &name->counts, sizeof(name->counts));
		put_histo(f, name->took);
	}
}

static void put_maker(struct checkpoint_file *f, const struct fold *fold,
		      const struct maker *m)
{
	const struct fold_sum *all = &fold->stacks.at[m->stack - 1].allocated;
	bool sole = m->bytes == all->bytes && m->count == all->count;
	struct maker_head head = { m->stack,
				   m->thread | (sole ? MAKER_SOLE : 0) };

	checkpoint_put(f, &head, sizeof(head));
	if (sole)
		return;
	checkpoint_put(f, &m->bytes, sizeof(m->bytes));
	checkpoint_put(f, &m->count, sizeof(m->count));
}

static void put_makers(struct checkpoint_file *f, const struct fold *fold)
{
	const struct makers *m = &fold->makers;

	for (size_t i = 0; i <= m->mask; i++)
		if (m->slots[i].stack)
			put_maker(f, fold, &m->slots[i]);
}

#define put_vec(f, v) checkpoint_put(f, (v)->at, (v)->count * sizeof(*(v)->at))

static void put_all(struct checkpoint_file *f, const struct checkpoint *c,
		    const struct slab_file *header)
{
	const struct fold *fold = c->fold;
	struct checkpoint_head head = {
		.magic = CHECKPOINT_MAGIC,
		.layout = CHECKPOINT_LAYOUT,
		.start_ticks = header->start_ticks,
		.start_realtime_ns = header->start_realtime_ns,
		.seed = header->seed,
		.pid = header->pid,
		.slabs_base = c->slabs.base,
		.threads_forgotten = fold->threads.forgotten,
		.forgotten_allocated = fold->threads.forgotten_allocated,
		.stacks = fold->stacks.count,
		.levels = fold->level_count,
		.blocks = fold->live.count,
		.threads = fold->threads.at.count,
		.windows = fold->windows.count,
		.mappings = fold->mappings.at.count,
		.routes = fold->requests.at.count,
		.span_names = fold->spans.names.count,
		.spans = fold->spans.open.count,
		.spans_forgotten = fold->spans.forgotten,
		.makers = fold->makers.count,
		.cursors = c->cursors.at.count,
		.kept = c->slabs.kept.count,
	};

	checkpoint_put(f, &head, sizeof(head));
	checkpoint_put(f, &fold->core, sizeof(fold->core));
	put_vec(f, &fold->stacks);
	put_series(f, fold);
	put_blocks(f, &fold->live);
	put_vec(f, &fold->threads.at);
	put_vec(f, &fold->windows);
	put_vec(f, &fold->mappings.at);
	put_routes(f, &fold->requests);
	put_span_names(f, &fold->spans);
	put_vec(f, &fold->spans.open);
	put_makers(f, fold);
	put_vec(f, &c->cursors.at);
	put_vec(f, &c->slabs.kept);
	head.magic = f->sum;
	checkpoint_put(f, &head.magic, sizeof(head.magic));
}

int checkpoint_save(const struct checkpoint *c, const char *path,
		    const struct slab_file *header, struct err *err)
{
	struct checkpoint_file f = { 0 };
	char *tmp = NULL;
	int rc = 0;

	if (asprintf(&tmp, "%s.tmp", path) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	f.stream = checkpoint_open(tmp, "wbe1");
	if (!f.stream) {
		rc = err_errno(err, "cannot write %s", tmp);
		goto free_tmp;
	}
	put_all(&f, c, header);
	if (f.failed)
		rc = err_errno(err, "cannot write %s", tmp);
	if (gzclose(f.stream) != Z_OK && rc == 0)
		rc = err_errno(err, "cannot write %s", tmp);
	if (rc == 0 && rename(tmp, path) < 0)
		rc = err_errno(err, "cannot replace %s", path);
	if (rc < 0)
		unlink(tmp);
free_tmp:
	free(tmp);
	return rc;
}
