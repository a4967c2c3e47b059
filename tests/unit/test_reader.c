#include "profiler/trace/reader.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "profiler/base/err.h"
#include "tests/unit/recording.h"
#include "tests/unit/scratch.h"

#define T0 (100 * SECOND)

static void setup(void)
{
	scratch_make();
}

static void teardown(void)
{
	scratch_remove();
}

TestSuite(reader, .init = setup, .fini = teardown);

static struct trace *open_trace(void)
{
	struct err err = ERR_INIT;
	struct trace *t;

	cr_assert_eq(trace_open(&t, scratch, &err), 0, "%s", err.text);
	return t;
}

static void check_refused(const char *dir, int code, const char *words)
{
	struct err err = ERR_INIT;
	struct trace *t;

	cr_expect_eq(trace_open(&t, dir, &err), code);
	cr_expect_null(t);
	cr_expect_not_null(strstr(err.text, words), "%s", err.text);
}

/* Two threads, cross-thread frees, more than one slab each. */
static void write_small(struct recording *r, struct lane lanes[2])
{
	uint64_t at = T0;

	recording_begin(r, scratch_path("42.slabs"), 42);
	recording_module(r, "/usr/bin/server");
	recording_nodes(r, 100, 10);
	for (uint32_t i = 0; i < 2; i++)
		lane_begin(&lanes[i], r, 42 + i, at);
	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t addr = 0x7f0000000000 + i * 64;

		lane_alloc(&lanes[i % 2], 10 + (uint32_t)(i % 9) * 10, i % 500,
			   addr, at += 100);
		if (i % 10)
			lane_free(&lanes[i % 3 == 0], addr, at += 100);
	}
}

static void end_small(struct recording *r, struct lane lanes[2])
{
	lane_seal(&lanes[0]);
	lane_seal(&lanes[1]);
	recording_end(r, T0 + SECOND);
}

Test(reader, a_recording_is_read_whole)
{
	const struct trace_image *im;
	static struct lane lanes[2];
	struct recording r;
	struct trace *t;
	double live = 0;

	write_small(&r, lanes);
	end_small(&r, lanes);
	for (uint64_t i = 0; i < 20000; i += 10)
		live += (double)(i % 500);
	t = open_trace();
	cr_assert_eq(trace_view(t)->image_count, 1);
	im = &trace_view(t)->images[0];
	cr_expect_eq(im->header.pid, 42);
	cr_expect_str_eq(im->header.exe, "/usr/bin/server");
	cr_expect_eq(im->module_count, 1);
	cr_expect_str_eq(im->modules[0].path, "/usr/bin/server");
	cr_expect_eq(im->node_count, 100);
	cr_expect_eq(im->nodes[10].parent, 0);
	cr_expect_eq(im->nodes[11].parent, 11);
	cr_expect_eq(im->result.allocations, 20000);
	cr_expect_eq(im->result.releases, 18000);
	cr_expect_eq(im->result.inherited_releases, 0);
	cr_expect_eq(im->result.live.bytes, live);
	cr_expect_eq(im->result.live.count, 2000);
	cr_expect_eq(im->result.stack_count, 9);
	cr_expect_eq(im->result.thread_count, 2);
	cr_expect_eq(im->result.torn_slabs, 0);
	cr_expect_not(im->torn);
	trace_close(t);
}

Test(reader, events_of_threads_are_merged_by_time)
{
	static struct lane a, b;
	struct recording r;
	struct trace *t;

	/* b's slab comes first in the file; the block goes to and fro */
	recording_begin(&r, scratch_path("1.slabs"), 1);
	lane_begin(&b, &r, 2, T0 + 5);
	lane_begin(&a, &r, 1, T0);
	for (uint64_t i = 0; i < 3000; i++) {
		lane_alloc(&a, 1, 10, 0x1000, T0 + 10 + i * 40);
		lane_free(&b, 0x1000, T0 + 20 + i * 40);
		lane_alloc(&b, 2, 10, 0x1000, T0 + 30 + i * 40);
		lane_free(&a, 0x1000, T0 + 40 + i * 40);
	}
	lane_seal(&a);
	lane_seal(&b);
	recording_end(&r, T0 + SECOND);
	t = open_trace();
	cr_expect_eq(trace_view(t)->images[0].result.peak.bytes, 10);
	cr_expect_eq(trace_view(t)->images[0].result.live.bytes, 0);
	cr_expect_eq(trace_view(t)->images[0].result.inherited_releases, 0);
	trace_close(t);
}

Test(reader, ten_thousand_idle_threads_are_merged)
{
	static struct lane l;
	const struct fold_result *f;
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	for (uint32_t i = 0; i < 10000; i++) {
		memset(&l, 0, sizeof(l));
		lane_begin(&l, &r, i + 1, T0 + i);
		lane_alloc(&l, 1, 8, 0x1000 + i * 16ULL, T0 + i + 1);
		l.head.used = (uint32_t)(l.at - (uint8_t *)(&l.head + 1));
		recording_put(&r, l.bytes, 512, slab_offset(l.number));
	}
	recording_end(&r, T0 + SECOND);
	t = open_trace();
	f = &trace_view(t)->images[0].result;
	cr_expect_eq(f->thread_count, 10000);
	cr_expect_eq(f->live.bytes, 80000);
	trace_close(t);
}

Test(reader, a_file_that_is_still_being_written_is_read_as_far_as_it_is)
{
	static struct lane lanes[2];
	struct recording r;
	struct trace *t;

	write_small(&r, lanes);
	lane_flush(&lanes[0]);
	lane_flush(&lanes[1]);
	t = open_trace();
	cr_expect_eq(trace_view(t)->images[0].result.allocations, 20000);
	cr_expect(trace_view(t)->images[0].torn); /* no orderly end */
	cr_expect_eq(trace_view(t)->images[0].result.torn_slabs, 0);
	trace_close(t);
	close(r.fd);
}

Test(reader, a_slab_never_begun_is_a_hole)
{
	static struct lane l;
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	recording_take(&r);
	recording_take(&r);
	lane_begin(&l, &r, 1, T0);
	lane_alloc(&l, 1, 8, 0x1000, T0 + 1);
	lane_seal(&l);
	recording_end(&r, T0 + SECOND);
	t = open_trace();
	cr_expect_eq(trace_view(t)->images[0].result.allocations, 1);
	cr_expect_not(trace_view(t)->images[0].torn);
	trace_close(t);
}

/* Records that can be read in the first @size bytes, or -errno. */
static int64_t records_in(const struct recording *r, uint64_t size)
{
	struct err err = ERR_INIT;
	int64_t records;
	struct trace *t;
	int rc;

	cr_assert_eq(ftruncate(r->fd, (off_t)size), 0);
	rc = trace_open(&t, scratch, &err);
	if (rc < 0)
		return rc;
	records = (int64_t)trace_view(t)->images[0].result.records;
	trace_close(t);
	return records;
}

Test(reader, a_file_cut_at_any_byte_gives_what_stood_before_it)
{
	static struct lane l;
	struct recording r;
	int64_t last = INT64_MAX, now;
	uint64_t full;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	lane_begin(&l, &r, 1, T0);
	for (uint64_t i = 0; i < 120; i++) {
		lane_alloc(&l, 1 + (uint32_t)i % 20, i * 100, 0x1000 + i * 640,
			   T0 + i * 1000);
		lane_free(&l, 0x1000 + i * 640, T0 + i * 1000 + 500);
	}
	lane_flush(&l);
	recording_flush(&r);
	full = slab_offset(0) + sizeof(l.head) + l.head.used;
	cr_expect_eq(records_in(&r, full), 242); /* THREAD and NAME, too */
	for (uint64_t size = full; size >= SLAB_FILE_HEADER_SIZE; size--) {
		now = records_in(&r, size);
		cr_assert_leq(now, last);
		cr_assert_geq(now, 0);
		last = now;
	}
	cr_expect_eq(last, 0);
	for (uint64_t size = SLAB_FILE_HEADER_SIZE; size-- > 0;)
		cr_assert_eq(records_in(&r, size), -EBADMSG);
	close(r.fd);
}

Test(reader, nodes_cut_at_any_byte_are_those_that_stood_before_it)
{
	uint32_t last = 20;
	struct recording r;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	recording_nodes(&r, 20, 5);
	for (uint64_t size = slab_offset(0) + 64 + 20 * 16;
	     size >= slab_offset(0); size--) {
		const struct trace_image *im;
		struct trace *t;

		cr_assert_eq(ftruncate(r.fd, (off_t)size), 0);
		t = open_trace();
		im = &trace_view(t)->images[0];
		cr_assert_leq(im->node_count, last);
		for (uint32_t i = 0; i < im->node_count; i++)
			cr_assert_eq(im->nodes[i].value, 0x1000 + i * 16);
		last = im->node_count;
		trace_close(t);
	}
	cr_expect_eq(last, 0);
	close(r.fd);
}

Test(reader, a_slab_that_claims_more_than_there_is_counts_as_torn)
{
	static struct lane l;
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	lane_begin(&l, &r, 1, T0);
	lane_alloc(&l, 1, 8, 0x1000, T0 + 1);
	lane_flush(&l);
	l.head.used = UINT32_MAX;
	recording_put(&r, &l.head, sizeof(l.head), slab_offset(0));
	recording_end(&r, T0 + SECOND);
	t = open_trace();
	cr_expect_eq(trace_view(t)->images[0].result.allocations, 1);
	cr_expect_eq(trace_view(t)->images[0].result.torn_slabs, 1);
	cr_expect(trace_view(t)->images[0].torn);
	trace_close(t);
}

Test(reader, bytes_that_are_no_record_end_their_slab_only)
{
	static struct lane a, b;
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	lane_begin(&a, &r, 1, T0);
	lane_alloc(&a, 1, 8, 0x1000, T0 + 1);
	*a.at++ = 0x0f; /* no such type */
	lane_alloc(&a, 1, 8, 0x2000, T0 + 2);
	lane_seal(&a);
	lane_begin(&b, &r, 2, T0);
	lane_alloc(&b, 1, 16, 0x3000, T0 + 3);
	lane_seal(&b);
	recording_end(&r, T0 + SECOND);
	t = open_trace();
	cr_expect_eq(trace_view(t)->images[0].result.live.bytes, 24);
	cr_expect_eq(trace_view(t)->images[0].result.torn_slabs, 1);
	trace_close(t);
}

Test(reader, a_parent_that_is_not_older_than_its_child_is_cut_off)
{
	struct {
		struct slab_head head;
		struct wire_node nodes[3];
	} slab = {
		.head = { .magic = SLAB_MAGIC, .kind = SLAB_NODES },
		.nodes = { { 3, NODE_NATIVE << 24, 1 },
			   { 2, NODE_NATIVE << 24, 2 },
			   { 1, NODE_NATIVE << 24, 3 } },
	};
	const struct trace_image *im;
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	recording_put(&r, &slab, sizeof(slab), slab_offset(0));
	recording_end(&r, T0 + SECOND);
	t = open_trace();
	im = &trace_view(t)->images[0];
	cr_assert_eq(im->node_count, 3);
	cr_expect_eq(im->nodes[0].parent, 0);
	cr_expect_eq(im->nodes[1].parent, 0);
	cr_expect_eq(im->nodes[2].parent, 1);
	cr_expect(im->torn);
	trace_close(t);
}

Test(reader, a_stack_whose_node_is_unfinished_has_an_entry_all_the_same)
{
	static struct lane l;
	const struct trace_image *im;
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	recording_nodes(&r, 10, 5);
	lane_begin(&l, &r, 1, T0);
	lane_alloc(&l, 500, 8, 0x1000, T0 + 1);
	lane_seal(&l);
	recording_end(&r, T0 + SECOND);
	t = open_trace();
	im = &trace_view(t)->images[0];
	cr_expect_eq(im->result.stacks[0].node, 500);
	cr_assert_eq(im->node_count, 500);
	cr_expect_eq(wire_node_kind(&im->nodes[499]), NODE_UNFINISHED);
	trace_close(t);
}

Test(reader, a_stack_whose_nodes_were_lost_is_unknown)
{
	static struct lane l;
	const struct trace_image *im;
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	recording_nodes(&r, 10, 5);
	lane_begin(&l, &r, 1, T0);
	lane_alloc(&l, 1000000, 8, 0x1000, T0 + 1);
	lane_seal(&l);
	recording_end(&r, T0 + SECOND);
	t = open_trace();
	im = &trace_view(t)->images[0];
	cr_assert_eq(im->result.stack_count, 1);
	cr_expect_eq(im->result.stacks[0].node, 0);
	cr_expect_eq(im->result.live.bytes, 8);
	cr_expect_eq(im->node_count, 10);
	trace_close(t);
}

Test(reader, images_come_by_their_start)
{
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("9.slabs"), 9);
	recording_end(&r, T0 + SECOND);
	recording_begin(&r, scratch_path("9.1.slabs"), 9);
	r.header.start_monotonic_ns = r.header.start_ticks = 99 * SECOND;
	recording_end(&r, T0 + SECOND);
	recording_begin(&r, scratch_path("10.slabs"), 10);
	recording_end(&r, T0 + SECOND);
	scratch_write(scratch_path("9.slabs.bak"), "x", 1);
	t = open_trace();
	cr_assert_eq(trace_view(t)->image_count, 3);
	cr_expect_not_null(strstr(trace_view(t)->images[0].file, "9.1.slabs"));
	cr_expect_eq(trace_view(t)->images[1].header.pid, 9);
	cr_expect_eq(trace_view(t)->images[2].header.pid, 10);
	trace_close(t);
}

Test(reader, one_bad_file_among_good_ones_is_a_problem_and_no_error)
{
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	recording_end(&r, T0 + SECOND);
	scratch_write(scratch_path("2.slabs"), "", 0);
	scratch_write(scratch_path("host.slabs"), "garbage", 7);
	t = open_trace();
	cr_expect_eq(trace_view(t)->image_count, 1);
	cr_assert_eq(trace_view(t)->problem_count, 2);
	cr_expect_not_null(strstr(trace_view(t)->problems[0], "2.slabs"));
	cr_expect(trace_view(t)->host_torn);
	trace_close(t);
}

Test(reader, a_newer_format_asks_for_an_upgrade)
{
	struct recording r;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	r.header.format = 2;
	recording_end(&r, T0 + SECOND);
	check_refused(scratch, -EPROTO,
		      "1.slabs: recorded by a newer strandline (format 2); "
		      "upgrade to read it");
}

Test(reader, what_is_no_recording_is_refused_in_one_sentence)
{
	check_refused("/nonexistent", -ENOENT, "/nonexistent: no such");
	check_refused("/etc/passwd", -ENOTDIR, "/etc/passwd: not a recording");
	check_refused(scratch, -EBADMSG, "holds no process");
	scratch_write(scratch_path("1.slabs"), "short", 5);
	check_refused(scratch, -EBADMSG, "too short");
}

Test(reader, a_recording_without_meta_has_none)
{
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	recording_end(&r, T0 + SECOND);
	scratch_write(scratch_path("meta.json"), "{\"host\":[", 9);
	t = open_trace();
	cr_expect_null(trace_view(t)->meta.host);
	cr_expect_null(trace_view(t)->meta.command);
	cr_expect_eq(trace_view(t)->meta.interval_ms, 0);
	trace_close(t);
}

Test(reader, ticks_of_the_tsc_become_monotonic_time)
{
	static struct lane l;
	const struct fold_result *f;
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	r.header.clock = SLAB_CLOCK_TSC;
	r.header.start_ticks = 5000;
	r.header.later_ticks = 5000 + 2 * SECOND; /* 2 GHz */
	r.header.later_monotonic_ns = T0 + SECOND;
	lane_begin(&l, &r, 1, 5000);
	lane_alloc(&l, 1, 8, 0x1000, 5000 + 6 * SECOND);
	lane_seal(&l);
	recording_end(&r, T0 + 4 * SECOND);
	t = open_trace();
	f = &trace_view(t)->images[0].result;
	cr_expect_eq(f->peak_ns, T0 + 3 * SECOND);
	cr_expect_eq(f->window_ns, FOLD_WINDOW_NS);
	cr_expect_eq(f->window_count, 13);
	trace_close(t);
}

Test(reader, a_clock_that_cannot_be_is_not_believed)
{
	static struct lane l;
	struct recording r;
	struct trace *t;

	recording_begin(&r, scratch_path("1.slabs"), 1);
	r.header.clock = SLAB_CLOCK_TSC;
	r.header.later_ticks = UINT64_MAX;
	r.header.later_monotonic_ns = T0 + 1;
	lane_begin(&l, &r, 1, T0);
	lane_alloc(&l, 1, 8, 0x1000, T0 + 3 * SECOND);
	lane_seal(&l);
	recording_end(&r, T0 + SECOND);
	t = open_trace();
	cr_expect_eq(trace_view(t)->images[0].result.window_ns, FOLD_WINDOW_NS);
	trace_close(t);
}
