/*
 * internal: what the shim's files know of each other.
 *
 * Contract with the host: same results, same errno, no lock, no wait, no
 * allocation through its allocator, no output.  What cannot be recorded under
 * that contract is dropped and counted.
 *
 * Life: everything starts in shim_start(), on the first hooked call or in the
 * constructor, whichever is first, while the process has one thread.  After
 * that `shim` is read by all threads; fields that change are marked, with
 * their partners.  fork: fork.c starts a new recording file in the child.
 */
#ifndef STRANDLINE_PRELOAD_INTERNAL_H
#define STRANDLINE_PRELOAD_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/unwind/rules.h"
#include "profiler/unwind/stack.h"
#include "profiler/wire/quota.h"
#include "profiler/wire/record.h"
#include "profiler/wire/slab.h"

#define EXPORT	    __attribute__((visibility("default")))
#define COLD	    __attribute__((cold, noinline))
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Each allocation costs its size plus this: DESIGN, "Two modes". */
#define SAMPLE_CONSTANT 512

/* In exact mode 1 event in 64 is timed, for the cost in reports. */
#define EXACT_TIMED_MASK 63u

/* A slab being filled by one thread. */
struct slab_pen {
	struct slab_head *head; /* NULL: none */
	uint8_t *at;		/* next byte */
	uint8_t *end;		/* no record may begin past it */
	uint64_t ticks;		/* of the previous record */
	uint64_t addr;		/* of the previous record, >> 3 */
	uint64_t mean;		/* last MEAN written */
	uint32_t number;
};

/*
 * One per thread that has recorded something; 192 KiB of address space, of
 * which some 20 KiB are ever touched.  Kept and reused after the thread ends.
 */
struct thread_state {
	struct slab_pen pen;
	struct stack *stack;
	struct stack_bounds bounds; /* where the stack was found last */
	uint64_t mean;		    /* the mean that drew the current credit */
	uint64_t random;	    /* xorshift state */
	uint64_t retry_ticks;	    /* no slab could be had: not before this */
	uint64_t events, feeds;
	int tid;
	uint32_t route; /* that the recording says it works for */
	uint64_t span;	/* number of the one it is at; 0: none */
	bool busy;	/* inside our own code: a signal or a nested call */
	struct thread_state *next;   /* in the pool of unused states */
	struct thread_state *all;    /* in the list of all states */
	uint32_t last_node;	     /* of the previous stack */
	uint64_t last_python;	     /* hash of its Python frames; 0: none */
	struct python_stack *python; /* NULL until it has run Python */
	struct python_outer *outer;  /* NULL: in one interpreter so far */
	uint64_t memo_hash[1024];    /* hash of a stack -> node */
	uint32_t memo_node[1024];
};

/* What this thread works for, and when its event loop woke: requests.c. */
struct request_context {
	uint64_t key;	/* connection whose bytes it read last; 0: none */
	uint32_t route; /* its request's; allocations are charged to it */
	uint16_t open;	/* requests begun there and not ended */
	bool alone;	/* the latest of them began while there was no other */
	bool slept;	/* the last wait did */
	bool pinned;	/* the program says what it works for */
	int epoll;	/* the last wait was on that; -1: on none */
	uint64_t ready, ready_after; /* the last two waits ended, ticks */
	const void *tls;    /* object whose library this thread is in; NULL */
	uint64_t sealed;    /* bytes of sealed_fd arrived, not decrypted; 0 */
	uint64_t sealed_at; /* they were read, ticks */
	int sealed_fd;	    /* whose ciphertext it read last */
};

/*
 * The whole of our thread-local storage: it must fit the static TLS surplus
 * when the library arrives by dlopen.
 */
struct thread_local_state {
	int64_t credit;	     /* bytes until the next sample; < 0: due */
	int64_t credit_kept; /* own.c: what it was before a mute */
	struct thread_state *state;
	bool leaving;	 /* the thread's destructors run: hold nothing */
	uint32_t epoch;	 /* shim.epoch that `state` and `context` are of */
	bool arena;	 /* what is mapped now is for CPython's objects */
	uint8_t closing; /* counted calls of dlclose it is in: interpreter.c */
	struct request_context context;
};
extern __thread struct thread_local_state self
	__attribute__((tls_model("initial-exec")));

/*
 * In the hook of an allocator of the program's own (own.c) the credit is
 * above this, so that nothing the allocator does inside is due.
 */
#define MUTED (INT64_MAX / 4)

/* One subtraction and one branch: all that an unsampled malloc pays. */
static inline bool sample_due(size_t size)
{
	self.credit -= (int64_t)size + SAMPLE_CONSTANT;
	return unlikely(self.credit < 0);
}

/* Takes that back. */
static inline void sample_not_due(size_t size)
{
	self.credit += (int64_t)size + SAMPLE_CONSTANT;
}

/*
 * Is this address perhaps sampled?  Counts of the samples that live, by 64
 * bytes of address space over and over: what a program frees lies together, in
 * few pages, and the counts of a page are one cache line, which stays in the
 * cache where counts strewn over the array would miss it nearly each time.
 */
struct filter {
	uint64_t mask; /* counts, a power of two, - 1 */
	uint8_t counts[] __attribute__((aligned(64)));
};

static inline uint64_t filter_index(const struct filter *f, uint64_t addr)
{
	return addr >> 6 & f->mask;
}

/* No address is in it. */
extern struct filter shim_filter_closed __attribute__((visibility("hidden")));

struct shim {
	/* hot: read on every call */
	struct filter *filter; /* swapped by sampled.c */
	uint32_t mode;	       /* enum slab_mode */
	bool started;
	bool on;		     /* there is a recording */
	bool tsc;		     /* the clock is the TSC */
	bool idle;		     /* preloaded, and waits for a tool */
	bool follow;		     /* record forked children, too */
	bool http;		     /* follow requests, too */
	bool patch;		     /* change code where it must be */
	bool late;		     /* came into a running process: late.c */
	bool closed;		     /* late: nobody may begin to record */
	uint32_t epoch;		     /* late: + 1 at the end of a recording */
	struct slab_file *header;    /* late: where it lies; NULL: anywhere */
	bool python;		     /* read Python frames, too */
	bool python_objects;	     /* wrap CPython's allocators */
	const uint32_t *fork_canary; /* wiped by the kernel in a child */
	struct slab_file *file;	     /* NULL: no recording */
	bool scarce;		     /* space, when somebody looked last */
	struct wire_quota *quota;    /* of all processes; NULL: each its own */
	struct rules *rules;
	const struct unwind_modules *modules; /* release by modules.c */
	const uint64_t *brk_now;	      /* libc's; NULL: not glibc */
	uint64_t brk_seen;		      /* brk.c has booked so much */

	/* cold */
	int fd;		/* of the slab file; see descriptors.c */
	char path[512]; /* of the slab file, absolute */
	char dir[448];
	const char *routes; /* templates, as set; NULL: none */
	uint64_t max_bytes;
	uint64_t rate; /* fixed mean, 0: auto */
	uint64_t seed;
	int seed_pid; /* where the seed is given: threads count from it */
	uint64_t window_ticks, window_samples; /* rate control, sample.c */
	uint64_t window_cpu_ns;		       /* by whoever ends a window */
	uint64_t second_ticks;		       /* about a second in ticks */
	uint64_t allocator_ticks; /* when allocator.c last looked */
};
extern struct shim shim;

#define FORK_CANARY 0x57414e44u

/* init.c */
void shim_start(void);
void shim_begin_file(bool forked); /* create and head a recording file */
/* The same in files that are open already; late.c.  False: not recording. */
bool shim_begin_late(int fd, int quota_fd, const char *routes);
void shim_note_end(void); /* an orderly end: into the file */

/* memory.c: private zeroed pages, named in /proc/PID/maps; NULL: none */
void *shim_memory(size_t size);
void shim_memory_free(void *at, size_t size);
void shim_memory_account(void);	     /* stats.self_bytes */
#define SHIM_STATE_SIZE (192u << 10) /* of a thread; its stack ... */
#define SHIM_STATE_KEPT 16384u	     /* ...begins there */
/* All of it back to zeros, but for what lies before each state's stack. */
void shim_memory_forget(void);
void shim_memory_tell(struct slab_entry *entry);

static inline void shim_drop(enum slab_drop reason)
{
	if (shim.file)
		__atomic_fetch_add(&shim.file->stats.drops[reason], 1,
				   __ATOMIC_RELAXED);
}

/* real.c */
void *real_symbol(const char *name); /* next definition after ours */
void *real_symbol_in(const char *name, const void *peer);
const char *real_object_of(const void *code); /* file name, "" unknown */

/* clock: raw ticks of shim.file->clock */
uint64_t clock_ns(void);
static inline uint64_t ticks_now(void)
{
	return likely(shim.tsc) ? __builtin_ia32_rdtsc() : clock_ns();
}

/*
 * slabs.c.  A slab begins with @size bytes, SLAB_STEP or all; whoever needs
 * more up to byte @need extends it first.
 */
#define SLAB_STEP 4096u
struct slab_head *slab_take(enum slab_kind kind, uint64_t seq, int tid,
			    uint64_t ticks, uint32_t size, uint32_t *number);
bool slab_extend(struct slab_head *head, uint64_t number, uint32_t need);
void slab_unmap(struct slab_head *head);
bool pen_begin(struct thread_state *ts, uint64_t ticks);
void pen_release(struct thread_state *ts);
void pen_seal(struct thread_state *ts);
void slab_refresh_clock(void);
void slabs_fork_child(void);
/* Room for one record, starting a new slab when needed; NULL: dropped. */
static inline uint8_t *pen_room(struct thread_state *ts, uint64_t ticks)
{
	if (likely(ts->pen.at && ts->pen.at <= ts->pen.end))
		return ts->pen.at;
	return pen_begin(ts, ticks) ? ts->pen.at : NULL;
}
/* Publish what was written up to @at; pairs with the reader's acquire. */
static inline void pen_commit(struct thread_state *ts, uint8_t *at)
{
	ts->pen.at = at;
	__atomic_store_n(&ts->pen.head->used,
			 (uint32_t)(at - (uint8_t *)(ts->pen.head + 1)),
			 __ATOMIC_RELEASE);
}

/* thread.c */
struct thread_state *thread_begin(void); /* NULL: no memory, or switched off */
void thread_done(struct thread_state *ts); /* after each event */
void thread_start(void);
void thread_fork_child(void);
bool thread_all_quiet(const struct thread_state *but); /* none is busy */
void thread_end_epoch(void); /* when all are; the states can be used anew */
bool thread_bounds(struct thread_state *ts, uint64_t sp);

/* modules.c */
void modules_start(void);
void modules_refresh(void);	   /* now */
bool modules_missing(uint64_t pc); /* true: the table changed */
void modules_invalidate(void);	   /* after dlclose */
void modules_fork_child(void);
void modules_forget(void);
void modules_tell_patch(const char *function, const char *path,
			enum wire_patch_state state);
const struct unwind_module *modules_find(uint64_t pc);

/* nodes.c: calling-context tree */
void nodes_start(void);
void nodes_fork_child(void);
uint32_t nodes_of_stack(struct thread_state *ts, const struct stack_regs *regs);

/* sample.c */
int64_t sample_draw(struct thread_state *ts);
void sample_taken(uint64_t ticks);

/* sampled.c */
void sampled_start(void);
bool sampled_insert(uint64_t addr);
bool sampled_remove(uint64_t addr);
void sampled_maintain(void);
void sampled_clear(void);

static inline bool filter_hit(const void *p)
{
	const struct filter *f =
		__atomic_load_n(&shim.filter, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&f->counts[filter_index(f, (uint64_t)p)],
			       __ATOMIC_RELAXED) != 0;
}

/* descriptors.c: shim.fd */
int descriptor_open(const char *path, int flags, int mode);
int descriptor_begin(int fd); /* keep it, moved out of the way; 0, -1 */
void descriptor_forget(void); /* close it, if it is ours still */
bool descriptor_ready(void);  /* perhaps opened again */
bool descriptor_is_file(int fd);

/*
 * record.c: the slow path.  What stands between record_enter(), NULL where
 * nothing can be recorded now, and record_leave() may write to the pen.
 */
struct thread_state *record_enter(void);
void record_leave(struct thread_state *ts);
bool record_wanted(void);   /* recording, not idle or stopped */
bool record_in_vfork(void); /* a child that has our memory, but descriptors
			     * of its own, until it execs; costs a call */
/* record_enter(), but NULL also where nothing is wanted now. */
struct thread_state *record_enter_wanted(void);
/* @type is one that says by how much the stack @node changed something. */
void record_put_change(struct thread_state *ts, enum record_type type,
		       uint32_t node, int64_t by);
static inline uint8_t *record_put_ticks(struct thread_state *ts, uint8_t *at,
					uint64_t ticks)
{
	int64_t by = (int64_t)(ticks - ts->pen.ticks);

	ts->pen.ticks = ticks;
	return record_put(at, record_zigzag(by));
}
bool record_release(void *p); /* true: it is on record */
void record_unrelease(void *p);
void record_unmap(void *at, size_t size);

/* slow.S: record_alloc() and so on, with the caller's registers */
void *alloc_slow(void *p, size_t size, unsigned api); /* returns p */
void map_slow(void *at, size_t size, unsigned zero);
void brk_slow(void *at, size_t grown, unsigned zero);

/* brk.c */
void brk_start(void);
void brk_fork_child(void);
void brk_note(struct thread_state *ts, uint32_t node);
void brk_pass(void); /* what moved while nothing is recorded is nobody's */
static inline bool brk_moved(void)
{
	uint64_t now = shim.brk_now
			       ? __atomic_load_n(shim.brk_now, __ATOMIC_RELAXED)
			       : 0;

	return now && now != __atomic_load_n(&shim.brk_seen, __ATOMIC_RELAXED);
}

/* allocator.c */
void allocator_start(void);
void allocator_refresh(void);

/* sockets.c */
void sockets_start(void);

/* reach.c */
void reach_tell(struct slab_entry *entry);
void reach_leave(struct slab_entry *entry, const char *path);

/* fork.c */
void fork_start(void);
void fork_child(void);

#endif
