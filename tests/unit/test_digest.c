#include "profiler/trace/digest.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/latency/course.h"
#include "profiler/latency/histo.h"
#include "profiler/trace/quota.h"
#include "profiler/trace/reader.h"
#include "tests/unit/fold_rig.h"
#undef SECOND
#include "tests/unit/recording.h"
#include "tests/unit/scratch.h"

#define T0	(100 * SECOND)
#define THREADS 3
#define BLOCKS	400
#define STEP	(SECOND / 500)
#define EVENTS	150000
#define MIDDLE	(T0 + EVENTS / 2 * STEP)

static struct recording recording;
static struct lane lanes[THREADS];
static char slabs[128], digest_file[160];

static void setup(void)
{
	scratch_make();
	snprintf(slabs, sizeof(slabs), "%s/5.slabs", scratch);
	snprintf(digest_file, sizeof(digest_file), "%s.digest", slabs);
}

static void teardown(void)
{
	close(recording.fd);
	scratch_remove();
}

TestSuite(digest, .init = setup, .fini = teardown);

static void begin(void)
{
	recording_begin(&recording, slabs, 5);
	recording_module(&recording, "/usr/bin/server");
	recording_nodes(&recording, 200, 10);
	for (uint32_t i = 0; i < THREADS; i++)
		lane_begin(&lanes[i], &recording, 5 + i, T0);
}

/* One event a step for blocks that live long, short, and over threads. */
static void write_events(uint64_t first, uint64_t count)
{
	static uint64_t random;
	static bool live[BLOCKS];

	if (!first) {
		random = 99;
		memset(live, 0, sizeof(live));
	}
	for (uint64_t i = first; i < first + count; i++) {
		uint64_t x = rig_random(&random), at = T0 + i * STEP;
		uint64_t slot = x % BLOCKS, addr = 0x7f0000000000 + slot * 4096;
		struct lane *l = &lanes[(x >> 20) % THREADS];

		if (i % 1000 == 0)
			lane_block(l, RECORD_MAP, 30, 0x10000, 0x1000000 + i,
				   at);
		else if (i % 1000 == 500)
			lane_unmap(l, 0x5000, 0x1000000 + i - 500, at);
		else if (i % 100 == 10)
			lane_context(l, (uint32_t)(x >> 30) % 4, at);
		else if (i % 100 == 60)
			lane_request(l, (uint32_t)(x >> 30) % 4,
				     i % 700 ? 200 : 500,
				     (unsigned)(x >> 33) % 8,
				     1000 + (x >> 40) % 10000000, at);
		else if (live[slot])
			lane_free(l, addr, at);
		else
			lane_alloc(l, 10 + (uint32_t)(x >> 30) % 12,
				   1 + (x >> 40) % 10000, addr, at);
		live[slot] ^= i % 500 != 0 && i % 100 != 10 && i % 100 != 60;
	}
}

static void flush(void)
{
	for (int i = 0; i < THREADS; i++)
		lane_flush(&lanes[i]);
	recording_flush(&recording);
}

/* All of it, flushed but not sealed at the end. */
static void write_recording(void)
{
	begin();
	write_events(0, EVENTS);
	flush();
}

static struct trace *open_trace(void)
{
	struct err err = ERR_INIT;
	struct trace *t;

	cr_assert_eq(trace_open(&t, scratch, &err), 0, "%s", err.text);
	cr_assert_eq(trace_view(t)->problem_count, 0, "%s",
		     trace_view(t)->problem_count ? trace_view(t)->problems[0]
						  : "");
	return t;
}

/* Digest up to @until, then forget: as a process that was killed. */
static void digest_until(uint64_t until)
{
	struct err err = ERR_INIT;
	struct digest *d;

	cr_assert_eq(digest_open(&d, scratch, &err), 0);
	cr_assert_eq(digest_flush(d, until, &err), 0, "%s", err.text);
	digest_close(d);
}

static uint64_t given_back(void)
{
	struct slab_file h;

	cr_assert_eq(pread(recording.fd, &h, sizeof(h), 0), sizeof(h));
	return h.slabs_given_back;
}

static bool is_hole(uint64_t slab)
{
	uint8_t bytes[SLAB_SIZE], zeros[SLAB_SIZE] = { 0 };

	cr_assert_eq(pread(recording.fd, bytes, SLAB_SIZE,
			   (off_t)slab_offset(slab)),
		     SLAB_SIZE);
	return memcmp(bytes, zeros, SLAB_SIZE) == 0;
}

static uint64_t holes(void)
{
	uint64_t count = 0;

	for (uint64_t n = 0; n < recording.header.slabs_taken; n++)
		count += is_hole(n);
	return count;
}

static void same_bytes(const void *a, const void *b, size_t size)
{
	cr_assert(size == 0 || memcmp(a, b, size) == 0);
}

static void same_sum(const struct fold_sum *a, const struct fold_sum *b)
{
	same_bytes(a, b, sizeof(*a));
}

/* What lives is summed up in another order. */
static void same_makers(const struct fold_stack *a, const struct fold_stack *b)
{
	cr_assert_eq(a->maker_count, b->maker_count);
	for (size_t i = 0; i < a->maker_count; i++) {
		const struct fold_maker *x = &a->makers[i], *y = &b->makers[i];

		cr_assert_eq(x->thread, y->thread);
		cr_assert_eq(x->allocated_bytes, y->allocated_bytes);
		cr_assert_eq(x->allocated_count, y->allocated_count);
		cr_assert_float_eq(x->live_bytes, y->live_bytes,
				   1e-9 * y->live_bytes);
		cr_assert_float_eq(x->live_count, y->live_count,
				   1e-9 * y->live_count);
	}
}

static void same_stacks(const struct fold_result *a,
			const struct fold_result *b)
{
	cr_assert_eq(a->stack_count, b->stack_count);
	for (size_t i = 0; i < a->stack_count; i++) {
		const struct fold_stack *x = &a->stacks[i], *y = &b->stacks[i];

		cr_assert_eq(x->node, y->node);
		cr_assert_eq(x->route, y->route);
		cr_assert_eq(x->samples, y->samples);
		same_sum(&x->live, &y->live);
		same_sum(&x->allocated, &y->allocated);
		same_sum(&x->peak, &y->peak);
		same_sum(&x->temporary, &y->temporary);
		cr_assert_eq(x->mapped, y->mapped);
		cr_assert_eq(x->heap_grown, y->heap_grown);
		cr_assert_eq(x->level_count, y->level_count);
		same_bytes(x->levels, y->levels,
			   x->level_count * sizeof(*x->levels));
		same_makers(x, y);
	}
}

static void same_histo(const struct histo *a, const struct histo *b)
{
	struct buf x = BUF_INIT, y = BUF_INIT;

	cr_assert_not_null(a);
	histo_write(a, &x);
	histo_write(b, &y);
	cr_assert_eq(x.len, y.len);
	same_bytes(x.bytes, y.bytes, x.len);
	buf_free(&x);
	buf_free(&y);
}

static void same_routes(const struct fold_result *a,
			const struct fold_result *b)
{
	cr_assert_eq(a->route_count, 4);
	cr_assert_eq(b->route_count, 4);
	for (size_t i = 0; i < a->route_count; i++) {
		const struct fold_route *x = &a->routes[i], *y = &b->routes[i];

		cr_assert_eq(x->route, y->route);
		cr_assert_eq(x->count, y->count);
		cr_assert_eq(x->errors, y->errors);
		cr_assert_eq(x->cut, y->cut);
		cr_assert_eq(x->streamed, y->streamed);
		cr_assert_eq(x->alone, y->alone);
		cr_assert_eq(x->peak_count, y->peak_count);
		cr_assert_eq(x->peak_sum, y->peak_sum);
		cr_assert_eq(x->peak_most, y->peak_most);
		same_bytes(x->status, y->status, sizeof(x->status));
		same_bytes(x->windows, y->windows,
			   a->window_count * sizeof(*x->windows));
		same_histo(x->took, y->took);
		same_histo(x->ttfb, y->ttfb);
		same_histo(x->queue, y->queue);
		same_histo(x->gap, y->gap);
		same_bytes(x->slowest, y->slowest, sizeof(x->slowest));
		cr_assert_gt(x->course->cells.count, 0);
		cr_assert_eq(x->course->cells.count, y->course->cells.count);
		same_bytes(x->course->cells.at, y->course->cells.at,
			   x->course->cells.count *
				   sizeof(*x->course->cells.at));
	}
}

/* Bit for bit. */
static void same(const struct fold_result *a, const struct fold_result *b)
{
	same_stacks(a, b);
	same_routes(a, b);
	cr_assert_eq(a->window_count, b->window_count);
	same_bytes(a->windows, b->windows,
		   a->window_count * sizeof(*a->windows));
	cr_assert_eq(a->thread_count, b->thread_count);
	same_bytes(a->threads, b->threads,
		   a->thread_count * sizeof(*a->threads));
	same_sum(&a->live, &b->live);
	same_sum(&a->allocated, &b->allocated);
	same_sum(&a->released, &b->released);
	same_sum(&a->peak, &b->peak);
	same_sum(&a->temporary, &b->temporary);
	cr_assert_eq(a->peak_ns, b->peak_ns);
	cr_assert_eq(a->last_ns, b->last_ns);
	cr_assert_eq(a->window_ns, b->window_ns);
	cr_assert_eq(a->records, b->records);
	cr_assert_eq(a->releases, b->releases);
	cr_assert_eq(a->inherited_releases, b->inherited_releases);
	cr_assert_eq(a->torn_slabs, b->torn_slabs);
}

static const struct fold_result *result(const struct trace *t)
{
	return &trace_view(t)->images[0].result;
}

/* What the recording says with its digest is what @truth says. */
static void check_same(const struct trace *truth)
{
	struct trace *t = open_trace();

	same(result(t), result(truth));
	cr_assert_eq(trace_view(t)->images[0].node_count, 200);
	cr_assert_eq(trace_view(t)->images[0].module_count, 1);
	trace_close(t);
}

Test(digest, a_digest_and_the_rest_say_what_all_events_said)
{
	struct trace *truth;

	write_recording();
	truth = open_trace();
	digest_until(MIDDLE);
	cr_expect_gt(given_back(), 0);
	cr_expect_eq(holes(), given_back());
	check_same(truth);
	trace_close(truth);
}

Test(digest, digesting_again_and_again_changes_nothing)
{
	struct trace *truth;
	uint64_t random = 3, at = T0;

	write_recording();
	truth = open_trace();
	for (int i = 0; i < 40; i++) {
		at += rig_random(&random) % (7500 * STEP);
		digest_until(at);
		if (i % 8 == 0)
			check_same(truth);
	}
	check_same(truth);
	cr_expect_eq(holes(), given_back());
	trace_close(truth);
}

Test(digest, one_digester_may_go_on_for_as_long_as_the_target)
{
	struct err err = ERR_INIT;
	struct trace *truth;
	struct digest *d;

	write_recording();
	truth = open_trace();
	close(recording.fd);
	begin();
	cr_assert_eq(digest_open(&d, scratch, &err), 0);
	for (uint64_t i = 0; i < EVENTS; i += 15000) {
		recording.header.slabs_given_back = i ? given_back() : 0;
		write_events(i, 15000);
		flush();
		cr_assert_eq(digest_flush(d, T0 + (i + 14000) * STEP, &err), 0);
	}
	digest_close(d);
	check_same(truth);
	trace_close(truth);
}

Test(digest, nodes_and_modules_are_not_given_back)
{
	write_recording();
	digest_until(UINT64_MAX / 2);
	cr_expect_not(is_hole(0));
	cr_expect_not(is_hole(1));
}

Test(digest, a_slab_that_its_thread_still_fills_is_not_given_back)
{
	write_recording();
	digest_until(UINT64_MAX / 2);
	for (int i = 0; i < THREADS; i++)
		cr_expect_not(is_hole(lanes[i].number));
	cr_expect_eq(given_back(), recording.header.slabs_taken - 2 - THREADS);
}

/*
 * Killed between steps.  The bytes before and after each step are put back
 * in every combination that a kill can leave.
 */
struct files {
	char *slabs;
	size_t slabs_size;
};

static struct files keep_slabs(void)
{
	struct files f;

	f.slabs = scratch_read(slabs, &f.slabs_size);
	return f;
}

static void put_slabs(const struct files *f)
{
	scratch_write(slabs, f->slabs, f->slabs_size);
	close(recording.fd);
	recording.fd = open(slabs, O_RDWR | O_CLOEXEC);
}

Test(digest, killed_while_the_digest_is_written)
{
	struct trace *truth;
	size_t size;
	char *bytes;

	write_recording();
	truth = open_trace();
	struct files before = keep_slabs();
	digest_until(MIDDLE);
	put_slabs(&before);
	bytes = scratch_read(digest_file, &size);
	unlink(digest_file);
	scratch_write(scratch_path("5.slabs.digest.tmp"), bytes, size / 2);
	check_same(truth);
	digest_until(MIDDLE + SECOND); /* and the next one is not disturbed */
	check_same(truth);
	free(bytes);
	free(before.slabs);
	trace_close(truth);
}

Test(digest, killed_before_anything_is_given_back)
{
	struct trace *truth;

	write_recording();
	truth = open_trace();
	struct files before = keep_slabs();
	digest_until(MIDDLE);
	put_slabs(&before);
	check_same(truth);
	digest_until(MIDDLE + SECOND);
	check_same(truth);
	cr_expect_gt(given_back(), 0);
	cr_expect_eq(holes(), given_back());
	free(before.slabs);
	trace_close(truth);
}

Test(digest, killed_after_any_number_of_slabs_was_given_back)
{
	struct trace *truth;
	struct files before;
	uint64_t given;

	write_recording();
	truth = open_trace();
	before = keep_slabs();
	digest_until(MIDDLE);
	given = given_back();
	for (uint64_t kept = 0; kept <= given; kept++) {
		uint64_t seen = 0;

		put_slabs(&before);
		unlink(digest_file);
		digest_until(MIDDLE);
		for (uint64_t n = 0; seen < kept; n++) {
			if (!is_hole(n))
				continue;
			seen++; /* put the first ones back */
			recording_put(&recording, before.slabs + slab_offset(n),
				      SLAB_SIZE, slab_offset(n));
		}
		check_same(truth);
		digest_until(MIDDLE + kept * STEP);
		check_same(truth);
	}
	free(before.slabs);
	trace_close(truth);
}

Test(digest, killed_between_a_hole_and_its_count)
{
	struct slab_file h;
	struct trace *truth;

	write_recording();
	truth = open_trace();
	digest_until(MIDDLE);
	cr_assert_eq(pread(recording.fd, &h, sizeof(h), 0), sizeof(h));
	h.slabs_given_back--;
	recording_put(&recording, &h, sizeof(h), 0);
	check_same(truth);
	digest_until(MIDDLE + SECOND);
	check_same(truth);
	cr_expect_leq(given_back(), holes()); /* never over the cap */
	trace_close(truth);
}

Test(digest, a_second_digester_stands_by)
{
	int other;

	write_recording();
	other = open(slabs, O_RDWR | O_CLOEXEC);
	cr_assert_eq(flock(other, LOCK_EX), 0);
	digest_until(MIDDLE);
	cr_expect_eq(given_back(), 0);
	close(other);
	digest_until(MIDDLE);
	cr_expect_gt(given_back(), 0);
}

/* What is gzipped there. */
static char *read_digest(size_t *size)
{
	gzFile file = gzopen(digest_file, "rb");
	struct buf bytes = BUF_INIT;
	char piece[4096];
	int got;

	cr_assert_not_null(file);
	while ((got = gzread(file, piece, sizeof(piece))) > 0)
		buf_write(&bytes, piece, (size_t)got);
	cr_assert_eq(got, 0);
	gzclose(file);
	*size = bytes.len;
	return bytes.bytes;
}

Test(digest, mostly_empty_stacks_take_little_room)
{
	struct stat sb;
	size_t size;

	write_recording();
	digest_until(MIDDLE);
	free(read_digest(&size));
	cr_assert_eq(stat(digest_file, &sb), 0);
	cr_expect_lt(sb.st_size, size / 4, "%zu of %zu", (size_t)sb.st_size,
		     size);
}

/* Where all bytes of a field are zero, damaged gzip may yet unpack to them. */
Test(digest, a_changed_digest_is_a_problem_and_the_rest_is_read)
{
	struct err err = ERR_INIT;
	struct trace *t;
	size_t size;
	char *bytes;

	write_recording();
	digest_until(MIDDLE);
	bytes = read_digest(&size);
	for (size_t i = 0; i < size; i += size / 50) {
		bytes[i] ^= 0x10;
		scratch_write(digest_file, bytes, size);
		bytes[i] ^= 0x10;
		cr_assert_eq(trace_open(&t, scratch, &err), 0);
		cr_assert_eq(trace_view(t)->problem_count, 1);
		cr_assert(trace_view(t)->images[0].torn);
		cr_assert(trace_view(t)->images[0].headless);
		trace_close(t);
	}
	free(bytes);
}

Test(digest, a_cut_digest_is_a_problem)
{
	struct err err = ERR_INIT;
	struct trace *t;
	size_t size;
	char *bytes;

	write_recording();
	digest_until(MIDDLE);
	bytes = scratch_read(digest_file, &size);
	/* Without gzip's own last bytes all of it is there. */
	for (size_t cut = 0; cut + 64 < size; cut += size / 50) {
		scratch_write(digest_file, bytes, cut);
		cr_assert_eq(trace_open(&t, scratch, &err), 0);
		cr_assert_eq(trace_view(t)->problem_count, 1);
		trace_close(t);
	}
	free(bytes);
}

Test(digest, a_digester_leaves_alone_what_a_damaged_digest_belongs_to)
{
	struct err err = ERR_INIT;
	struct digest *d;

	write_recording();
	scratch_write(digest_file, "garbage", 7);
	cr_assert_eq(digest_open(&d, scratch, &err), 0);
	cr_expect_eq(digest_flush(d, MIDDLE, &err), -EBADMSG);
	cr_expect_not_null(strstr(err.text, "5.slabs.digest: damaged"));
	cr_expect_eq(digest_flush(d, MIDDLE, &err), 0); /* said once */
	cr_expect_eq(given_back(), 0);
	digest_close(d);
}

Test(digest, a_digest_of_another_recording_is_not_believed)
{
	struct err err = ERR_INIT;
	struct trace *t;

	write_recording();
	digest_until(MIDDLE);
	recording.header.start_ticks++;
	recording_flush(&recording);
	cr_assert_eq(trace_open(&t, scratch, &err), 0);
	cr_expect_eq(trace_view(t)->problem_count, 1);
	trace_close(t);
}

/* Polling goes by the clock of the machine. */
static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static struct slab_file read_header(void)
{
	struct slab_file h;

	cr_assert_eq(pread(recording.fd, &h, sizeof(h), 0), sizeof(h));
	return h;
}

static void write_for_poll(uint64_t cap)
{
	begin();
	/* Its clock began so that all of it is over by now. */
	recording.header.clock = SLAB_CLOCK_TSC;
	recording.header.start_monotonic_ns = 1;
	recording.header.later_monotonic_ns = 2;
	recording.header.start_ticks = T0;
	recording.header.later_ticks = T0 + 10;
	recording.header.control.slabs_max = cap;
	write_events(0, EVENTS);
	flush();
}

Test(digest, polling_tells_the_shim_that_somebody_keeps_the_space)
{
	struct err err = ERR_INIT;
	uint64_t before = now_ns();
	struct digest *d;

	write_for_poll(4096);
	cr_assert_eq(digest_open(&d, scratch, &err), 0);
	cr_expect_eq(digest_poll(d, &err), 0);
	cr_expect_geq(read_header().control.keeper_ns, before);
	cr_expect_leq(read_header().control.keeper_ns, now_ns());
	cr_expect_eq(given_back(), 0); /* far below its cap */
	digest_close(d);
}

Test(digest, polling_digests_what_holds_a_quarter_of_its_cap)
{
	struct err err = ERR_INIT;
	struct digest *d;

	write_for_poll(8);
	cr_assert_eq(digest_open(&d, scratch, &err), 0);
	cr_expect_eq(digest_poll(d, &err), 0);
	cr_expect_gt(given_back(), 0);
	digest_close(d);
}

Test(digest, a_file_that_comes_later_is_polled_too)
{
	struct err err = ERR_INIT;
	struct digest *d;

	cr_assert_eq(digest_open(&d, scratch, &err), 0);
	cr_expect_eq(digest_poll(d, &err), 0);
	write_for_poll(4096);
	cr_expect_eq(digest_poll(d, &err), 0);
	cr_expect_gt(read_header().control.keeper_ns, 0);
	digest_close(d);
}

/* All but the nodes and the modules. */
static uint64_t event_slabs(void)
{
	return read_header().slabs_taken - 2;
}

static void write_ended(uint64_t cap)
{
	write_for_poll(cap);
	recording.header.ended_monotonic_ns = 5;
	recording_flush(&recording);
}

Test(digest, all_that_an_ended_process_left_is_given_back)
{
	struct err err = ERR_INIT;
	struct trace *truth;
	struct digest *d;

	write_ended(8);
	truth = open_trace();
	cr_assert_eq(digest_open(&d, scratch, &err), 0);
	cr_expect_eq(digest_poll(d, &err), 0);
	cr_expect_eq(given_back(), event_slabs());
	digest_close(d);
	check_same(truth);
	trace_close(truth);
}

Test(digest, an_ended_process_that_may_still_write_keeps_what_is_not_sealed)
{
	struct flock first_byte = { .l_type = F_RDLCK, .l_len = 1 };
	struct err err = ERR_INIT;
	struct digest *d;

	write_ended(8);
	cr_assert_eq(fcntl(recording.fd, F_OFD_SETLK, &first_byte), 0);
	cr_assert_eq(digest_open(&d, scratch, &err), 0);
	cr_expect_eq(digest_poll(d, &err), 0);
	cr_expect_lt(given_back(), event_slabs());
	digest_close(d);
}

Test(digest, the_quota_of_all_files_makes_one_of_them_due)
{
	struct err err = ERR_INIT;
	struct digest *d;

	write_for_poll(4096); /* its own cap is far */
	cr_assert_eq(quota_create(scratch, 16 * SLAB_SIZE, &err), 0);
	cr_assert_eq(digest_open(&d, scratch, &err), 0);
	cr_expect_eq(digest_poll(d, &err), 0);
	cr_expect_gt(given_back(), 0);
	digest_close(d);
}

Test(digest, polling_sets_the_quota_right)
{
	struct err err = ERR_INIT;
	struct wire_quota *q;
	struct digest *d;
	uint64_t digests;

	write_for_poll(4096);
	cr_assert_eq(quota_create(scratch, 1 << 30, &err), 0);
	q = quota_open(scratch);
	cr_assert(quota_take(q, 1 << 20, true));
	cr_assert_eq(digest_open(&d, scratch, &err), 0);
	cr_expect_eq(digest_poll(d, &err), 0);
	cr_expect_eq(q->held_bytes, quota_disk_bytes(scratch, &digests));
	digest_close(d);
	quota_close(q);
}

Test(digest, a_directory_that_went_away_is_said)
{
	struct err err = ERR_INIT;
	struct digest *d;

	cr_assert_eq(digest_open(&d, "/nonexistent", &err), 0);
	cr_expect_eq(digest_poll(d, &err), -ENOENT);
	digest_close(d);
}
