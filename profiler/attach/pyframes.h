/*
 * pyframes: the Python frames of all threads of another process.
 *
 * Three moments: before the process is stopped the interpreter is found, while
 * it stands still its frames are copied (a page read or two a thread), and
 * when it goes on again their code objects are read for names; a code object
 * that has gone by then is "?".
 */
#ifndef STRANDLINE_ATTACH_PYFRAMES_H
#define STRANDLINE_ATTACH_PYFRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/attach/images.h"
#include "profiler/base/vec.h"
#include "profiler/proc/remote.h"
#include "profiler/unwind/cpython.h"

#define PYFRAMES_THREADS 4096

struct pages;

struct pyframes_thread {
	struct cpython_thread id;
	size_t first, count; /* in `frames`, innermost first */
};

struct pyframes {
	enum cpython_verdict verdict;
	struct cpython layout;
	struct remote there;
	struct pages *pages; /* of the stop */
	VEC(struct pyframes_thread) threads;
	VEC(struct cpython_frame) frames;
};

/* Find an interpreter; `verdict` says what came of it.  0 or -ENOMEM. */
int pyframes_find(struct pyframes *p, struct images *images,
		  const struct remote *there);
/* While all threads stand still. */
void pyframes_copy(struct pyframes *p);
/* False: the code object cannot be read. */
bool pyframes_code(struct pyframes *p, const struct cpython_frame *f,
		   struct cpython_code *code, uint32_t *line);
/* Where sys.modules of the main interpreter is; 0: not known. */
uint64_t pyframes_modules(const struct pyframes *p);
void pyframes_fini(struct pyframes *p); /* a zeroed one is fine */

/* Of a thread by pthread_self(), else by the kernel's number; NULL: none. */
const struct pyframes_thread *pyframes_thread(const struct pyframes *p,
					      uint64_t ident, uint64_t native);
/*
 * That thread in the interpreter from which it came into this one; NULL: none.
 * A thread has a state in each that it is in, and those of the newest
 * interpreter come first.
 */
const struct pyframes_thread *pyframes_outer(
	const struct pyframes *p, const struct pyframes_thread *inner);

#endif
