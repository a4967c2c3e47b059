/*
 * bpf/heap.h: the contract between heap.bpf.c and its reader: blocks that
 * were born and died, a sample of them.
 */
#ifndef STRANDLINE_BPF_HEAP_H
#define STRANDLINE_BPF_HEAP_H

#include <linux/types.h>

#include "bpf/stack.h"

/* What a probed function does; `at` is the argument that the list begins
 * with. */
enum heap_kind {
	HEAP_ALLOC,   /* (size): a block or NULL */
	HEAP_ARRAY,   /* (count, size): the same */
	HEAP_STORE,   /* (block *, alignment, size): 0, or an error */
	HEAP_RESIZE,  /* (block, size): the block, perhaps elsewhere */
	HEAP_REARRAY, /* (block, count, size): the same */
	HEAP_REPLACE, /* HEAP_RESIZE that frees the block when it fails */
	HEAP_RELEASE, /* (block) */
	HEAP_NKINDS,
};

/* The cookie of a probe. */
#define HEAP_COOKIE(kind, at, api) \
	((__u64)(kind) | (__u64)(at) << 8 | (__u64)(api) << 16)
#define HEAP_COOKIE_KIND(c) ((c)&0xff)
#define HEAP_COOKIE_AT(c)   (((c) >> 8) & 0xff)
#define HEAP_COOKIE_API(c)  (((c) >> 16) & 0xff)
#define HEAP_COOKIE_STEPPED (1ULL << 24) /* a dear place: for the account */
#define HEAP_COOKIE_TRIAL   (1ULL << 25) /* our own, to see what it costs */
#define HEAP_COOKIE_PASSES  (1ULL << 26) /* no old block: another one's */

enum heap_what {
	HEAP_BORN = 1, /* struct heap_born */
	HEAP_DIED,     /* struct heap_died */
	HEAP_KEPT,     /* struct heap_died: it did not, realloc() failed */
};

struct heap_died {
	__u32 what;
	__s32 pid, tid;
	__u32 pad;
	__u64 at_ns; /* CLOCK_MONOTONIC, before the call */
	__u64 address;
};
_Static_assert(sizeof(struct heap_died) == 32, "shared with user space");

struct heap_born {
	__u32 what;
	__u32 api;   /* enum record_api */
	__u64 at_ns; /* CLOCK_MONOTONIC, after the call */
	__u64 address, size;
	__u64 mean;		    /* that its sample was drawn by */
	struct stack_sample sample; /* as long as its frames are */
};

/* A live block of which HEAP_BORN told. */
struct heap_key {
	__u64 address;
	__u32 pid;
	__u32 pad;
};

struct heap_block {
	__u32 image; /* of its process: none of it outlives an exec */
	__u32 died;  /* and there was no room to tell */
};

#define HEAP_LIVE_MOST (256 * 1024)
#define HEAP_RING      (8 * 1024 * 1024)

/* log2(1 + i / HEAP_LOG_STEPS) in units of 2^-24; the last is log2(2). */
#define HEAP_LOG_STEPS 256

enum heap_counter { /* index into `counters` */
		    HEAP_SENT,
		    HEAP_HITS,	  /* of probes, at cheap places */
		    HEAP_STEPPED, /* the same, at dear ones */
		    HEAP_RETURNS, /* that were caught */
		    HEAP_NS,	  /* spent on stacks */
		    HEAP_ENDED,	  /* blocks that were told of and died */
		    HEAP_RING_FULL,
		    HEAP_LIVE_FULL,
		    HEAP_LATE,	 /* releases that are told of later */
		    HEAP_MISSED, /* within another one on the same CPU */
		    HEAP_CUT,
		    HEAP_BROKEN,
		    HEAP_NO_STORAGE,
		    HEAP_NCOUNTERS,
};

#endif
