/*
 * record: what stands in the slabs of a recording, and how it is coded.
 * Freestanding and header-only; the shim encodes, trace/reader decodes.
 *
 * Events (SLAB_EVENTS).  One tag byte, low nibble the type, high nibble the
 * api (of ALLOC) or flags; then LEB128 varints in the order given below.
 * Addresses are sent as the zigzag difference to the previous address in the
 * slab, both >> 3; times as the difference to the previous record's ticks in
 * the slab, zigzag because a signal handler's record may carry an earlier
 * stamp than the record it interrupted.  Every slab starts from address 0,
 * mean 0 and slab_head.first_ticks, so each can be read by itself.
 *
 *   ALLOC	node, size, addr, ticks		a block was born
 *   FREE	addr, ticks			a block is about to die
 *   UNFREE	addr, ticks			that FREE did not happen
 *						(realloc failed)
 *   MAP	node, size, addr, ticks		mmap, mremap's new part; by the
 *						api PYTHON_OBJECT an arena that
 *						CPython cuts blocks from
 *   UNMAP	size, addr, ticks		munmap, any part
 *   BRK	node, zigzag size, ticks	the heap end moved
 *   DESCRIPTOR	node, zigzag count, ticks	that stack has so many more
 *						file descriptors open
 *   THREAD	tid, ticks			who writes from here on
 *   EXIT	ticks				that thread ended
 *   MEAN	bytes				sampling mean of the ALLOCs
 *						that follow; 0 is exact
 *   NAME	16 bytes			the writer's thread name
 *   REQUEST	route, status, took, ttfb,	a request was answered, or cut
 *		queue, gap, ticks		off (see below); request_flag
 *   CONTEXT	route, ticks			what this thread does from here
 *						on is for a request of that
 *						route; 0: for none
 *   SPAN	number, name, ticks		enum span_step of a span: a
 *						part of the program's work that
 *						it has named (strandline.h);
 *						the name is a route's id
 *
 * REQUEST's ticks are when its end was known, at the latest the closing of
 * its connection.  The four before it are differences in ticks: from its
 * arrival to its last byte out (took) and to its first (ttfb; 0: none), from
 * its arrival until the server read it (queue), and the longest pause within
 * a streamed answer (gap; 0: none).  Its arrival is as early as the writer
 * knows it.  status 0: no answer began.
 *
 * Order across threads: ALLOC is stamped after the real call, FREE before it.
 * The TSC is read without a fence, so an ALLOC can carry a stamp some ten ns
 * before the FREE (on another thread) that gave it the address.  A reader who
 * meets ALLOC of a live address ends the older block there and then, and
 * swallows the late FREE.
 *
 * In `sample` mode an ALLOC stands for 1/p blocks of its size, where
 * p = 1 - exp(-(size + sample_constant) / mean).
 */
#ifndef STRANDLINE_WIRE_RECORD_H
#define STRANDLINE_WIRE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

enum record_type {
	RECORD_ALLOC = 1,
	RECORD_FREE,
	RECORD_UNFREE,
	RECORD_MAP,
	RECORD_UNMAP,
	RECORD_BRK,
	RECORD_THREAD,
	RECORD_EXIT,
	RECORD_MEAN,
	RECORD_NAME,
	RECORD_REQUEST,
	RECORD_CONTEXT,
	RECORD_SPAN,
	RECORD_DESCRIPTOR = 15,
};

enum record_api { /* high nibble of an ALLOC's tag */
		  API_MALLOC = 0,
		  API_CALLOC,
		  API_REALLOC,
		  API_ALIGNED, /* posix_memalign, aligned_alloc, memalign,
				  valloc */
		  API_NEW,     /* operator new in all forms */
		  API_PYTHON_OBJECT,
		  API_PYTHON_MEM,
		  API_OTHER,
};

enum request_flag {			  /* high nibble of a REQUEST's tag */
		    REQUEST_CUT = 1,	  /* ended before its answer did */
		    REQUEST_STREAMED = 2, /* the answer came in chunks */
		    REQUEST_ALONE = 4,	  /* a CONTEXT of this thread covers
					   * it from its head to its end */
};

/*
 * High nibble of a SPAN's tag.  Of the spans of a process each has a number;
 * a thread is at one of them at a time, and what it allocates is that one's
 * and its parent's.
 */
enum span_step {
	SPAN_BEGIN = 0, /* child of what the thread is at; it is at it now */
	SPAN_END,	/* by any thread; who was at it is at its parent now */
	SPAN_TURN,	/* the thread is at it from here on; 0: at none */
};

/* Names of spans are routes with ids from here on. */
#define SPAN_NAME_FIRST 256u

/* The longest record: tag and seven varints of ten bytes. */
#define RECORD_MAX_SIZE 72u

static inline uint64_t record_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t record_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* At most 10 bytes.  Returns the byte after. */
static inline uint8_t *record_put(uint8_t *at, uint64_t v)
{
	while (v >= 0x80) {
		*at++ = (uint8_t)v | 0x80;
		v >>= 7;
	}
	*at++ = (uint8_t)v;
	return at;
}

/* NULL when the bytes end, or go on past 10, before the varint does. */
static inline const uint8_t *record_get(const uint8_t *at, const uint8_t *end,
					uint64_t *v)
{
	uint64_t value = 0;

	for (unsigned shift = 0; at < end && shift < 70; shift += 7) {
		uint8_t byte = *at++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*v = value;
			return at;
		}
	}
	return 0;
}

/*
 * Calling-context tree (SLAB_NODES).  Node ids count from 1 over the whole
 * file; node id n is entry (n - 1) % WIRE_NODES_PER_SLAB of the NODES slab
 * whose head.seq is (n - 1) / WIRE_NODES_PER_SLAB.  The parent is the caller
 * (root first); parent 0 means the frame is a root.  kind 0 (all zero) is an
 * entry that was reserved but not finished: show it as unknown.
 */
enum wire_node_kind {
	NODE_UNFINISHED = 0,
	NODE_NATIVE = 1,    /* value: ELF vaddr in module (see below) */
	NODE_ABSOLUTE = 2,  /* value: address outside every known module */
	NODE_PYTHON = 3,    /* module: code object id; value: see below */
	NODE_TRUNCATED = 4, /* root marker: frames beyond 1024 were cut */
	NODE_BROKEN = 5,    /* root marker: unwinding ended early */
	NODE_LOST = 6,	    /* stack could not be kept */
	NODE_KERNEL = 7,    /* value: id of a WIRE_TEXT, the function's name */
	NODE_BLOCKED = 8,   /* value: enum wire_blocked; a leaf of OFFCPU */
	NODE_MIXED = 9,	    /* parent: native frames; value: the node of the
			     * Python frames that ran in them */
	NODE_JIT = 10,	    /* value: id of a WIRE_TEXT, what the runtime that
			     * generated the code calls it */
};

/* What a thread waited for while it was off the CPUs. */
enum wire_blocked {
	BLOCKED_OTHER,
	BLOCKED_RUNNABLE, /* for a CPU */
	BLOCKED_FUTEX,
	BLOCKED_EPOLL, /* epoll, poll, select */
	BLOCKED_DISK,
	BLOCKED_SOCKET,
	BLOCKED_SLEEP, /* a timer */
	BLOCKED_FAULT, /* a page */
	BLOCKED_CHILD, /* another process's end */
	BLOCKED_FILE,  /* a pipe, a terminal, an eventfd, ... */
	BLOCKED_NREASONS,
};

/*
 * A NATIVE value is the address to look up, already one less than the return
 * address where the frame was found by one (a call can be the last insn of
 * its function), in the module's own vaddr space (load bias taken off).
 */
struct wire_node {
	uint32_t parent;
	uint32_t kind_module; /* kind << 24 | module or code id */
	uint64_t value;
};
_Static_assert(sizeof(struct wire_node) == 16, "read by other builds");

/*
 * A PYTHON value is where its code stands: bytes from the code's first
 * instruction, negative before it; and whether the frame was called by native
 * code, so that an evaluator of its own runs it and those further in, up to
 * the next such frame.  Python frames have Python frames for parents; a MIXED
 * node tells within which native stack they stand, and has no children.
 */
#define WIRE_PYTHON_ENTRY (1ULL << 32)

static inline uint64_t wire_python_value(int32_t instruction, bool entry)
{
	return (uint32_t)instruction | (entry ? WIRE_PYTHON_ENTRY : 0);
}

#define WIRE_NODES_PER_SLAB   ((65536u - 64u) / 16u)
#define WIRE_NODE_MODULE_MASK 0xffffffu

static inline enum wire_node_kind wire_node_kind(const struct wire_node *n)
{
	return (enum wire_node_kind)(n->kind_module >> 24);
}

static inline uint32_t wire_node_module(const struct wire_node *n)
{
	return n->kind_module & WIRE_NODE_MODULE_MASK;
}

/*
 * Metadata (SLAB_META) and host records (SLAB_HOST): a head, then `size`
 * bytes (head included, a multiple of 8).  A reader skips types it does not
 * know.
 */
struct wire_head {
	uint16_t type;
	uint16_t pad;
	uint32_t size;
};

enum wire_type {
	WIRE_MODULE = 1,
	WIRE_CODE = 2,	  /* a Python code object, for NODE_PYTHON */
	WIRE_ROUTE = 3,	  /* a method and a normalised path */
	WIRE_PATCH = 4,	  /* an allocation function of the program's own */
	WIRE_PYTHON = 24, /* the interpreter; the last one counts */
	/* host.slabs */
	WIRE_LEDGER = 16,
	WIRE_PROCESS = 17,
	WIRE_MARK = 18,
	WIRE_REQUESTS = 19, /* kept for the request tracker */
	WIRE_OPTION = 20,
	WIRE_REACH = 21,   /* what no root of a process reaches */
	WIRE_OBJECTS = 32, /* what a stack's blocks are in Python */
	WIRE_THREAD = 33,  /* what Python calls a thread */
	WIRE_HANDLER = 56, /* which Python function answers a request */
	/* <pid>.probe.slabs, and WIRE_COUNTER of host.slabs */
	WIRE_WEIGHTS = 40,    /* what stacks weigh, since the last record */
	WIRE_TEXT = 41,	      /* a name that nodes refer to */
	WIRE_COUNTER = 42,    /* what a probe did or dropped, so far */
	WIRE_SLOW = 48,	      /* one of the slowest requests of its route */
	WIRE_SLOW_PARTS = 61, /* what threads did during such a request */
};

/*
 * Weights of stacks, as probes in the kernel saw them: the strandline process
 * writes them, about once a second, into <pid>.probe.slabs, which has the form
 * of <pid>.slabs and nodes and modules of its own.  What a stack weighs is the
 * sum of all its records.
 */
enum wire_weight_kind {
	WEIGHT_CPU = 1, /* ns on a CPU */
	WEIGHT_OFFCPU,	/* ns blocked, and until it ran again */
	WEIGHT_RSS,	/* bytes taken; less what was given back */
	WEIGHT_NKINDS,
};

struct wire_weight {
	uint32_t node;
	uint32_t kind; /* enum wire_weight_kind */
	int64_t count; /* of events behind it */
	int64_t weight;
};

struct wire_weights {
	struct wire_head head;
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	struct wire_weight at[];
};

struct wire_text { /* dense ids from 1 within a file */
	struct wire_head head;
	uint32_t id;
	uint32_t pad;
	char text[]; /* NUL-terminated */
};

/*
 * A request that took longer than all but few of its route had until then;
 * which are the slowest is for the reader to find.  Times in ns, as those of
 * REQUEST.
 */
struct wire_slow {
	struct wire_head head;
	uint64_t at_ns; /* CLOCK_MONOTONIC of its arrival */
	uint64_t took, ttfb, queue, gap;
	uint32_t route;
	uint16_t status;
	uint16_t flags; /* enum request_flag */
	/* 1 + how long the thread that read it and wrote its end was on a CPU
	 * between the two; 0: unknown.  Older recordings end before it. */
	uint64_t cpu;
};
_Static_assert(sizeof(struct wire_slow) == 64, "read by other builds");
#define WIRE_SLOW_OLD 56u

/* Whose thread it was. */
enum wire_slow_who {
	SLOW_OTHER,  /* another one of the process; begun and over within */
	SLOW_READER, /* the one that read the request */
	SLOW_WRITER, /* another one, that wrote its end */
	SLOW_NWHOS,
};

/* A stack on which a CPU was spent, or waited, during a slow request. */
struct wire_slow_part {
	uint32_t node; /* 0: several that are not told one by one */
	uint8_t kind;  /* WEIGHT_CPU or WEIGHT_OFFCPU */
	uint8_t who;   /* enum wire_slow_who */
	uint8_t why;   /* OFFCPU: enum wire_blocked */
	uint8_t pad;
	uint64_t ns;	/* between its read and its last byte */
	uint64_t count; /* of samples, or waits */
};
_Static_assert(sizeof(struct wire_slow_part) == 24, "read by other builds");

/* Of the request of a WIRE_SLOW before it that arrived then. */
struct wire_slow_parts {
	struct wire_head head;
	uint64_t at_ns;
	uint32_t route;
	uint32_t pad;
	struct wire_slow_part at[];
};

/* The latest of a probe and reason holds. */
struct wire_counter {
	struct wire_head head;
	uint64_t at_ns;
	uint64_t count;
	char text[]; /* the probe, NUL, the reason, NUL */
};

/* Modules have dense ids from 1; the same file mapped again gets a new id. */
struct wire_module {
	struct wire_head head;
	uint32_t id;
	uint32_t build_id_size; /* 0: none */
	uint64_t bias;		/* runtime address - ELF vaddr */
	uint64_t start;		/* first mapped address */
	uint64_t end;
	uint64_t ticks; /* seen at */
	uint8_t build_id[32];
	char path[]; /* NUL-terminated; "[vdso]" for the vdso */
};

/*
 * Python code objects have dense ids from 1 within a process.  A line table
 * too long for one record is continued in the next of the same id.
 */
struct wire_code {
	struct wire_head head;
	uint32_t id;
	uint32_t first_line;
	uint32_t version;    /* of Python, hex: how to read the table */
	uint32_t lines_size; /* bytes of the whole line table */
	uint32_t lines_at;   /* where in it this record's part begins */
	uint32_t lines_here; /* bytes of that part */
	char text[];	     /* qualified name, NUL, file, NUL, the part */
};

/* A Python interpreter was found. */
struct wire_python {
	struct wire_head head;
	uint32_t version;  /* hex, 0x030b02f0 */
	uint32_t readable; /* 1: its frames can be read */
	char text[]; /* if they never can, why not, NUL, the folder that the
		      * process was in, NUL */
};

/* A thread's name in `threading`, when it is first seen and when it changes. */
struct wire_thread {
	struct wire_head head;
	int32_t pid, tid; /* in the target's own pid namespace */
	uint64_t at_ns;
	char text[]; /* and NUL */
};

/* Told at each scan anew; of whatever process, a file's functions are one. */
struct wire_handler {
	struct wire_head head;
	/* Three texts, each with its NUL: method, space, template of the path
	 * ("GET /users/{id}"); the function's qualified name; its file. */
	char text[];
};

/* Routes have dense ids from 1 within a process. */
struct wire_route {
	struct wire_head head;
	uint32_t id;
	uint32_t pad;
	char text[]; /* method, space, route, NUL: "POST /api/v1/chat" */
};

/*
 * A function by which the program allocates past the shim's exports: one of
 * an allocator that is linked into it.  Its calls are seen if its entry could
 * be made to lead to the shim.
 */
enum wire_patch_state {
	PATCH_DONE,
	PATCH_OFF,	    /* STRANDLINE_PATCH=0 */
	PATCH_TOO_SHORT,    /* no room for a jump */
	PATCH_UNKNOWN_CODE, /* an instruction that cannot be decoded, or moved
			     */
	PATCH_CALLS,	    /* it begins with an indirect call */
	PATCH_LOOPS,	    /* it jumps back into its first bytes */
	PATCH_AMBIGUOUS,    /* several functions of that name */
	PATCH_THREADS,	    /* threads already ran when the shim was loaded */
	PATCH_NO_ROOM,	    /* no free addresses near, or too many functions */
	PATCH_FORBIDDEN,    /* the kernel lets no code be changed */
	PATCH_INCOMPLETE,   /* allocations without their releases are no use */
	PATCH_BUSY,	    /* its threads were not found to be outside of it */
	PATCH_NSTATES,
};

struct wire_patch {
	struct wire_head head;
	uint32_t state; /* enum wire_patch_state */
	uint32_t pad;
	char text[]; /* the function's name, NUL, the module's path, NUL */
};

/* Completes "NAME is not recorded: "; NULL for PATCH_DONE and unknown. */
static inline const char *wire_patch_reason(enum wire_patch_state state)
{
	switch (state) {
	case PATCH_OFF:
		return "STRANDLINE_PATCH=0";
	case PATCH_TOO_SHORT:
		return "the function is too short";
	case PATCH_UNKNOWN_CODE:
		return "its code is not understood";
	case PATCH_CALLS:
		return "it begins with an indirect call";
	case PATCH_LOOPS:
		return "it jumps back to its beginning";
	case PATCH_AMBIGUOUS:
		return "several functions have that name";
	case PATCH_THREADS:
		return "threads ran before the recorder was loaded";
	case PATCH_NO_ROOM:
		return "no addresses are free near it";
	case PATCH_FORBIDDEN:
		return "the system lets no code be changed";
	case PATCH_INCOMPLETE:
		return "a function that releases its blocks cannot be "
		       "followed";
	case PATCH_BUSY:
		return "the threads could not be stopped outside of it; "
		       "attach again";
	case PATCH_DONE:
	case PATCH_NSTATES:
		break;
	}
	return 0;
}

/* A process of the target began or ended, as the strandline process saw it. */
struct wire_process {
	struct wire_head head;
	int32_t pid;
	int32_t ppid;
	uint64_t at_ns;	     /* CLOCK_MONOTONIC */
	uint32_t ended;	     /* 0 began or exec'ed, 1 ended */
	int32_t wait_status; /* of waitpid(), when ended and known */
	/* NUL-terminated; then argv, each NUL-terminated, then NUL */
	char exe[];
};

struct wire_mark {
	struct wire_head head;
	uint64_t at_ns;
	char label[]; /* NUL-terminated */
};

/* An option of the recording, as it was set or changed. */
struct wire_option {
	struct wire_head head;
	uint64_t at_ns;
	char text[]; /* the name, NUL, the value, NUL */
};

/*
 * A scan of one process: which of its live blocks nothing refers to, by the
 * stack that made them.  Sums are estimates where blocks are samples.  A scan
 * of many stacks is several records in a row, equal up to their sites.
 */
struct wire_reach_site {
	uint32_t node;
	uint32_t pad;
	uint64_t count, bytes;		   /* unreachable in this scan */
	uint64_t twice_count, twice_bytes; /* of those, in the last one too */
	/* Unreachable in the last scan and released since: whoever released
	 * them had kept a pointer where no scan sees it. */
	uint64_t freed_count, freed_bytes;
};

enum wire_reach_flag {
	REACH_HIDDEN = 1,  /* the kernel holds pointers that no scan can see */
	REACH_LEAVING = 2, /* the process was about to exit */
};

struct wire_reach {
	struct wire_head head;
	int32_t pid;
	uint32_t image;
	uint64_t at_ns;	     /* CLOCK_MONOTONIC of the snapshot */
	uint64_t pause_ns;   /* how long the process stood still for it */
	uint64_t scan_ns;    /* how long it took to look through */
	uint64_t bytes;	     /* looked through */
	uint64_t blocks;     /* known to be alive */
	uint64_t lost;	     /* events lost so far: stale blocks at most */
	uint32_t number;     /* scans of this process, from 1 */
	uint32_t flags;	     /* enum wire_reach_flag */
	uint32_t site_count; /* struct wire_reach_site[] follow */
	uint32_t pad;
};

/*
 * Of a scan of a process that runs Python: what the blocks of one stack are,
 * and what holds most of them.  Only stacks that hold much have one.
 */
struct wire_objects {
	struct wire_head head;
	int32_t pid;
	uint32_t image;
	uint64_t at_ns; /* of the scan */
	uint32_t node;
	uint32_t blocks; /* that are known to be objects, or part of one */
	uint64_t bytes;	 /* of these, estimated */
	/* Three texts, each with its NUL: their type, the name of what holds
	 * them and its type; the latter two may be empty. */
	char text[];
};

/*
 * One line of the RSS ledger of one process.  Bytes unless said.  WIRE_UNSEEN
 * where a value was not read at this tick (smaps is read seldom).
 */
#define WIRE_UNSEEN UINT64_MAX

struct wire_ledger {
	struct wire_head head;
	int32_t pid;
	uint32_t threads;
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	/* from statm, stat, status, fd/ */
	uint64_t rss;
	uint64_t vms;
	uint64_t fds;
	uint64_t minor_faults; /* since the process began */
	uint64_t major_faults;
	uint64_t cpu_user_ns; /* since the process began */
	uint64_t cpu_system_ns;
	uint64_t context_switches;
	/* from smaps, split by what a mapping is; resident bytes */
	uint64_t heap;	    /* [heap]: brk */
	uint64_t anonymous; /* other private anonymous mappings */
	uint64_t file;	    /* file-backed and shared */
	uint64_t stacks;    /* main and thread stacks */
	uint64_t slabs;	    /* mappings of our own recording */
	uint64_t swap;
	uint64_t pss;
	/* from the shim's header */
	uint64_t self; /* the shim's private memory */
	uint64_t allocator_allocated;
	uint64_t allocator_active;
	uint64_t allocator_resident;
	uint64_t allocator_retained;
	uint64_t allocator_metadata;
	uint64_t cgroup_usage; /* memory.current */
	uint64_t cgroup_limit; /* memory.max; WIRE_UNSEEN: none */
	uint64_t profiler_rss; /* of the strandline process */
	uint64_t profiler_cpu_ns;
	/* What CPython cuts small objects from, and what of it they use. */
	uint64_t python_arenas, python_used;
	uint64_t max_fds;  /* the limit that it runs into; WIRE_UNSEEN: none */
	uint64_t rings;	   /* from smaps: how many mappings are io_uring's */
	uint64_t spare[2]; /* WIRE_UNSEEN */
};
_Static_assert(sizeof(struct wire_ledger) % 8 == 0, "record alignment");

#endif
