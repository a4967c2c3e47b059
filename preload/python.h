/*
 * python: the Python frames of a stack that is being recorded.
 *
 * When the interpreter (interpreter.h) runs, its layout (unwind/cpython.h) is
 * held to a thread that holds the interpreter's lock, through the kernel, so
 * that nothing can fault; from then on frames are read where they are, without
 * a call into it but one that tells this thread's state.
 *
 * A thread reads its own frames only, and their code objects, which its
 * frames keep alive; nobody else changes them, whether it holds the lock or
 * not.  While the interpreter ends, it does free other threads' frames: none
 * but the thread that ends it is looked at from there on.
 */
#ifndef STRANDLINE_PRELOAD_PYTHON_H
#define STRANDLINE_PRELOAD_PYTHON_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/internal.h"
#include "profiler/unwind/cpython.h"

struct thread_state;

struct python {
	bool on;		      /* frames can be read */
	enum cpython_verdict verdict; /* until then, why not */
	struct cpython layout;
	uint64_t (*this_thread)(void); /* its state, with the lock or without */
	uint64_t (*holder)(void);
	uint32_t busy; /* one check at a time */
	uint32_t odd;  /* checks that failed in a row */
};
extern struct python python;

/* A recording file begins: at start, or in a fork's child. */
void python_begin(void);
/* When one may have come, by a thread that is marked busy. */
void python_refresh(void);
/* Around dlclose (interpreter.h), and when it has been unloaded meanwhile. */
void python_pause(void);
void python_resume(void);
void python_forget(void);

/* The state of this thread, whose frames may be read now; 0: none. */
uint64_t python_thread(void);
/* As threading.get_ident() has it. */
uint64_t python_ident(void);
/* For cpython.h: memory that may not be there, through the kernel. */
extern const struct cpython_reader python_careful;

static inline uint64_t python_load(uint64_t at)
{
	return __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
}

/*
 * There is more than one interpreter: the main one follows the head of the
 * list in _PyRuntime, and the head is the newest.
 */
static inline bool python_has_several(void)
{
	uint64_t head =
		python.layout.runtime + python.layout.in_runtime.interpreters;

	return unlikely(python_load(head) != python_load(head + 8));
}

/* Of a stack: by that of what is outside of a frame, and by the frame. */
#define PYTHON_HASH_EMPTY 0x507974686f6eULL

static inline uint64_t python_hash(uint64_t outer, uint32_t code,
				   uint64_t value)
{
	unsigned __int128 product =
		(unsigned __int128)((outer + code * 0xd6e8feb86659fd93ULL) ^
				    value) *
		0x9e3779b97f4a7c15ULL;

	return ((uint64_t)product ^ (uint64_t)(product >> 64)) | 1;
}

/*
 * python_outer.c: the Python stack of this thread outside of the interpreter
 * that it is in, in those that it came through.
 *
 * Its hash; 0: there is none.  @state: the thread's in this interpreter, whose
 * outermost frame is @root; 0: it has none.
 */
uint64_t python_outer_hash(struct thread_state *ts, uint64_t state,
			   uint64_t root);
/* The node of the stack that was hashed last; 0: it could not be kept. */
uint32_t python_outer_node(struct thread_state *ts);
void python_outer_forget(struct thread_state *ts);

/*
 * python_stack.c: the Python stack of this thread as it is now.  A hash of it,
 * odd; 0: it runs no Python.
 */
uint64_t python_stack_hash(struct thread_state *ts);
/* The node of the stack that was hashed last; 0: it could not be kept. */
uint32_t python_stack_node(struct thread_state *ts);
/* Whatever is known of the previous stack. */
void python_stack_forget(struct thread_state *ts);

/*
 * python_codes.c: an id for each code object, whose names go on record while
 * it is alive; 0: it could not be kept.  An address that is used again for
 * another one gets another id, the same source run again the same.
 */
uint32_t python_code_id(uint64_t code);
/* It will be asked for soon; then, of a code object, what it points to. */
void python_code_fetch(uint64_t code);
void python_code_fetch_names(uint64_t code);
bool python_codes_start(void); /* false: no memory */
/* Which interpreter, and whether its frames can be read. */
void python_tell(void);
void python_codes_forget(void);

#endif
