/*
 * slab: the bytes of a <pid>.slabs file, shared by the shim (which writes it
 * from inside the target), the digester (which gives space back) and the
 * reader.  Freestanding and header-only: no allocation, no lock, no libc.
 *
 *   offset 0            struct slab_file, SLAB_FILE_HEADER_SIZE bytes
 *   + k * SLAB_SIZE     slab k: struct slab_head, then records
 *
 * A slab is owned by one thread at a time.  The owner appends bytes, then
 * stores `used` with release order; a reader that loads `used` with acquire
 * order sees whole records only, in a live file as in one left by kill -9.
 * Slabs are numbered by one atomic add on slab_file.slabs_taken.  A hole in
 * the file (a slab the digester gave back, or one reserved but never begun)
 * reads as zeros: slab_head.magic == 0.
 *
 * All integers are little-endian.  Records hold times as raw ticks of the
 * clock named by slab_file.clock; see slab_ticks_to_ns().
 */
#ifndef STRANDLINE_WIRE_SLAB_H
#define STRANDLINE_WIRE_SLAB_H

#include <stdbool.h>
#include <stdint.h>

#define SLAB_FILE_MAGIC	      0x31444e4152545300ULL /* "\0STRAND1" */
#define SLAB_FORMAT	      1 /* a reader refuses a higher one */
#define SLAB_FILE_HEADER_SIZE 8192u
#define SLAB_SIZE	      65536u
#define SLAB_MAGIC	      0x42414c53u /* "SLAB" */

enum slab_kind {
	SLAB_EVENTS = 1, /* delta-coded records of one thread: record.h */
	SLAB_NODES = 2,	 /* struct wire_node[], the calling-context tree */
	SLAB_META = 3,	 /* modules, code objects: records with a length */
	SLAB_HOST = 4,	 /* host.slabs only: ledger, marks, processes */
};

enum slab_clock {
	SLAB_CLOCK_MONOTONIC = 0, /* ticks are CLOCK_MONOTONIC ns */
	SLAB_CLOCK_TSC = 1,	  /* ticks are the invariant TSC */
};

enum slab_mode {
	SLAB_MODE_SAMPLE = 0,
	SLAB_MODE_EXACT = 1,
};

enum slab_state { /* slab_control.state */
		  SLAB_RECORDING = 0,
		  SLAB_IDLE = 1, /* loaded, not recording; may be switched on */
		  SLAB_STOPPED =
			  2, /* the cap or a lost file ended the recording */
};

/*
 * Why something was not recorded.  Every report prints all of them, zeros
 * included; slab_drop_name() is their only table of names.
 */
enum slab_drop {
	DROP_NO_SLAB,	      /* no slab could be had: disk full, or the cap */
	DROP_AFTER_STOP,      /* events after the recording stopped */
	DROP_REENTRANT,	      /* an event inside our own work (signal) */
	DROP_SAMPLED_FULL,    /* sampled set full: the sample was not taken */
	DROP_NODES_FULL,      /* no room for a new stack: charged to [lost] */
	DROP_THREAD_STATE,    /* no memory for a thread's state */
	DROP_STACK_TRUNCATED, /* stacks cut at 1024 frames */
	DROP_STACK_BROKEN,    /* unwinding ended before the thread's root */
	DROP_MODULES_FULL,    /* modules beyond the table */
	DROP_TRACK_FULL,      /* connections or requests not followed */
	DROP_PYTHON,	      /* Python frames that could not be read */
	DROP_NREASONS = 24,   /* room to grow inside format 1 */
};

/* Written by whoever steers; read by the shim on its slow path. */
struct slab_control {
	uint32_t state;	     /* enum slab_state */
	uint32_t mode;	     /* enum slab_mode */
	uint64_t mean_bytes; /* sampling mean now in force, bytes */
	uint32_t rate_auto;  /* 1: the shim moves mean_bytes by itself */
	uint32_t samples_per_second; /* what rate_auto holds, 1000 */
	uint64_t slabs_max; /* cap on slabs_taken - slabs_given_back, where the
			     * recording has no quota (quota.h) */
	uint64_t wanted;    /* bumped by the tool to ask for a refresh */
	uint64_t keeper_ns; /* CLOCK_MONOTONIC, set about each second by a
			     * strandline process that digests; the cap then
			     * drops events instead of ending the recording */
	uint64_t pad[2];
};

/* Written by the shim; all monotone unless said. */
struct slab_stats {
	uint64_t drops[DROP_NREASONS];
	uint64_t allocations; /* recorded */
	uint64_t releases;    /* recorded */
	uint64_t nodes;	      /* calling-context nodes in use */
	uint64_t modules;
	uint64_t threads;     /* thread states ever handed out */
	uint64_t self_bytes;  /* private memory the shim holds now (a level) */
	uint64_t slab_bytes;  /* slabs mapped now (a level) */
	uint64_t ticks_spent; /* in the recording path, see ticks_sampled */
	uint64_t ticks_sampled; /* 1 event in this many was timed */
	uint64_t startup_ns;	/* time our constructor took */
	uint64_t requests;	/* recorded */
	uint64_t connections;	/* taken by the server, or seen to serve */
	uint64_t foreign;	/* of them, those that do not speak HTTP/1 */
	uint64_t sealed;	/* of those: TLS that nobody saw decrypted */
	uint64_t http2;		/* of those: HTTP/2 in the clear */
	uint64_t pad[3];
};

/*
 * The server's allocator in its own words, refreshed by the shim about once
 * a second while it allocates.  `turn` is odd while the numbers change.
 */
enum slab_allocator {
	SLAB_ALLOCATOR_UNKNOWN = 0,
	SLAB_ALLOCATOR_GLIBC,
	SLAB_ALLOCATOR_JEMALLOC,
	SLAB_ALLOCATOR_TCMALLOC,
	SLAB_ALLOCATOR_MIMALLOC,
	SLAB_ALLOCATOR_OTHER,
};

struct slab_allocator_stats {
	uint32_t turn;
	uint32_t allocator; /* enum slab_allocator */
	uint64_t at_ns;	    /* CLOCK_MONOTONIC; 0: never */
	uint64_t allocated; /* bytes in the application's hands */
	uint64_t active;    /* in pages that hold live blocks */
	uint64_t resident;  /* physically there, metadata included */
	uint64_t retained;  /* kept mapped but given back to the kernel */
	uint64_t metadata;
	uint64_t pad[3];
};

/*
 * Where a tool that has stopped the process finds what it needs to take a
 * snapshot of it (reach.h).  Addresses in the process; 0 where there is none.
 */
struct slab_entry {
	uint64_t code;	       /* where a borrowed thread begins */
	uint64_t stack;	       /* its stack pointer there */
	uint64_t call;	       /* struct reach_call */
	uint64_t regions;      /* struct reach_region[]: memory of the shim */
	uint64_t region_count; /* how long that is */
	/*
	 * The process is about to exit (CLOCK_MONOTONIC; 0: no) and waits a
	 * moment for `leave` to be as large.
	 */
	uint64_t leaving_ns;
	uint64_t leave;
	uint32_t scans; /* 1: somebody scans it and wants to see its exit */
	uint32_t pad;
};

/*
 * CPython in the process, and what its objects are known by from outside.
 */
enum slab_python_state {
	SLAB_PYTHON_NONE = 0,
	SLAB_PYTHON_WRAPPED,  /* its objects are recorded */
	SLAB_PYTHON_OFF,      /* they are not, as was asked for */
	SLAB_PYTHON_DETACHED, /* no longer */
	SLAB_PYTHON_VERSION,  /* not: a version that is not known */
	SLAB_PYTHON_DEBUG,    /* not: built for debugging */
	SLAB_PYTHON_FREE_THREADED,
	SLAB_PYTHON_KNOWN, /* not yet */
};

struct slab_python {
	uint32_t state;	  /* enum slab_python_state */
	uint32_t version; /* 0x030b: 3.11 */
	uint64_t modules; /* address of sys.modules; 0: not seen yet */
	/* Levels, refreshed as slab_allocator_stats are. */
	uint64_t arenas, arena_bytes;
	uint64_t arena_used; /* of arena_bytes, in objects */
	uint64_t pad[12];
};
_Static_assert(sizeof(struct slab_python) == 136, "room to grow inside");

struct slab_file {
	uint64_t magic;
	uint32_t format;
	uint32_t header_size; /* SLAB_FILE_HEADER_SIZE */
	uint32_t slab_size;   /* SLAB_SIZE */
	uint32_t clock;	      /* enum slab_clock */
	int32_t pid;	      /* in the target's own pid namespace */
	int32_t ppid;
	uint32_t image;	 /* 0, then +1 for every exec of this pid */
	uint32_t forked; /* 1: began at a fork; older blocks unknown */
	uint64_t start_realtime_ns;
	uint64_t start_monotonic_ns;
	uint64_t start_ticks;
	/* A second pair of the same instant, refreshed now and then. */
	uint64_t later_monotonic_ns;
	uint64_t later_ticks;
	uint64_t ended_monotonic_ns; /* 0: no orderly exit seen */
	uint64_t sample_constant;    /* bytes added to each allocation's cost */
	uint64_t seed;
	char exe[256]; /* the image, as /proc/self/exe reads */
	char comm[32];
	char version[32];   /* of the shim */
	char command[1024]; /* argv joined by NUL, cut to fit */
	uint32_t late;	    /* 1: attached to; what was there is unknown */
	int32_t seen_pid;   /* of a probed one: as who probes it numbers it */
	uint8_t pad0[2640];

	/* second page: what changes */
	struct slab_control control;
	uint64_t slabs_taken;	   /* next slab number; one atomic add */
	uint64_t slabs_given_back; /* by the digester */
	uint64_t pad1[6];
	struct slab_stats stats;
	struct slab_allocator_stats allocator;
	struct slab_entry entry;
	struct slab_python python;
	uint8_t pad2[3352];
};
_Static_assert(__builtin_offsetof(struct slab_file, control) == 4096,
	       "what changes begins on the second page");
_Static_assert(sizeof(struct slab_file) == SLAB_FILE_HEADER_SIZE,
	       "the header is two pages");

struct slab_head {
	uint32_t magic;	 /* SLAB_MAGIC, stored last when a slab is begun */
	uint32_t kind;	 /* enum slab_kind */
	uint32_t used;	 /* bytes of records after the head; release store */
	uint32_t sealed; /* 1: its owner will not append any more */
	uint64_t seq;	 /* NODES: which run of ids; else the slab number */
	int32_t tid;	 /* first owner; later ones by a THREAD record */
	uint32_t room;	 /* bytes of the slab that the file has space for */
	uint64_t first_ticks; /* base of the first record's time delta */
	uint64_t own[3];      /* the shim's notes: where an owner left off */
};
_Static_assert(sizeof(struct slab_head) == 64, "one cache line");

#define SLAB_ROOM (SLAB_SIZE - (uint32_t)sizeof(struct slab_head))

static inline uint64_t slab_offset(uint64_t slab)
{
	return SLAB_FILE_HEADER_SIZE + slab * (uint64_t)SLAB_SIZE;
}

/*
 * Ticks to CLOCK_MONOTONIC ns.  With the TSC the two pairs of the header give
 * the slope; before a second pair exists @hz_guess (ticks a second) is used.
 */
static inline uint64_t slab_ticks_to_ns(const struct slab_file *f,
					uint64_t ticks, double hz_guess)
{
	double ns_per_tick;
	int64_t since = (int64_t)(ticks - f->start_ticks);

	if (f->clock == SLAB_CLOCK_MONOTONIC)
		return ticks;
	if (f->later_ticks > f->start_ticks)
		ns_per_tick = (double)(f->later_monotonic_ns -
				       f->start_monotonic_ns) /
			      (double)(f->later_ticks - f->start_ticks);
	else
		ns_per_tick = hz_guess > 0 ? 1e9 / hz_guess : 1.0;
	return f->start_monotonic_ns + (int64_t)((double)since * ns_per_tick);
}

static inline const char *slab_drop_name(enum slab_drop reason)
{
	switch (reason) {
	case DROP_NO_SLAB:
		return "no_slab";
	case DROP_AFTER_STOP:
		return "after_stop";
	case DROP_REENTRANT:
		return "reentrant";
	case DROP_SAMPLED_FULL:
		return "sampled_set_full";
	case DROP_NODES_FULL:
		return "stack_table_full";
	case DROP_THREAD_STATE:
		return "no_thread_state";
	case DROP_STACK_TRUNCATED:
		return "stack_truncated";
	case DROP_STACK_BROKEN:
		return "stack_broken";
	case DROP_MODULES_FULL:
		return "module_table_full";
	case DROP_TRACK_FULL:
		return "requests_not_followed";
	case DROP_PYTHON:
		return "python_frames_unread";
	case DROP_NREASONS:
		break;
	}
	return 0;
}

#endif
