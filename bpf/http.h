/*
 * bpf/http.h: the contract between http.bpf.c and its reader.
 *
 * What the targets read from and write to the connections that they serve,
 * as far as HTTP needs it: for each call when and how much, and the beginning
 * (and the last few bytes) of each buffer.  profiler/http makes requests of
 * it.  Fixed-width types, no pointers that anybody follows.
 */
#ifndef STRANDLINE_BPF_HTTP_H
#define STRANDLINE_BPF_HTTP_H

#include <linux/types.h>

enum segment_kind {
	SEGMENT_READ = 1,
	SEGMENT_WRITE,
	SEGMENT_CLOSE, /* nothing more will be written; no pieces */
};

enum segment_flag {
	SEGMENT_OPENS = 1, /* nothing was told of this connection yet */
	SEGMENT_JOINED =
		2, /* with OPENS: it may be in the middle of something */
	SEGMENT_WAITS = 4,  /* the descriptor blocks */
	SEGMENT_UNREAD = 8, /* bytes could not be looked at */
	SEGMENT_TLS = 16,   /* plaintext; `connection` is the TLS object */
};

struct segment_piece { /* one buffer of a call */
	__u32 total;   /* bytes that went through it */
	__u16 seen;    /* the first of them, in segment.bytes */
	__u16 tail;    /* the last of them, behind those */
};

/* Of one call; what has more buffers is told without their bytes. */
#define SEGMENT_PIECES 8
/* Room for the bytes of events of two sizes; a first buffer may have it all */
#define SEGMENT_SMALL	 256
#define SEGMENT_LARGE	 1024
#define SEGMENT_MORE_MAX 128 /* bytes of each further buffer */
#define SEGMENT_TAIL_MAX 16

struct segment {
	__u64 connection; /* the address of its struct sock */
	__u64 at_ns;	  /* CLOCK_MONOTONIC, when the call returned */
	__u64 since_ns;	  /* when it was made */
	__u64 arrived_ns; /* READ: when its first bytes came; 0: unknown */
	__u64 missed; /* bytes of this way before, of which no event tells */
	__u64 total;  /* bytes */
	__u64 cpu_ns; /* that the thread was on a CPU, ever; to the last tick */
	__u32 pid;    /* tgid, of the first pid namespace */
	__u32 tid;
	__u8 kind;  /* enum segment_kind */
	__u8 flags; /* enum segment_flag */
	__u8 pieces;
	__u8 pad;
	__u16 used; /* of `bytes`, by what the pieces have seen */
	__u8 pad_used[2];
	struct segment_piece piece[SEGMENT_PIECES];
	__u8 bytes[];
};
_Static_assert(sizeof(struct segment) == 136, "shared with user space");

/* A connection, by the address of its struct sock; map `connections`. */
struct segment_connection {
	__u64 arrived_ns; /* bytes not read yet, the first of them; 0: none */
	__u64 missed[2];  /* see segment.missed: read, written */
	__u32 pid;	  /* who was last at it */
	__u8 told;	  /* an event has */
	__u8 joined;
	__u8 ignored; /* written by the reader: it does not carry HTTP/1 */
	__u8 pad;
};

/* How a function of a TLS library says how much; a cookie. */
enum tls_answer {
	TLS_RETURNED, /* it returns it, an int */
	TLS_TOLD,     /* it returns 1 and writes it where it was told to */
};

#define SEGMENT_CONNECTIONS_MOST 32768
#define SEGMENT_TIMED		 64
#define SEGMENT_RING_SIZE	 (8u << 20)

enum segment_counter {
	SEGMENT_SENT,
	SEGMENT_RING_FULL,	  /* events; the bytes are told as missed */
	SEGMENT_CONNECTIONS_FULL, /* connections that are not followed */
	SEGMENT_NO_STORAGE,	  /* calls of a thread without memory */
	SEGMENT_BYTES_UNREAD,	  /* buffers that could not be looked at */
	SEGMENT_IO_URING, /* rings set up: what they carry is not seen */
	SEGMENT_RUNS,	  /* calls of targets that were looked at */
	SEGMENT_NS,	  /* that took, of one in SEGMENT_TIMED */
	SEGMENT_NCOUNTERS,
};

#endif
