/*
 * What probes write of a process, read back as a recording of its own.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/latency/histo.h"
#include "profiler/model/model.h"
#include "profiler/trace/probefile.h"
#include "profiler/trace/reader.h"
#include "profiler/trace/writer.h"
#include "tests/unit/scratch.h"

TestSuite(probefile, .init = scratch_make, .fini = scratch_remove);

static const struct probefile_process server = {
	.pid = 42,
	.ppid = 1,
	.exe = "/bin/server",
	.command = "server\0-x",
	.command_size = 10,
	.comm = "server",
};

static struct probefile *create(const char *dir)
{
	struct probefile *f;
	struct err err = ERR_INIT;

	cr_assert_eq(probefile_create(&f, dir, &server, &err), 0, "%s",
		     err.text);
	return f;
}

static struct trace *reopen(const char *dir)
{
	struct trace *t;
	struct err err = ERR_INIT;

	cr_assert_eq(trace_open(&t, dir, &err), 0, "%s", err.text);
	return t;
}

Test(probefile, weights_of_one_stack_add_up_over_flushes)
{
	const char *dir = scratch;
	struct probefile *f = create(dir);
	uint32_t node = probefile_node(f, 0, NODE_ABSOLUTE, 0, 0x1000);
	const struct trace_image *im;
	struct trace *t;

	probefile_weigh(f, node, WEIGHT_RSS, 1, 8192);
	cr_expect_eq(probefile_flush(f, 1), 0);
	probefile_weigh(f, node, WEIGHT_RSS, 1, 4096);
	probefile_weigh(f, node, WEIGHT_RSS, -1, -8192);
	cr_expect_eq(probefile_flush(f, 2), 0);
	probefile_close(f);
	t = reopen(dir);
	im = &trace_view(t)->images[0];
	cr_expect(im->probed);
	cr_assert_eq(im->weight_count, 1);
	cr_expect_eq(im->weights[0].weight, 4096);
	cr_expect_eq(im->weights[0].count, 1);
	trace_close(t);
}

Test(probefile, what_was_not_flushed_is_not_there)
{
	const char *dir = scratch;
	struct probefile *f = create(dir);
	struct trace *t;

	probefile_weigh(f, 0, WEIGHT_CPU, 1, 10);
	probefile_close(f);
	t = reopen(dir);
	cr_expect_eq(trace_view(t)->images[0].weight_count, 0);
	trace_close(t);
}

Test(probefile, equal_nodes_are_one)
{
	struct probefile *f = create(scratch);
	uint32_t root = probefile_node(f, 0, NODE_NATIVE, 1, 0x10);

	cr_expect_eq(probefile_node(f, 0, NODE_NATIVE, 1, 0x10), root);
	cr_expect_neq(probefile_node(f, root, NODE_NATIVE, 1, 0x10), root);
	cr_expect_neq(probefile_node(f, 0, NODE_NATIVE, 2, 0x10), root);
	probefile_close(f);
}

Test(probefile, more_nodes_than_a_slab_holds_come_back)
{
	const char *dir = scratch;
	struct probefile *f = create(dir);
	uint32_t last = 0;
	struct trace *t;

	for (uint64_t i = 0; i < 3 * WIRE_NODES_PER_SLAB; i++)
		last = probefile_node(f, last, NODE_ABSOLUTE, 0, i);
	probefile_close(f);
	t = reopen(dir);
	cr_assert_eq(trace_view(t)->images[0].node_count, last);
	cr_expect_eq(trace_view(t)->images[0].nodes[last - 1].value,
		     3 * WIRE_NODES_PER_SLAB - 1);
	cr_expect_eq(trace_view(t)->images[0].nodes[last - 1].parent, last - 1);
	trace_close(t);
}

static struct model *load(const char *dir)
{
	struct model *m;
	struct err err = ERR_INIT;

	cr_assert_eq(model_load(&m, dir, &err), 0, "%s", err.text);
	return m;
}

Test(probefile, a_site_waits_under_the_name_of_the_reason)
{
	const char *dir = scratch;
	struct probefile *f = create(dir);
	uint32_t node = probefile_node(f, 0, NODE_KERNEL, 0,
				       probefile_text(f, "do_futex"));
	struct model *m;

	node = probefile_node(f, node, NODE_BLOCKED, 0, BLOCKED_FUTEX);
	probefile_weigh(f, node, WEIGHT_OFFCPU, 1, 5000);
	probefile_flush(f, 1);
	probefile_close(f);
	m = load(dir);
	cr_assert_eq(m->site_count, 1);
	cr_expect_eq(model_site_weight(&m->sites[0], MODEL_WALL), 5000);
	cr_expect_str_eq(m->frames[m->nodes[m->sites[0].node].frame].function,
			 "[waits: futex]");
	cr_expect_str_eq(m->frames[m->nodes[0].frame].function, "do_futex");
	model_free(m);
}

Test(probefile, counters_of_probes_are_losses_of_the_recording)
{
	const char *dir = scratch;
	struct err err = ERR_INIT;
	struct writer *w;
	struct model *m;
	bool found = false;

	probefile_close(create(dir));
	cr_assert_eq(writer_open(&w, dir, &err), 0, "%s", err.text);
	writer_counter(w, 1, "cpu", "ring_full", 2);
	writer_counter(w, 2, "cpu", "ring_full", 7);
	writer_close(w);
	m = load(dir);
	for (uint32_t i = 0; i < m->loss_count; i++)
		if (strcmp(m->losses[i].reason, "cpu.ring_full") == 0) {
			cr_expect_eq(m->losses[i].count, 7);
			found = true;
		}
	cr_expect(found);
	model_free(m);
}

static const struct probefile_request search = {
	.at = 9000000,
	.first_in = 2000000,
	.read = 3000000,
	.first_out = 7000000,
	.last_out = 8000000,
	.gap = 500000,
	.route = 7,
	.status = 200,
	.flags = REQUEST_STREAMED,
};

Test(probefile, requests_are_read_back_as_those_of_the_process)
{
	struct probefile *f = create(scratch);
	const struct trace_image *im;
	const struct fold_route *r;
	struct trace *t;

	cr_expect_eq(probefile_route(f, 7, "POST /search"), 0);
	cr_expect_eq(probefile_request(f, &search), 0);
	probefile_connection(f, false);
	probefile_connection(f, true);
	probefile_close(f);
	t = reopen(scratch);
	im = &trace_view(t)->images[0];
	cr_assert_eq(im->result.route_count, 1);
	r = &im->result.routes[0];
	cr_expect_eq(r->route, 7);
	cr_expect_eq(r->count, 1);
	cr_expect_eq(r->streamed, 1);
	cr_expect_eq(r->status[2], 1);
	cr_expect_float_eq((double)histo_max(r->took), 6e6, 1e4);
	cr_expect_float_eq((double)histo_max(r->ttfb), 5e6, 1e4);
	cr_expect_float_eq((double)histo_max(r->queue), 1e6, 1e3);
	cr_expect_float_eq((double)histo_max(r->gap), 5e5, 1e3);
	cr_expect_eq(im->header.stats.connections, 1);
	cr_expect_eq(im->header.stats.foreign, 1);
	cr_assert_eq(im->route_count, 1);
	cr_expect_str_eq(im->routes[0].text, "POST /search");
	trace_close(t);
}

Test(probefile, a_route_is_written_once)
{
	struct probefile *f = create(scratch);
	struct trace *t;

	for (int i = 0; i < 3; i++)
		cr_expect_eq(probefile_route(f, 7, "POST /search"), 0);
	probefile_close(f);
	t = reopen(scratch);
	cr_expect_eq(trace_view(t)->images[0].route_count, 1);
	trace_close(t);
}

Test(probefile, requests_go_on_in_the_next_slab)
{
	struct probefile *f = create(scratch);
	struct probefile_request r = search;
	struct trace *t;

	for (int i = 0; i < 20000; i++, r.at += 1000)
		cr_assert_eq(probefile_request(f, &r), 0);
	cr_expect_gt(probefile_bytes(f), 3 * SLAB_SIZE);
	probefile_close(f);
	t = reopen(scratch);
	cr_expect_eq(trace_view(t)->images[0].result.routes[0].count, 20000);
	cr_expect_not(trace_view(t)->images[0].result.torn_slabs);
	trace_close(t);
}

Test(probefile, calls_of_handlers_are_spans_of_their_names)
{
	struct probefile *f = create(scratch);
	struct err err = ERR_INIT;
	struct model *m;

	cr_expect_eq(probefile_route(f, SPAN_NAME_FIRST, "search"), 0);
	/* Two threads: the one that began later ended first. */
	cr_expect_eq(probefile_span(f, SPAN_NAME_FIRST, 3000000, 4000000), 0);
	cr_expect_eq(probefile_span(f, SPAN_NAME_FIRST, 1000000, 6000000), 0);
	probefile_close(f);
	cr_assert_eq(model_load(&m, scratch, &err), 0, "%s", err.text);
	cr_assert_eq(m->span_count, 1);
	cr_expect_str_eq(m->spans[0].name, "search");
	cr_expect_eq(m->spans[0].count, 2);
	cr_expect_float_eq(m->spans[0].max_ms, 5, 0.01);
	cr_expect_float_eq(m->spans[0].p50_ms, 1, 0.01);
	/* Nobody looked at what they allocate. */
	cr_expect(isnan(m->spans[0].alloc_bytes_per_span));
	model_free(m);
}

/* One of @route that took @ms. */
static void answer(struct probefile *f, uint32_t route, uint64_t ms)
{
	struct probefile_request r = search;

	r.route = route;
	r.first_in = 200000000;
	r.read = r.first_in + 1000000;
	r.first_out = r.first_in + ms * 500000;
	r.last_out = r.first_in + ms * 1000000;
	r.at = r.last_out;
	cr_assert_eq(probefile_request(f, &r), 0);
}

Test(probefile, the_slowest_requests_of_each_route_keep_their_times)
{
	struct probefile *f = create(scratch);
	struct err err = ERR_INIT;
	struct model *m;

	cr_expect_eq(probefile_route(f, 1, "GET /a"), 0);
	cr_expect_eq(probefile_route(f, 2, "GET /b"), 0);
	for (uint64_t ms = 10; ms <= 100; ms += 10)
		answer(f, 1, ms);
	answer(f, 2, 5);
	for (uint64_t ms = 95; ms >= 15; ms -= 10)
		answer(f, 1, ms);
	probefile_close(f);
	cr_assert_eq(model_load(&m, scratch, &err), 0, "%s", err.text);
	cr_assert_eq(m->slow_count, 5);
	cr_expect_str_eq(m->slow[0].method, "GET");
	cr_expect_str_eq(m->slow[0].route, "/a");
	cr_expect_float_eq(m->slow[0].took_ms, 100, 1e-6);
	cr_expect_float_eq(m->slow[0].ttfb_ms, 50, 1e-6);
	cr_expect_float_eq(m->slow[0].queue_ms, 1, 1e-6);
	cr_expect_float_eq(m->slow[1].took_ms, 95, 1e-6);
	cr_expect_float_eq(m->slow[3].took_ms, 85, 1e-6);
	cr_expect_str_eq(m->slow[4].route, "/b");
	model_free(m);
}

Test(probefile, a_request_that_was_cut_off_is_not_slow)
{
	struct probefile *f = create(scratch);
	struct probefile_request r = search;
	struct err err = ERR_INIT;
	struct model *m;

	r.flags = REQUEST_CUT;
	cr_assert_eq(probefile_request(f, &r), 0);
	probefile_close(f);
	cr_assert_eq(model_load(&m, scratch, &err), 0, "%s", err.text);
	cr_expect_eq(m->slow_count, 0);
	model_free(m);
}

static struct probefile_block block(uint64_t at, uint64_t address)
{
	return (struct probefile_block) {
		.at = 1000000000000 + at,
		.address = address,
		.size = 1000,
		.mean = 1,
		.node = 1,
		.tid = 7,
		.api = API_MALLOC,
	};
}

Test(probefile, blocks_live_until_they_are_released)
{
	struct probefile *f = create(scratch);
	struct probefile_block b;
	struct trace *t;
	const struct fold_result *r;

	probefile_node(f, 0, NODE_ABSOLUTE, 0, 0x10);
	for (uint64_t i = 1; i <= 9; i++) {
		b = block(i, 0x7f0000000000 + i * 16);
		cr_assert_eq(probefile_alloc(f, &b), 0);
	}
	b = block(20, 0x7f0000000030);
	cr_assert_eq(probefile_release(f, RECORD_FREE, &b), 0);
	b.tid = 8;
	b.address = 0x7f0000000040;
	cr_assert_eq(probefile_release(f, RECORD_FREE, &b), 0);
	cr_assert_eq(probefile_release(f, RECORD_UNFREE, &b), 0);
	probefile_close(f);
	t = reopen(scratch);
	r = &trace_view(t)->images[0].result;
	cr_assert_eq(r->stack_count, 1);
	cr_expect_eq(r->stacks[0].node, 1);
	cr_expect_float_eq(r->allocated.bytes, 9000, 1e-6);
	cr_expect_float_eq(r->live.bytes, 8000, 1e-6);
	cr_expect_eq(r->inherited_releases, 0);
	trace_close(t);
}

Test(probefile, blocks_of_many_slabs_and_means_come_back)
{
	const uint64_t count = 40000;
	struct probefile *f = create(scratch);
	const struct fold_result *r;
	struct trace *t;
	double expected = 0;

	probefile_node(f, 0, NODE_ABSOLUTE, 0, 0x10);
	for (uint64_t i = 1; i <= count; i++) {
		struct probefile_block b = block(i, i << 20);

		b.mean = i % 3 ? 1512 : 3024;
		b.tid = (int32_t)(i % 5) + 1;
		expected += 1000 / -expm1(-1512.0 / (double)b.mean);
		cr_assert_eq(probefile_alloc(f, &b), 0);
	}
	probefile_close(f);
	t = reopen(scratch);
	r = &trace_view(t)->images[0].result;
	cr_expect_eq(r->allocations, count);
	cr_expect_float_eq(r->live.bytes / expected, 1, 1e-6);
	trace_close(t);
}

Test(probefile, code_objects_and_their_lines_come_back_whole)
{
	static uint8_t lines[100000];
	struct probefile_code code = {
		.qualname = "Worker.work",
		.file = "a.py",
		.first_line = 7,
		.version = 0x030b02f0,
		.lines = lines,
		.lines_size = sizeof(lines),
	};
	struct probefile *f = create(scratch);
	const struct trace_image *im;
	struct trace *t;

	for (size_t i = 0; i < sizeof(lines); i++)
		lines[i] = (uint8_t)(i * 7 + i / 251);
	cr_expect_eq(probefile_code(f, &code), 1);
	code.lines_size = 0;
	code.qualname = "short";
	cr_expect_eq(probefile_code(f, &code), 2);
	cr_expect_eq(probefile_python(f,
				      &(struct probefile_python) {
					      .version = 0x030b02f0,
					      .reason = "",
					      .folder = "/srv" }),
		     0);
	probefile_close(f);
	t = reopen(scratch);
	im = &trace_view(t)->images[0];
	cr_assert_eq(im->code_count, 2);
	cr_expect_str_eq(im->codes[0].qualname, "Worker.work");
	cr_expect_str_eq(im->codes[0].file, "a.py");
	cr_expect_eq(im->codes[0].first_line, 7);
	cr_assert_eq(im->codes[0].linetable_size, sizeof(lines));
	cr_expect_arr_eq(im->codes[0].linetable, lines, sizeof(lines));
	cr_expect_str_eq(im->codes[1].qualname, "short");
	cr_expect(im->python.readable);
	cr_expect_str_eq(im->python.folder, "/srv");
	trace_close(t);
}

Test(probefile, what_threads_did_is_told_with_its_slow_request)
{
	struct probefile *f = create(scratch);
	uint32_t node = probefile_node(f, 0, NODE_BLOCKED, 0, BLOCKED_FUTEX);
	const struct wire_slow_part parts[] = {
		{ node, WEIGHT_OFFCPU, SLOW_OTHER, BLOCKED_FUTEX, 0, 9000000,
		  2 },
		{ node, WEIGHT_OFFCPU, SLOW_READER, BLOCKED_FUTEX, 0, 3000000,
		  1 },
		{ 0, WEIGHT_CPU, SLOW_READER, 0, 0, 4000000, 4 },
	};
	struct err err = ERR_INIT;
	const struct model_slow *s;
	struct model *m;

	probefile_route(f, 1, "GET /a");
	answer(f, 1, 10);
	cr_expect(probefile_is_slow(f));
	cr_expect_eq(probefile_slow_parts(f, 1, 200000000, parts, 3), 0);
	cr_expect_eq(probefile_slow_parts(f, 1, 999, parts, 3), 0);
	probefile_close(f);
	cr_assert_eq(model_load(&m, scratch, &err), 0, "%s", err.text);
	cr_assert_eq(m->slow_count, 1);
	s = &m->slow[0];
	cr_assert_eq(s->part_count, 3);
	cr_expect(s->parts[0].own && !s->parts[0].waited);
	cr_expect_eq(s->parts[0].node, MODEL_NONE);
	cr_expect_float_eq(s->parts[0].ms, 4, 1e-9);
	cr_expect(s->parts[1].own && s->parts[1].waited);
	cr_expect_eq(s->parts[1].why, MODEL_BLOCKED_FUTEX);
	cr_expect_str_eq(m->frames[m->nodes[s->parts[1].node].frame].function,
			 "[waits: futex]");
	cr_expect_not(s->parts[2].own);
	cr_expect_eq(s->parts[2].count, 2);
	model_free(m);
}

Test(probefile, latencies_over_time_are_those_of_the_windows)
{
	struct probefile *f = create(scratch);
	struct err err = ERR_INIT;
	struct model *m;
	uint64_t all = 0;

	probefile_route(f, 1, "GET /a");
	for (uint64_t i = 0; i < 200; i++) {
		struct probefile_request r = search;
		uint64_t took = i < 100 ? 10000000 : 40000000;

		r.route = 1;
		r.last_out += i * 100000000;
		r.first_in = r.read = r.first_out = r.last_out - took;
		r.at = r.last_out;
		cr_assert_eq(probefile_request(f, &r), 0);
	}
	probefile_close(f);
	cr_assert_eq(model_load(&m, scratch, &err), 0, "%s", err.text);
	cr_assert_not_null(m->endpoints[0].course);
	for (uint32_t w = 0; w < m->course_count; w++) {
		const struct model_moment *one = &m->endpoints[0].course[w];

		all += one->count;
		cr_expect(!one->count || fabs(one->p95_ms - 10) < 0.32 ||
				  fabs(one->p95_ms - 40) < 1.3,
			  "%g", one->p95_ms);
	}
	cr_expect_eq(all, 200);
	model_free(m);
}
