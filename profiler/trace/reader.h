/*
 * reader: open a recording directory, NAME.strand/, and hand out what it
 * holds.  The only parser of recording bytes.  Takes any prefix of a torn
 * file; refuses a newer format with one sentence.
 *
 * Memory: events are read slab by slab with pread and folded, never mapped
 * whole.
 */
#ifndef STRANDLINE_TRACE_READER_H
#define STRANDLINE_TRACE_READER_H

#include "profiler/trace/fold.h"
#include "profiler/wire/record.h"
#include "profiler/wire/slab.h"

struct err;
struct trace;

struct trace_module {
	uint32_t id;
	const char *path;
	uint8_t build_id[32];
	uint32_t build_id_size;
	uint64_t bias, start, end, ticks;
};

struct trace_patch { /* an allocation function of the program's own */
	const char *function, *module;
	enum wire_patch_state state;
};

struct trace_code { /* a Python code object */
	uint32_t id;
	const char *qualname, *file;
	uint32_t first_line;
	const uint8_t *linetable;
	uint32_t linetable_size;
	uint32_t python_version; /* hex, 0x030b02f0 */
};

struct trace_python {	    /* the interpreter; all 0 where there is none */
	uint32_t version;   /* hex; 0: not known */
	bool readable;	    /* its frames can be read */
	const char *reason; /* if they never can, why not; else "" */
	const char *folder; /* the one it was started in */
};

struct trace_route {
	uint32_t id;
	const char *text; /* "POST /api/v1/chat" */
};

struct trace_weight { /* what probes saw of one stack, summed */
	uint32_t node;
	enum wire_weight_kind kind;
	int64_t count, weight;
};

struct trace_slow_part { /* what threads did during a slow request */
	uint64_t at_ns;	 /* as in its wire_slow */
	uint32_t route;
	struct wire_slow_part part; /* of a kind, a who and a why there are */
};

struct trace_image { /* one <pid>.slabs: a process between exec and exec */
	struct slab_file header;
	const char *file;	       /* its path */
	const struct wire_node *nodes; /* node id n is nodes[n - 1] */
	uint32_t node_count; /* a parent's id is below its child's; every
			      * stack's node is 0 (unknown) or has an entry */
	const struct trace_module *modules; /* sorted by id */
	size_t module_count;
	const struct trace_code *codes; /* sorted by id */
	size_t code_count;
	struct trace_python python;
	const struct trace_route *routes; /* sorted by id, from 1 */
	size_t route_count;
	const struct trace_patch *patches;
	size_t patch_count;
	struct fold_result result;
	bool torn;     /* no orderly end, or unreadable bytes */
	bool headless; /* its digest cannot be read: only its last part is */
	/* <pid>.probe.slabs: seen from the kernel, perhaps beside the same
	 * process's own file. */
	bool probed;
	const struct trace_weight *weights; /* sorted by node, then kind */
	size_t weight_count;
	const char *const *texts; /* id n is texts[n - 1]; NULL: missing */
	size_t text_count;
	const struct wire_slow *slow; /* the slowest of each route among them */
	size_t slow_count;
	const struct trace_slow_part *slow_parts; /* in order of arrival */
	size_t slow_part_count;
};

struct trace_process { /* WIRE_PROCESS */
	int32_t pid, ppid;
	uint64_t at_ns;
	bool ended;
	int32_t wait_status;
	const char *exe;
	const char *command; /* words joined by single spaces */
};

struct trace_mark {
	uint64_t at_ns;
	const char *label;
};

struct trace_counter { /* what a probe did or dropped */
	const char *probe, *reason;
	uint64_t count;
};

struct trace_option { /* an option's value from a time on */
	uint64_t at_ns;
	const char *name, *value;
};

struct trace_reach { /* a scan, or a part of one */
	struct wire_reach summary;
	const struct wire_reach_site *sites; /* foreign node ids */
	size_t site_count;
};

struct trace_objects { /* what a stack's blocks are in Python */
	int32_t pid;
	uint32_t image;
	uint64_t at_ns;
	uint32_t node; /* foreign */
	uint32_t blocks;
	uint64_t bytes;
	const char *type, *holder, *holder_type; /* the latter may be "" */
};

struct trace_thread { /* what Python calls it from then on */
	int32_t pid, tid;
	uint64_t at_ns;
	const char *name;
};

struct trace_handler {	     /* what answers a request in Python */
	const char *request; /* "GET /users/{id}" */
	const char *function, *file;
};

struct trace_meta { /* meta.json; NULL and 0 where it lacks something */
	const char *command; /* words joined by single spaces */
	const char *host, *kernel, *version, *mode;
	uint64_t start_realtime_ns, start_monotonic_ns;
	uint64_t interval_ms;
	const char *processor, *system; /* of the machine */
	uint64_t processors, memory_bytes;
	const char *const *handlers; /* functions that were asked for */
	size_t handler_count;
	uint64_t hertz; /* looks at each CPU a second; 0: none */
};

struct trace_view { /* everything, owned by the trace */
	const char *path;
	struct trace_meta meta;
	const struct trace_image *images; /* by start time, then pid; at
					   * least one */
	size_t image_count;
	const struct wire_ledger *ledger; /* by time */
	size_t ledger_count;
	const struct trace_process *processes; /* by time */
	size_t process_count;
	const struct trace_mark *marks;
	size_t mark_count;
	const struct trace_option *options; /* by time */
	size_t option_count;
	const struct trace_reach *reaches; /* by time */
	size_t reach_count;
	const struct trace_objects *objects; /* by time */
	size_t objects_count;
	const struct trace_thread *threads; /* by time */
	size_t thread_count;
	const struct trace_handler *handlers; /* each once */
	size_t handler_count;
	const struct trace_counter *counters; /* in order of first sight */
	size_t counter_count;
	bool host_torn;
	const char *const *problems; /* sentences: files not readable */
	size_t problem_count;
};

/*
 * Open and fold everything.  -ENOENT, -ENOTDIR, -EBADMSG (not a recording),
 * -EPROTO (newer format), -ENOMEM, each with a sentence.  One unreadable file
 * among readable ones is a problem, not an error.
 */
int trace_open(struct trace **out, const char *dir, struct err *err);
void trace_close(struct trace *t); /* NULL is fine */
const struct trace_view *trace_view(const struct trace *t);

#endif
