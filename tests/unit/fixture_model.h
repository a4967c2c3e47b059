/*
 * fixture_model: synthetic models for the tests of the reports.
 *
 * A model here is static memory: nothing to free, and no reader, no symbols
 * and no model builder stand between a test and the writer it tests.  Each
 * test of Criterion runs in its own process, so one model of each is enough.
 */
#ifndef STRANDLINE_TESTS_FIXTURE_MODEL_H
#define STRANDLINE_TESTS_FIXTURE_MODEL_H

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "profiler/model/model.h"

#define MIB		   (1024.0 * 1024.0)
#define FIXTURE_FRAMES	   64
#define FIXTURE_NODES	   512
#define FIXTURE_SITES	   64
#define FIXTURE_MAX_DEPTH  32
#define FIXTURE_LEDGER	   61
#define FIXTURE_END_FRAMES (-1)

struct fixture {
	struct model model;
	struct model_frame frames[FIXTURE_FRAMES];
	struct model_node nodes[FIXTURE_NODES];
	struct model_site sites[FIXTURE_SITES];
	struct model_ledger_point ledger[FIXTURE_LEDGER];
};

static inline uint32_t fixture_node(struct fixture *f, uint32_t parent,
				    uint32_t frame)
{
	struct model *m = &f->model;

	for (uint32_t i = 0; i < m->node_count; i++)
		if (f->nodes[i].parent == parent && f->nodes[i].frame == frame)
			return i;
	cr_assert_lt(m->node_count, FIXTURE_NODES);
	f->nodes[m->node_count] =
		(struct model_node) { .parent = parent, .frame = frame };
	return m->node_count++;
}

/* The site of the stack @frames, root first, ended by FIXTURE_END_FRAMES. */
static inline struct model_site *fixture_site(struct fixture *f,
					      const int8_t *frames)
{
	uint32_t node = MODEL_NONE;
	struct model_site *site;

	for (; *frames != FIXTURE_END_FRAMES; frames++)
		node = fixture_node(f, node, (uint32_t)*frames);
	cr_assert_lt(f->model.site_count, FIXTURE_SITES);
	site = &f->sites[f->model.site_count++];
	site->node = node;
	return site;
}

static inline struct estimate fixture_estimate(double mib, double count)
{
	struct estimate e = { .bytes = mib * MIB, .count = count };

	/* As if each sample stood for half a MiB. */
	e.bytes_variance = e.bytes * 0.5 * MIB;
	e.count_variance = count * 40;
	return e;
}

static inline void fixture_begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->model = (struct model) {
		.path = "/srv/recordings/rag.strand",
		.name = "rag",
		.command = "python3 -m uvicorn app.main:app --port 8000",
		.host = "db1",
		.kernel = "Linux 6.1.0-18-amd64",
		.version = "0.1.0",
		.mode = "sample",
		.mean_bytes = 512 * 1024,
		.start_unix_ns = 1700000000123456789u,
		.duration = 60.25,
		.frames = f->frames,
		.nodes = f->nodes,
		.sites = f->sites,
		.ledger = f->ledger,
		.main_process = MODEL_NONE,
		.cost = { .target_cpu_pct = -1 },
	};
}

/* clang-format off */
static const struct model_frame fixture_rag_frames[] = {
#define PYTHON_EXE "/usr/bin/python3.11"
#define PACKAGES   "/usr/lib/python3/dist-packages"
	{ "_start", NULL, PYTHON_EXE, 0, FRAME_NATIVE, MODULE_RUNTIME, false },
	{ "__libc_start_main", "../csu/libc-start.c",
	  "/usr/lib/x86_64-linux-gnu/libc.so.6", 360, FRAME_NATIVE,
	  MODULE_LIBC, false },
	{ "Py_BytesMain", NULL, PYTHON_EXE, 0, FRAME_NATIVE, MODULE_RUNTIME,
	  false },
	{ "run", PACKAGES "/uvicorn/server.py", PACKAGES "/uvicorn/server.py",
	  65, FRAME_PYTHON, MODULE_PYTHON, false },
	{ "_PyEval_EvalFrameDefault", "Python/ceval.c", PYTHON_EXE, 5376,
	  FRAME_NATIVE, MODULE_RUNTIME, false },
	{ "search", "/srv/rag/app/main.py", "/srv/rag/app/main.py", 88,
	  FRAME_PYTHON, MODULE_PYTHON, false },
	{ "SearchService.embed_batch", "/srv/rag/app/embed.py",
	  "/srv/rag/app/embed.py", 41, FRAME_PYTHON, MODULE_PYTHON, false },
	{ "PyArray_NewFromDescr_int", NULL, PACKAGES
	  "/numpy/core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so", 0,
	  FRAME_NATIVE, MODULE_EXTENSION, false },
	{ "rag::Index::add(float const*, long)", "/srv/rag/native/index.cpp",
	  "/srv/rag/native/libragindex.so", 120, FRAME_NATIVE,
	  MODULE_APPLICATION, false },
	{ "std::vector<float, std::allocator<float> >::push_back(float const&)",
	  "/usr/include/c++/12/bits/stl_vector.h",
	  "/srv/rag/native/libragindex.so", 1287, FRAME_NATIVE,
	  MODULE_APPLICATION, true },
	{ "sqlite3MemMalloc", NULL,
	  "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6", 0, FRAME_NATIVE,
	  MODULE_LIBRARY, false },
	{ "pcache1Alloc", NULL,
	  "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6", 0, FRAME_NATIVE,
	  MODULE_LIBRARY, false },
	{ "remember", "/srv/rag/app/sessions.py", "/srv/rag/app/sessions.py",
	  17, FRAME_PYTHON, MODULE_PYTHON, false },
	{ "start_thread", "./nptl/pthread_create.c",
	  "/usr/lib/x86_64-linux-gnu/libc.so.6", 442, FRAME_NATIVE,
	  MODULE_LIBC, false },
	{ "blas_memory_alloc", NULL,
	  "/usr/lib/x86_64-linux-gnu/libopenblas.so.0", 0, FRAME_NATIVE,
	  MODULE_LIBRARY, false },
	{ "[truncated]", NULL, "", 0, FRAME_MARKER, MODULE_UNKNOWN, false },
	{ "libmystery.so+0x1f30", NULL, "/opt/vendor/libmystery.so", 0,
	  FRAME_NATIVE, MODULE_UNKNOWN, false },
	{ "sqlite3MemMalloc", "sqlite3.c",
	  "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6", 25432,
	  FRAME_NATIVE, MODULE_LIBRARY, false },
	{ "do_mmap", NULL, "[kernel]", 0, FRAME_KERNEL, MODULE_KERNEL, false },
};

struct fixture_weight {
	int8_t frames[FIXTURE_MAX_DEPTH];
	double live, allocated, peak, temporary, count;
};

#define END FIXTURE_END_FRAMES
static const struct fixture_weight fixture_rag_weights[] = {
	{ { 0, 1, 2, 4, 3, 5, 8, 9, END }, 120, 130, 125, 0, 960 },
	{ { 0, 1, 2, 4, 3, 5, 8, END }, 22.5, 24, 22.5, 0, 18 },
	{ { 0, 1, 2, 4, 3, 5, 6, 4, 7, END }, 38, 4200, 61, 3900, 31000 },
	{ { 0, 1, 2, 4, 3, 5, 12, END }, 14.25, 15, 14.25, 0.5, 180000 },
	{ { 0, 1, 2, 4, 3, 5, 11, 10, END }, 9, 9.5, 9.5, 0, 2200 },
	{ { 0, 1, 2, 4, 3, 5, 11, 17, END }, 1, 1, 1, 0, 240 },
	{ { 0, 1, 2, 4, 3, 12, END }, 0.75, 2, 1.75, 0, 800 },
	{ { 13, 14, END }, 4, 4, 4, 0, 1 },
	{ { 13, 14, 18, END }, 0, 64, 0, 64, 2 },
	{ { 15, 16, 5, END }, 0.3, 3, 0.4, 2, 60 },
	{ { 13, 16, END }, 0.002, 0.01, 0.003, 0, 1 },
};
#undef END
/* clang-format on */

#define FIXTURE_RAG_SITES \
	(sizeof(fixture_rag_weights) / sizeof(fixture_rag_weights[0]))

static inline void fixture_rag_site(struct fixture *f, size_t i)
{
	const struct fixture_weight *w = &fixture_rag_weights[i];
	struct model_site *s = fixture_site(f, w->frames);

	s->live = fixture_estimate(w->live, w->live > 0 ? w->count : 0);
	s->allocated = fixture_estimate(w->allocated, w->count * 3);
	s->peak = fixture_estimate(w->peak, w->peak > 0 ? w->count : 0);
	s->temporary = fixture_estimate(w->temporary, w->count);
	s->samples = 1 + (uint64_t)(w->allocated * 2);
}

static inline void fixture_rag_ledger(struct fixture *f)
{
	f->model.ledger_count = FIXTURE_LEDGER;
	for (int i = 0; i < FIXTURE_LEDGER; i++) {
		struct model_ledger_point *p = &f->ledger[i];
		uint64_t step = (uint64_t)(i < 45 ? i : 45);

		memset(p, 0xff, sizeof(*p));
		p->t = i;
		p->pid = 4242;
		p->rss = (120 + 6 * step) << 20;
		p->vms = 1400ull << 20;
		p->live = (60 + (333 * step) / 100) << 20;
		p->threads = i < 3 ? 6 : 14;
		p->fds = 20 + step / 20;
		p->minor_faults = 40000 + 1500 * step;
		p->major_faults = 3;
		p->cpu_user_ns = (uint64_t)i * 600000000u;
		p->cpu_system_ns = (uint64_t)i * 50000000u;
		p->context_switches = (uint64_t)i * 4000u;
		p->self = 9ull << 20;
		p->profiler_rss = 14ull << 20;
		p->profiler_cpu_ns = (uint64_t)i * 4000000u;
		if (i % 10 != 0)
			continue;
		p->retained = 41ull << 20;
		p->heap = p->rss - (84ull << 20);
		p->anonymous = 40ull << 20;
		p->file = 42ull << 20;
		p->stacks = 1ull << 20;
		p->slabs = 1ull << 20;
		p->swap = 0;
		p->pss = p->rss - (10ull << 20);
	}
}

/*
 * A Python RAG server in `sample` mode: native index, numpy, SQLite, a thread
 * of OpenBLAS, a truncated stack.  @backwards inserts the stacks in the
 * opposite order, so that every node has another number.
 */
static inline const struct model *fixture_rag(struct fixture *f, bool backwards)
{
	static struct model_process processes[] = {
		{ .pid = 4240,
		  .ppid = 1,
		  .exe = "/usr/bin/dash",
		  .command = "sh start.sh",
		  .ended = 0.04,
		  .wait_status = 0,
		  .allocations = 31,
		  .releases = 12,
		  .allocator = "glibc" },
		{ .pid = 4242,
		  .ppid = 4240,
		  .exe = "/usr/bin/python3.11",
		  .command = "python3 -m uvicorn app.main:app --port 8000",
		  .began = 0.05,
		  .ended = -1,
		  .wait_status = -1,
		  .is_main = true,
		  .allocations = 645322,
		  .releases = 430001,
		  .allocator = "glibc" },
	};
	static struct model_thread threads[] = {
		{ .pid = 4242,
		  .tid = 4242,
		  .name = "python3",
		  .began = 0.05,
		  .ended = -1,
		  .allocated_bytes = 4300 * MIB,
		  .allocations = 600000 },
		{ .pid = 4242,
		  .tid = 4251,
		  .name = "openblas \"0\"",
		  .began = 2.5,
		  .ended = 59.5,
		  .allocated_bytes = 68 * MIB,
		  .allocations = 3 },
	};
	static struct model_mark marks[] = { { 10.5, "load begins" } };
	static struct model_loss losses[] = {
		{ "no_slab", 12 },	   { "table_full", 0 },
		{ "nodes_full", 0 },	   { "stack_truncated", 340 },
		{ "recording_at_cap", 0 }, { "torn_slabs", 0 },
	};
	static const char *problems[] = {
		"/opt/vendor/libmystery.so: file was replaced since it was "
		"mapped; its frames have no names",
	};
	static struct model_window windows[] = {
		{ 0, 60 * MIB, 200 * MIB, 140 * MIB, 0, 30000, 12000, 40, 0 },
		{ 30, 160 * MIB, 2200 * MIB, 2040 * MIB, 0, 330000, 212000, 400,
		  2 },
		{ 60, 209.802 * MIB, 4452.51 * MIB, 4242.7 * MIB, 0, 645353,
		  430013, 500, 0 },
	};
	static const double searched[] = { 30, 390, 480 };
	static const double chatted[] = { 10, 10, 20 };
	static const struct model_bucket search_took[] = {
		{ 3.444, 4.096, 540 },
		{ 9.742, 11.585, 315 },
		{ 220.433, 262.144, 45 },
	};
	static struct model_endpoint endpoints[] = {
		{ .method = "POST",
		  .route = "/api/v1/retrieval/search",
		  .count = 900,
		  .alone = 900,
		  .status = { 0, 0, 897, 0, 3, 0 },
		  .p50_ms = 4.25,
		  .p95_ms = 12.5,
		  .p99_ms = 31,
		  .max_ms = 240.125,
		  .ttfb_p50_ms = 4.25,
		  .ttfb_p95_ms = 12.5,
		  .gap_p95_ms = NAN,
		  .queue_p95_ms = 0.75,
		  .alloc_bytes_per_request = 4.5 * MIB,
		  .alloc_objects_per_request = 717,
		  .peak_bytes_per_request = NAN,
		  .peak_bytes_most = NAN,
		  .retained_bytes_per_request = 151552,
		  .retained_margin = 20480,
		  .windows = searched,
		  .took = { .count = 900,
			    .sum_s = 15.75,
			    .within = { 0,   0,	  0,   540, 540, 855, 855, 855,
					855, 900, 900, 900, 900, 900, 900, 900,
					900, 900, 900, 900, 900, 900 },
			    .buckets = search_took,
			    .bucket_count = 3 } },
		{ .method = "POST",
		  .route = "/api/v1/chat",
		  .count = 40,
		  .errors = 2,
		  .cut = 2,
		  .streamed = 38,
		  .status = { 1, 0, 39, 0, 0, 0 },
		  .p50_ms = 104,
		  .p95_ms = 123.5,
		  .p99_ms = 127.75,
		  .max_ms = 130,
		  .ttfb_p50_ms = 7,
		  .ttfb_p95_ms = 14.5,
		  .gap_p95_ms = 12.25,
		  .queue_p95_ms = 5,
		  .alloc_bytes_per_request = NAN,
		  .alloc_objects_per_request = NAN,
		  .peak_bytes_per_request = NAN,
		  .peak_bytes_most = NAN,
		  .retained_bytes_per_request = NAN,
		  .retained_margin = NAN,
		  .windows = chatted },
	};
	struct model *m = &f->model;

	fixture_begin(f);
	memcpy(f->frames, fixture_rag_frames, sizeof(fixture_rag_frames));
	m->frame_count =
		sizeof(fixture_rag_frames) / sizeof(fixture_rag_frames[0]);
	for (size_t i = 0; i < FIXTURE_RAG_SITES; i++)
		fixture_rag_site(f, backwards ? FIXTURE_RAG_SITES - 1 - i : i);
	fixture_rag_ledger(f);
	m->totals = (struct model_totals) {
		.live = fixture_estimate(209.802, 215000),
		.allocated = fixture_estimate(4452.51, 645353),
		.peak = fixture_estimate(239.403, 247000),
		.temporary = fixture_estimate(3966.5, 31000),
		.peak_t = 48.5,
		.records = 8900,
		.allocations = 645353,
		.releases = 430013,
		.inherited_releases = 7,
	};
	m->rss_trend = (struct model_trend) { 120 * MIB, 390 * MIB, 390 * MIB,
					      5.5 * MIB, 1.0 * MIB, 45 };
	m->live_trend = (struct model_trend) { 60 * MIB,  209 * MIB, 209 * MIB,
					       3.3 * MIB, 1.0 * MIB, 45 };
	m->thread_trend = (struct model_trend) { 6, 14, 14, 0, 0, 3 };
	m->fd_trend = (struct model_trend) { 20, 22, 22, 0.04, 0, 40 };
	m->windows = windows;
	m->window_count = 3;
	m->endpoints = endpoints;
	m->endpoint_count = 2;
	m->requests = 940;
	m->requests_by_shim = true;
	m->connections = 9;
	m->foreign = 1;
	m->processes = processes;
	m->process_count = 2;
	m->main_process = 1;
	m->threads = threads;
	m->thread_count = 2;
	m->marks = marks;
	m->mark_count = 1;
	m->losses = losses;
	m->loss_count = 6;
	m->problems = problems;
	m->problem_count = 1;
	m->cost = (struct model_cost) { .self_bytes_peak = 9.5 * MIB,
					.recording_bytes = 3.25 * MIB,
					.startup_ms = 11.5,
					.target_cpu_pct = 0.21,
					.profiler_cpu_pct = 0.4,
					.profiler_rss_bytes = 14 * MIB };
	return m;
}

/* Names that try to break out of every format. */
static inline const struct model *fixture_hostile(struct fixture *f)
{
	static const int8_t stack[] = { 0, 1, 2, 3, 4, FIXTURE_END_FRAMES };
	static const int8_t other[] = { 0, 5, FIXTURE_END_FRAMES };
	struct model *m = &f->model;

	fixture_begin(f);
	f->frames[0] = (struct model_frame) { .function = "<script>alert(1)"
							  "</script>",
					      .module = "a&b.so" };
	f->frames[1] = (struct model_frame) { .function = "a;b\nc ]]> -->",
					      .module = "\"quoted\".so" };
	f->frames[2] = (struct model_frame) { .function = "\033[31mred\007",
					      .module = "" };
	f->frames[3] = (struct model_frame) { .function = "bad \xff\xc0\x80"
							  "\xed\xa0\x80 utf",
					      .file = "\xe2\x80\xae"
						      "evil.c",
					      .line = 7,
					      .module = "m" };
	f->frames[4] = (struct model_frame) { .function = "",
					      .file = "x, \"y\".py",
					      .line = UINT32_MAX,
					      .kind = FRAME_PYTHON,
					      .module_kind = MODULE_PYTHON,
					      .module = "m" };
	f->frames[5] = (struct model_frame) {
		.function = "\xe6\xa4\x9c\xe7\xb4\xa2::\xd0\xbf\xd0\xbe"
			    "\xd0\xb8\xd1\x81\xd0\xba",
		.module = "/srv/\xc3\xa9t\xc3\xa9.so"
	};
	m->frame_count = 6;
	m->name = "<rag> & \"co\"";
	m->command = "sh -c 'printf \"\033[2J\"'";
	fixture_site(f, stack)->live =
		(struct estimate) { .bytes = 3000, .count = 3 };
	fixture_site(f, other)->live =
		(struct estimate) { .bytes = 1000, .count = 1 };
	m->mode = "exact";
	m->mean_bytes = 0;
	m->totals.live.bytes = 4000;
	return m;
}

/* A recording in which nothing happened. */
static inline const struct model *fixture_empty(struct fixture *f)
{
	fixture_begin(f);
	f->model.torn = true;
	f->model.duration = 0;
	return &f->model;
}

#endif
