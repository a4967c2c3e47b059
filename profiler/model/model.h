/*
 * model: an analysed recording, immutable once built.  The waist of the tool:
 * below it I/O, above it pure functions.
 *
 * Equal recordings give equal models: everything is sorted by content, never
 * by address or arrival.  Strings belong to the model.
 */
#ifndef STRANDLINE_MODEL_MODEL_H
#define STRANDLINE_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NONE UINT32_MAX

enum frame_kind {
	FRAME_NATIVE,
	FRAME_PYTHON,
	FRAME_KERNEL,
	FRAME_MARKER, /* "[truncated]", "[broken]", "[greenlet]" ... */
};

/* What a module is, for colours and for seeing through wrappers. */
enum module_kind {
	MODULE_APPLICATION, /* the executable and what lies beside it */
	MODULE_LIBRARY,
	MODULE_LIBC,	  /* libc, ld.so, libpthread, vdso */
	MODULE_RUNTIME,	  /* the interpreter, libstdc++ */
	MODULE_EXTENSION, /* a Python extension module */
	MODULE_PYTHON,	  /* Python source */
	MODULE_KERNEL,
	MODULE_UNKNOWN,
};

struct model_frame {	      /* interned: equal frames are one */
	const char *function; /* never NULL; "module+0x1234" if unknown */
	const char *file;     /* NULL: unknown */
	const char *module;   /* path; never NULL, may be "" */
	uint32_t line;	      /* 0: unknown */
	enum frame_kind kind;
	enum module_kind module_kind;
	bool inlined;
};

/*
 * A node of the calling-context tree: a frame and its caller's node.  Nodes
 * are in depth-first order, children sorted by frame text, so a parent always
 * comes before its children.
 */
struct model_node {
	uint32_t parent; /* MODEL_NONE at a root */
	uint32_t frame;
};

/*
 * Estimated bytes and blocks with the variance of the estimate (0 in exact
 * mode): value +- 1.96 sqrt(variance) is the 95 % interval.
 */
struct estimate {
	double bytes;
	double bytes_variance;
	double count;
	double count_variance;
};

/*
 * What one site held over one window of the recording (windows[].t is where
 * they begin).  Only windows in which it allocated or released have one; use
 * model_levels() to get one for each.
 */
struct model_level {
	uint32_t window;
	double end;	    /* live bytes when the window ended */
	double low;	    /* the least that was live within the window */
	double old;	    /* of `end`: bytes of blocks older than a window */
	double count;	    /* live blocks when the window ended */
	double allocated;   /* bytes, within the window */
	double mapped;	    /* bytes mmap'ed when the window ended */
	double descriptors; /* open when the window ended */
};

/* Of a site's bytes, those for the requests of one endpoint; estimates. */
struct model_charge {
	const char *route; /* "POST /api/v1/chat" */
	double live, allocated, peak, temporary;
};

/* Of a site's bytes, those that one thread made for one route; estimates. */
struct model_maker {
	const char *route; /* NULL: for no request, or none that is known */
	uint32_t thread;   /* in threads[] */
	double live, live_count;
	double allocated, allocated_count; /* or mapped */
};

struct model_site {    /* one distinct allocating stack */
	uint32_t node; /* leaf-most frame of the stack */
	struct estimate live;
	struct estimate allocated;
	struct estimate peak;		 /* live at the whole target's peak */
	struct estimate temporary;	 /* freed by the thread that made it */
					 /* before its next allocation */
	struct estimate inherited_freed; /* freed, born before recording */
	double mapped;			 /* mmap'ed and not unmapped, bytes */
	double descriptors;		 /* opened and not closed */
	double leaked;	  /* bytes, see analysis/leaks.h; 0 until marked */
	uint64_t samples; /* records behind the estimates */
	/* Of its live bytes (of all, where none live) the largest part that is
	 * for the requests of one route, "POST /api/v1/chat"; NULL: for none.
	 */
	const char *route;
	double route_share;		    /* 0..1 */
	const struct model_charge *charges; /* by route */
	uint32_t charge_count;
	/* Of live blocks, what the last scan could not reach from a root, and
	 * what none of the last two could; < 0 when no scan was made. */
	struct {
		double bytes, count;
		double twice_bytes;
	} unreachable;
	/* What its blocks are in Python by the last scan, "dict entries"; the
	 * name and the type of what holds most of them, "app.answer_cache" and
	 * "dict".  NULL: not known. */
	const char *object_type, *holder, *holder_type;
	const struct model_level *levels; /* by window */
	uint32_t level_count;
	/* As probes in the kernel saw it. */
	bool paged;	    /* one looked at pages, of any site */
	double resident;    /* bytes taken page by page, less given back */
	double cpu, offcpu; /* ns on a CPU, and waiting */
	const struct model_maker *makers; /* by route and thread; some may be
					   * unknown */
	uint32_t maker_count;
};

struct model_ledger_point { /* UINT64_MAX where not read */
	double t;	    /* seconds since the recording began */
	int32_t pid;
	uint64_t rss, vms, heap, anonymous, file, stacks, slabs, swap, pss;
	uint64_t live;	   /* live heap: estimate or exact */
	uint64_t retained; /* held by the allocator, not in live blocks */
	uint64_t self;	   /* Strandline inside the target */
	uint64_t threads, fds, minor_faults, major_faults;
	uint64_t context_switches;
	uint64_t cpu_user_ns, cpu_system_ns;
	uint64_t allocator_allocated, allocator_active, allocator_resident,
		allocator_retained, allocator_metadata;
	uint64_t python_arenas, python_used; /* CPython's, for its objects */
	uint64_t max_fds;		     /* that it may open */
	uint64_t cgroup_usage, cgroup_limit;
	uint64_t profiler_rss, profiler_cpu_ns;
};

/* Baseline, peak, final and rate of one ledger column of the main process. */
struct model_trend {
	double baseline, peak, final;
	double growth_per_second; /* Theil-Sen, units per second */
	double volatility;	  /* MAD of first differences */
	double peak_t;
};

struct model_window {	   /* totals; all windows are equally wide */
	double t;	   /* where it begins */
	double live_bytes; /* when it ended */
	double allocated_bytes, released_bytes;
	double mapped_bytes; /* mmap'ed when it ended */
	double allocations, releases;
	double requests; /* completed within the window, all endpoints */
	double errors;	 /* of them, answered 5xx or cut off */
};

/*
 * Bounds of the latency histograms: those of OpenTelemetry's conventions, with
 * finer ones for answers from memory and coarser ones for slow generation.
 */
#define MODEL_LATENCY_BOUNDS 22
extern const double model_latency_bounds_s[MODEL_LATENCY_BOUNDS];

struct model_bucket {
	double low_ms, high_ms;
	uint64_t count;
};

/* How long it took those requests of an endpoint that it is known of. */
struct model_latency {
	uint64_t count;
	double sum_s;
	uint64_t within[MODEL_LATENCY_BOUNDS]; /* at or below each bound */
	/* The same for looking at: four to a doubling, without the empty. */
	const struct model_bucket *buckets;
	uint32_t bucket_count;
};

/* Requests that ended within one window of the course, and how long they took;
 * the percentiles are known within 3 %, NAN where there were none. */
struct model_moment {
	uint64_t count;
	double p50_ms, p95_ms, p99_ms;
};

/* Requests of one method and route; milliseconds, NAN where not known. */
struct model_endpoint {
	const char *method, *route; /* "POST", "/api/v1/chat" */
	uint64_t count;
	uint64_t errors;   /* 5xx, and cut off before the answer's end */
	uint64_t cut;	   /* of them, cut off */
	uint64_t streamed; /* answered in chunks */
	/* Whose thread did nothing else from head to end: what they allocated
	 * is theirs for sure, that of the others is an estimate. */
	uint64_t alone;
	bool by_handler;    /* or by the handler on the stack */
	uint64_t status[6]; /* by class: [2] is 2xx, [0] none */
	double p50_ms, p95_ms, p99_ms, max_ms; /* first byte in, last out */
	double ttfb_p50_ms, ttfb_p95_ms;       /* to the answer's first byte */
	double gap_p95_ms;   /* between chunks of a streamed body */
	double queue_p95_ms; /* before the handler began */
	/* NAN: no allocation could be charged to such requests. */
	double alloc_bytes_per_request, alloc_objects_per_request;
	/* The most that one held of it at a time: mean and greatest; NAN where
	 * that is not recorded exactly. */
	double peak_bytes_per_request, peak_bytes_most;
	/* Of that, what outlives the request (kept.h); +- the margin of its
	 * 95 % interval. */
	double retained_bytes_per_request, retained_margin;
	const double *windows; /* completed in each of window_count windows */
	/* Of those the mean and the longest; NAN where none was timed; NULL:
	 * not known by window. */
	const double *window_mean_ms, *window_max_ms;
	const struct model_moment *course; /* course_count; NULL: not known */
	const char *percentiles; /* of took, as HdrHistogram's text; or NULL */
	struct model_latency took, ttfb; /* as p50_ms and ttfb_p50_ms */
	struct model_latency gap, queue; /* as gap_p95_ms and queue_p95_ms */
	/* Under a load that waits for its answers, with those requests that it
	 * did not send meanwhile; 0 else. */
	struct {
		double p50_ms, p95_ms, p99_ms;
	} corrected;
};

enum model_load_kind { /* see latency/load.h */
		       MODEL_LOAD_UNKNOWN,
		       MODEL_LOAD_OPEN,
		       MODEL_LOAD_CLOSED,
};

/* What a thread waited for. */
enum model_blocked {
	MODEL_BLOCKED_OTHER,
	MODEL_BLOCKED_CPU, /* for its turn */
	MODEL_BLOCKED_FUTEX,
	MODEL_BLOCKED_EPOLL, /* epoll, poll, select */
	MODEL_BLOCKED_DISK,
	MODEL_BLOCKED_SOCKET,
	MODEL_BLOCKED_SLEEP,
	MODEL_BLOCKED_FAULT, /* for a page */
	MODEL_BLOCKED_CHILD,
	MODEL_BLOCKED_FILE, /* a pipe, a terminal, an eventfd */
	MODEL_BLOCKED_KINDS,
};

const char *model_blocked_name(enum model_blocked why); /* "futex" */

/* A stack that was seen on a CPU, or waiting, during a slow request. */
struct model_slow_part {
	uint32_t node; /* MODEL_NONE: several that are not known one by one */
	bool own;      /* of a thread that read or wrote the request; else it
			* began and was over on another one meanwhile */
	bool waited;
	enum model_blocked why; /* where it waited */
	double ms;
	uint64_t count; /* of samples, or waits */
	/* Of the whole recording, how much threads are in that state where it
	 * was: 0.5 is half of the time of one. */
	double steady;
};

/* One of the slowest requests of its endpoint, and where its time went. */
struct model_slow {
	const char *method, *route;
	double t; /* seconds since the recording began: it arrived */
	double took_ms;
	double queue_ms; /* until the server had read it */
	double ttfb_ms;	 /* until the first byte of its answer */
	double gap_ms;	 /* longest pause of a streamed one; 0 */
	/* From then on until its last byte, of the thread that had read it,
	 * where that wrote it, too: on a CPU, for whatever, and not.  NAN. */
	double on_cpu_ms, off_cpu_ms;
	unsigned status;
	/* Where probes saw what its threads did; the most first, own ones
	 * before the others. */
	const struct model_slow_part *parts;
	uint32_t part_count;
};

/* What the program has named (strandline.h); ended ones of all processes. */
struct model_span {
	const char *name;
	uint64_t count;
	double p50_ms, p95_ms, p99_ms, max_ms; /* beginning to end */
	double busy_ms; /* of one, on average: that a thread was at it */
	/* With what is nested in them; sampled where the recording is.  NAN:
	 * nobody looked. */
	double alloc_bytes_per_span, alloc_objects_per_span, alloc_margin;
};

/* How it is known which requests a function was at. */
enum model_answers {
	MODEL_ANSWERS_UNKNOWN,
	MODEL_ANSWERS_ROUTE, /* the framework leads the route to it */
	MODEL_ANSWERS_STACK, /* it is on the stacks of what they allocate */
};

#define MODEL_NEAR_MOST 3

/*
 * A function that was asked for and of which no calls were seen, only the
 * stacks that it is on: one of Python, or a native one without probes.  NAN:
 * nobody looked.
 */
struct model_handler {
	const char *name; /* as it was asked for */
	bool python;	  /* of that, by its name */
	bool seen;	  /* on any stack */
	/* On a CPU, by looks at it, with the margin of its 95 % interval; and
	 * waiting, which is measured. */
	double cpu_ms, cpu_margin_ms, waiting_ms;
	/* Made below it; of that, what is alive at the end. */
	double alloc_bytes, alloc_margin, alloc_objects;
	double live_bytes, live_margin;
	/* The requests of its endpoints, from first byte in to last out; NAN
	 * where there were none. */
	enum model_answers answers;
	uint64_t requests;
	uint32_t endpoint_count; /* that those are of */
	double p50_ms, p95_ms, p99_ms, max_ms;
	double alloc_bytes_per_request; /* NAN: none that is known */
	/* The endpoint that nearly all of it is made for; NULL: none. */
	const char *method, *route;
	/* Where neither stacks nor routes have it: what it may have been. */
	const char *near[MODEL_NEAR_MOST];
	uint32_t near_count;
};

struct model_process {
	int32_t pid, ppid;
	uint32_t image;
	const char *exe;
	const char *command; /* words joined by spaces */
	double began, ended; /* seconds; ended < 0: still running */
	int32_t wait_status; /* -1: unknown */
	bool is_main;	     /* the server: what the summary is about */
	uint64_t allocations, releases;
	const char *allocator; /* "glibc", "jemalloc", ... */
};

struct model_module { /* a file with code that was mapped */
	const char *path;
	const char *build_id; /* in hex; NULL: it has none */
};

struct model_thread {
	int32_t pid, tid;
	const char *name;
	double began, ended; /* seconds; ended < 0: alive at the end */
	double allocated_bytes, allocations;
};

struct model_mark {
	double t;
	const char *label;
};

/* A scan of one process for blocks that nothing refers to. */
struct model_scan {
	double t; /* of the snapshot */
	int32_t pid;
	double pause_ms; /* the process stood still for it */
	double scan_ms;
	double scanned_bytes; /* memory looked through */
	double blocks;	      /* known to be alive */
	/* What it found, and what the one before it had found too. */
	double bytes, count, twice_bytes, twice_count;
	/* Found by the one before and released since: such sites hide their
	 * pointers, and are left out of model_site.unreachable. */
	double freed_bytes, freed_count;
};

struct model_loss {
	const char *reason;
	uint64_t count;
};

struct model_cost {
	double self_bytes_peak; /* shim's private memory */
	double recording_bytes; /* on disk */
	double startup_ms;
	double target_cpu_pct;	 /* of one core, in the hooks; < 0 unknown */
	double profiler_cpu_pct; /* of one core, strandline process */
	double profiler_rss_bytes;
	/* How long attaching and leaving made one thread, and all, stand still
	 * at most; 0: not that way. */
	double pause_ms, still_ms;
	double syscall_ns; /* that probes add to each one of the host; 0: no
			    * such probes */
};

struct model_totals {
	struct estimate live, allocated, peak, temporary;
	double peak_t;
	uint64_t records, allocations, releases, inherited_releases;
};

enum model_view {		     /* which frames stacks show */
		  MODEL_VIEW_MIXED,  /* Python frames where they ran */
		  MODEL_VIEW_NATIVE, /* the interpreter's own instead */
		  MODEL_VIEW_PYTHON, /* nothing else */
};

enum model_role { /* in asking for memory */
		  MODEL_ROLE_CALLER,
		  MODEL_ROLE_WRAPPER, /* does it for its caller, see wrappers.h
				       */
		  MODEL_ROLE_ROOT,    /* where a program or a thread begins */
		  MODEL_ROLE_UNNAMED, /* an address that no symbol covers */
};

struct model {
	enum model_view view;
	/* the recording */
	const char *path, *name, *command, *host, *kernel, *version;
	const char *processor, *system; /* NULL: not known, as is 0 */
	const char *python;		/* "3.11.2", or NULL */
	uint64_t processors, memory_bytes;
	/* "sample", "exact", both perhaps with probes in the kernel; "probes"
	 * where there were those alone; "imported" */
	const char *mode;
	double mean_bytes; /* sampling mean at the end; 0 in exact */
	uint64_t start_unix_ns;
	double duration; /* seconds */
	bool torn;	 /* ended without an orderly exit */
	bool probed;	 /* programs in the kernel looked on */

	struct model_frame *frames;
	uint32_t frame_count;
	uint8_t *frame_roles; /* enum model_role by frame; NULL: all callers */
	struct model_node *nodes;
	uint32_t node_count;
	struct model_site *sites; /* sorted by node */
	uint32_t site_count;
	struct model_totals totals;

	struct model_ledger_point *ledger; /* by time; all processes */
	uint32_t ledger_count;
	struct model_trend rss_trend, live_trend, thread_trend, fd_trend;
	struct model_window *windows;
	uint32_t window_count;
	double window_seconds; /* how wide each is */
	uint32_t course_count; /* windows of endpoints' courses, from 0 on */
	double course_seconds; /* how wide each is */
	struct model_level *levels;   /* of all sites; sites[] point into it */
	struct model_charge *charges; /* likewise */
	struct model_maker *makers;   /* likewise */
	struct model_endpoint *endpoints; /* most requests first */
	uint32_t endpoint_count;
	uint64_t requests; /* completed, all of them */
	struct {
		enum model_load_kind kind;
		/* Of a closed one: who waits for answers, and how often each
		 * asks as a rule. */
		double clients, interval_ms;
	} load;
	uint64_t connections; /* that the server served */
	uint64_t foreign;     /* of them, those that did not speak HTTP/1 */
	uint64_t sealed;      /* of those: TLS that was not seen decrypted */
	/* Who timed them: the kernel, which knows when their bytes came, or
	 * the shim, which takes that from the event loop's waits. */
	bool requests_by_kernel, requests_by_shim;
	bool headless; /* what a process did at first cannot be read */
	struct model_span *spans; /* most time first */
	uint32_t span_count;
	struct model_handler *handlers; /* as they were asked for */
	uint32_t handler_count;
	double looks;		  /* at each CPU a second; 0: none */
	uint64_t spans_forgotten; /* too many were open at a time */
	struct model_slow *slow;  /* by endpoint, the slowest first */
	uint32_t slow_count;
	struct model_slow_part *slow_parts; /* of all; slow[] point into it */
	struct model_process *processes;
	uint32_t process_count;
	uint32_t main_process;	      /* index, MODEL_NONE when there is none */
	struct model_module *modules; /* by path */
	uint32_t module_count;
	struct model_thread *threads;
	uint32_t thread_count;
	struct model_mark *marks;
	uint32_t mark_count;
	struct model_loss *losses; /* every reason, zeros included */
	uint32_t loss_count;
	const char **problems; /* sentences: modules not readable, ... */
	uint32_t problem_count;
	struct model_cost cost;
	const char **notes; /* sentences: what was changed in a program */
	uint32_t note_count;
	struct model_scan *scans; /* by time */
	uint32_t scan_count;
	/* Why blocks were not watched to the end; NULL: they were, or never. */
	const char *heap_off;
};

struct err;

/* Build from a recording directory (model/build.c), or from a file of another
 * tool (trace/import.h). */
int model_load(struct model **out, const char *recording, struct err *err);
int model_load_view(struct model **out, const char *recording,
		    enum model_view view, struct err *err);
/* An empty model that owns its strings; for tests and importers. */
struct model *model_new(void);
void model_free(struct model *m); /* NULL is fine */
/* A copy of @text owned by the model; NULL when out of memory. */
const char *model_string(struct model *m, const char *text);

/* A level for each of @m's windows, into @out[m->window_count]. */
void model_levels(const struct model *m, const struct model_site *site,
		  struct model_level *out);

/*
 * The node of the frame that wanted what was allocated at @node: wrappers seen
 * through (model/wrappers.h).  @node itself when there is no other.
 */
uint32_t model_blamed(const struct model *m, uint32_t node);

/* What a report weighs stacks by. */
enum model_kind {
	MODEL_LIVE,
	MODEL_ALLOC,
	MODEL_PEAK,
	MODEL_TEMPORARY,
	MODEL_RSS,
	MODEL_LEAK,
	MODEL_CPU,
	MODEL_OFFCPU,
	MODEL_WALL,
};

/* "live" -> MODEL_LIVE; -EINVAL with the list of kinds. */
int model_kind_parse(const char *text, enum model_kind *kind, struct err *err);
const char *model_kind_name(enum model_kind kind);

/* Probes see pages and time; of blocks they may know nothing. */
bool model_sees_heap(const struct model *m);
/* The weight of @site under @kind: bytes, or ns where the kind is a time. */
double model_site_weight(const struct model_site *site, enum model_kind kind);

#endif
