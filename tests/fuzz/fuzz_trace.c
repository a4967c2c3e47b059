/*
 * fuzz_trace: every byte of a recording is foreign.
 *
 * The first byte of an input says what the rest is:
 *   0  a <pid>.slabs file
 *   1  the records of two threads' slabs, half each, behind a good header
 *   2  the records of a META slab, behind a good header
 *   3  a host.slabs slab's records, beside a good recording
 *   4  a digest (its sum is mended), beside a good recording
 *   5  meta.json, beside a good recording
 * Whatever opens must keep the promises that reader.h makes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/latency/course.h"
#include "profiler/trace/checkpoint.h"
#include "profiler/trace/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool kept)
{
	if (!kept)
		abort();
}

static char dir[] = "/dev/shm/strandline-fuzz-XXXXXX";

static void path_of(char path[128], const char *name)
{
	snprintf(path, 128, "%s/%s", dir, name);
}

static void put_file(const char *name, const void *bytes, size_t size)
{
	char path[128];
	FILE *f;

	path_of(path, name);
	f = fopen(path, "w");
	require(f && (!size || fwrite(bytes, size, 1, f) == 1));
	fclose(f);
}

static void clean(void)
{
	static const char *const names[] = { "1.slabs", "1.slabs.digest",
					     "host.slabs", "meta.json" };
	char path[128];

	for (size_t i = 0; i < 4; i++) {
		path_of(path, names[i]);
		unlink(path);
	}
}

static void remove_dir(void)
{
	clean();
	rmdir(dir);
}

static void start(void)
{
	static bool started;

	if (started)
		return;
	if (!mkdtemp(dir)) {
		strcpy(dir, "/tmp/strandline-fuzz-XXXXXX");
		require(mkdtemp(dir));
	}
	atexit(remove_dir);
	started = true;
}

static struct slab_file good_header(void)
{
	return (struct slab_file) {
		.magic = SLAB_FILE_MAGIC,
		.format = SLAB_FORMAT,
		.header_size = SLAB_FILE_HEADER_SIZE,
		.slab_size = SLAB_SIZE,
		.pid = 1,
		.sample_constant = 512,
	};
}

/*
 * A file of slabs of @kind that share the @size bytes between them, then a
 * slab for nodes that are not finished yet.
 */
static void put_slabs(const char *name, enum slab_kind kind, unsigned slabs,
		      const uint8_t *bytes, size_t size)
{
	static uint8_t file[SLAB_FILE_HEADER_SIZE + 3 * SLAB_SIZE];
	struct slab_file header = good_header();
	struct slab_head head = { .magic = SLAB_MAGIC, .kind = kind };
	size_t share = size / slabs;

	if (share > SLAB_ROOM)
		share = SLAB_ROOM;
	memset(file, 0, sizeof(file));
	memcpy(file, &header, sizeof(header));
	for (unsigned i = 0; i < slabs; i++) {
		uint8_t *at = file + slab_offset(i);

		head.used = (uint32_t)share;
		head.tid = (int32_t)i;
		memcpy(at, &head, sizeof(head));
		memcpy(at + sizeof(head), bytes + i * share, share);
	}
	head = (struct slab_head) { .magic = SLAB_MAGIC, .kind = SLAB_NODES };
	memcpy(file + slab_offset(slabs), &head, sizeof(head));
	put_file(name, file, slab_offset(slabs) + sizeof(head));
}

/* A digest whose sum is right, so that what it sums up is looked at. */
static void put_digest(const uint8_t *bytes, size_t size)
{
	uint64_t *words, sum;

	size -= size % 8;
	words = malloc(size + 8);
	require(words);
	memcpy(words, bytes, size);
	if (size >= 8) {
		sum = checkpoint_sum(0, words, size - 8);
		memcpy((uint8_t *)words + size - 8, &sum, 8);
	}
	put_file("1.slabs.digest", words, size);
	free(words);
}

/* One for each node and route. */
static bool before(const struct fold_stack *a, const struct fold_stack *b)
{
	return a->node != b->node ? a->node < b->node : a->route < b->route;
}

static void check_result(const struct trace_image *im)
{
	static struct fold_level levels[FOLD_WINDOWS];
	const struct fold_result *r = &im->result;

	require(r->window_count && r->window_count <= FOLD_WINDOWS);
	for (size_t i = 0; i < r->stack_count; i++) {
		const struct fold_stack *s = &r->stacks[i];

		require(s->node <= im->node_count);
		require(!i || before(&r->stacks[i - 1], s));
		fold_levels(r, s, levels);
		for (size_t l = 0; l < s->level_count; l++)
			require(s->levels[l].window < r->window_count);
	}
	for (size_t i = 0; i < r->thread_count; i++)
		require(memchr(r->threads[i].name, 0, 16));
}

static void check_codes(const struct trace_image *im)
{
	for (size_t i = 0; i < im->code_count; i++) {
		const struct trace_code *c = &im->codes[i];

		require(!i || im->codes[i - 1].id <= c->id);
		require(strlen(c->qualname) < SLAB_SIZE &&
			strlen(c->file) < SLAB_SIZE);
		require(c->linetable || !c->linetable_size);
	}
	require(!im->python.reason == !im->python.folder);
}

/* One for each node and kind; texts are there or NULL. */
static void check_weights(const struct trace_image *im)
{
	for (size_t i = 0; i < im->weight_count; i++) {
		const struct trace_weight *w = &im->weights[i], *last = w - 1;

		require(w->node <= im->node_count);
		require(w->kind > 0 && w->kind < WEIGHT_NKINDS);
		require(!i || last->node < w->node ||
			(last->node == w->node && last->kind < w->kind));
	}
	for (size_t i = 0; i < im->text_count; i++)
		require(!im->texts[i] || strlen(im->texts[i]) < SLAB_SIZE);
}

/* What threads did during slow requests; slowest first; courses. */
static void check_slow(const struct trace_image *im)
{
	for (size_t i = 0; i < im->slow_part_count; i++) {
		const struct wire_slow_part *p = &im->slow_parts[i].part;

		require(p->node <= im->node_count);
		require(p->kind == WEIGHT_CPU || p->kind == WEIGHT_OFFCPU);
		require(p->who < SLOW_NWHOS && p->why < BLOCKED_NREASONS);
	}
	for (size_t i = 0; i < im->result.route_count; i++) {
		const struct fold_route *r = &im->result.routes[i];

		require(course_sound(r->course));
		for (size_t k = 1; k < FOLD_SLOWEST; k++)
			require(r->slowest[k].took <= r->slowest[k - 1].took);
	}
}

static void check_view(const struct trace_view *v)
{
	require(v->image_count);
	for (size_t i = 0; i < v->image_count; i++) {
		const struct trace_image *im = &v->images[i];

		for (uint32_t n = 0; n < im->node_count; n++)
			require(im->nodes[n].parent <= n &&
				(wire_node_kind(&im->nodes[n]) != NODE_MIXED ||
				 im->nodes[n].value <= n));
		for (size_t m = 0; m < im->module_count; m++)
			require(strlen(im->modules[m].path) < SLAB_SIZE &&
				im->modules[m].build_id_size <= 32);
		check_codes(im);
		check_result(im);
		check_weights(im);
		check_slow(im);
	}
	for (size_t i = 0; i < v->process_count; i++)
		require(strlen(v->processes[i].exe) < SLAB_SIZE &&
			strlen(v->processes[i].command) < SLAB_SIZE);
	for (size_t i = 0; i < v->counter_count; i++)
		require(strlen(v->counters[i].probe) < SLAB_SIZE &&
			strlen(v->counters[i].reason) < SLAB_SIZE);
	for (size_t i = 0; i < v->mark_count; i++)
		require(strlen(v->marks[i].label) < SLAB_SIZE);
	for (size_t i = 1; i < v->ledger_count; i++)
		require(v->ledger[i - 1].at_ns <= v->ledger[i].at_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const uint8_t thread[] = { RECORD_THREAD, 1, 0 };
	struct err err = ERR_INIT;
	struct trace *t;

	if (!size)
		return 0;
	start();
	clean();
	if (*bytes >= 3)
		put_slabs("1.slabs", SLAB_EVENTS, 1, thread, sizeof(thread));
	switch (*bytes++) {
	case 0:
		put_file("1.slabs", bytes, size - 1);
		break;
	case 1:
		put_slabs("1.slabs", SLAB_EVENTS, 2, bytes, size - 1);
		break;
	case 2:
		put_slabs("1.slabs", SLAB_META, 1, bytes, size - 1);
		break;
	case 3:
		put_slabs("host.slabs", SLAB_HOST, 1, bytes, size - 1);
		break;
	case 4:
		put_digest(bytes, size - 1);
		break;
	case 5:
		put_file("meta.json", bytes, size - 1);
		break;
	default:
		return 0;
	}
	if (trace_open(&t, dir, &err) < 0) {
		require(!t && err.code < 0 && err.text[0]);
		return 0;
	}
	check_view(trace_view(t));
	trace_close(t);
	return 0;
}
