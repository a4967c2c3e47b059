/*
 * backtrace: the native stack of a thread of another process, by libunwind,
 * from copies of its registers and its stack (threads.h).
 *
 * libunwind finds the process's memory through this file only: the stack out
 * of the copy, all else (code, unwind tables) read from the process as it runs
 * on, a page at a time and each once.  It never runs inside a target.
 *
 * One struct backtraces serves all threads of a process; single-threaded.
 */
#ifndef STRANDLINE_ATTACH_BACKTRACE_H
#define STRANDLINE_ATTACH_BACKTRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/attach/images.h"
#include "profiler/base/vec.h"

struct backtraces;
struct thread_copy;

#define BACKTRACE_MAX 16384 /* frames; 1000 calls of Python are some 5000 */

struct backtrace_frame {
	uint64_t pc; /* inside the instruction: return addresses less one */
	uint64_t sp;
	bool guessed; /* its callee has no unwind information */
	bool signal;  /* a signal interrupted it */
};

enum backtrace_end {
	BACKTRACE_ROOT,	     /* came to where the thread began */
	BACKTRACE_TRUNCATED, /* BACKTRACE_MAX */
	BACKTRACE_BROKEN,    /* lost the way */
};

struct backtrace {
	VEC(struct backtrace_frame) frames; /* innermost first */
	enum backtrace_end end;
};

/* @images must outlive it.  NULL when out of memory. */
struct backtraces *backtraces_new(struct images *images,
				  const struct remote *there);
void backtraces_free(struct backtraces *b); /* NULL is fine */

/* Replace what is in @out; 0 or -ENOMEM. */
int backtrace_of(struct backtraces *b, const struct thread_copy *thread,
		 struct backtrace *out);
void backtrace_fini(struct backtrace *bt);

#endif
