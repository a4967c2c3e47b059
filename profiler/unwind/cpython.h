/*
 * cpython: where an interpreter keeps its threads, frames and code objects.
 *
 * Freestanding.  The same layout serves the shim, which reads its own process
 * (pystack.h), and a tool that reads another one through a reader.  3.9 to
 * 3.12 by a table of offsets, 3.13 and 3.14 by the _Py_DebugOffsets that the
 * interpreter itself carries.  Neither is believed: cpython_check() holds a
 * layout to a thread that runs, through a reader that cannot fault, and what
 * does not fit is refused with a sentence.
 *
 * A frame is described as Python itself does it: the code object, and the
 * place in it of the instruction at work, in bytes from the first one.
 */
#ifndef STRANDLINE_UNWIND_CPYTHON_H
#define STRANDLINE_UNWIND_CPYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory that may not be there.  False: not all of it could be read. */
struct cpython_reader {
	bool (*read)(void *context, uint64_t at, void *to, size_t size);
	void *context;
};

/*
 * Symbols of the interpreter (cpython_symbol_name()); dynamic ones, so a
 * stripped interpreter has them, too.
 */
enum cpython_symbol {
	CPYTHON_RUNTIME,
	CPYTHON_VERSION, /* 3.11 and later */
	CPYTHON_CODE_TYPE,
	CPYTHON_UNICODE_TYPE,
	CPYTHON_BYTES_TYPE,
	CPYTHON_SINCE_3_9,
	CPYTHON_SINCE_3_10,
	CPYTHON_DEBUG_BUILD,
	CPYTHON_PYPY,
	CPYTHON_THIS_THREAD, /* the shim's: the thread state of the caller */
	CPYTHON_HOLDER,	     /* and that of who holds the interpreter lock */
	CPYTHON_HOLDER_3_13, /* the latter's name since then */
	CPYTHON_NSYMBOLS,
};
const char *cpython_symbol_name(enum cpython_symbol symbol);

enum cpython_verdict {
	CPYTHON_OK,
	CPYTHON_ABSENT,	     /* no interpreter at all */
	CPYTHON_EARLY,	     /* it has not begun to run: ask again */
	CPYTHON_HIDDEN,	     /* its symbols are not exported */
	CPYTHON_IS_PYPY,     /* another interpreter */
	CPYTHON_IS_DEBUG,    /* built with --with-pydebug */
	CPYTHON_IS_THREADED, /* built without the interpreter lock */
	CPYTHON_TOO_OLD,
	CPYTHON_TOO_NEW,
	CPYTHON_ODD, /* its memory is not as its version says */
	CPYTHON_NVERDICTS,
};
/* Completes "Python frames are not shown: "; NULL for OK, ABSENT and EARLY. */
const char *cpython_reason(enum cpython_verdict verdict);

/* Offsets in bytes. */
struct cpython {
	uint32_t version;    /* 0x030b02f0 is 3.11.2 */
	uint64_t runtime;    /* _PyRuntime */
	uint64_t code_type;  /* PyCode_Type */
	uint64_t text_type;  /* PyUnicode_Type */
	uint64_t bytes_type; /* PyBytes_Type */
	struct {
		uint32_t finalizing, interpreters;
	} in_runtime;
	struct {
		uint32_t next, id, threads, modules;
	} in_interpreter;
	struct {
		uint32_t next, interpreter;
		uint32_t ident;	 /* pthread_self() */
		uint32_t native; /* kernel's thread id; 0: not kept */
		/* The innermost frame, or (3.10 to 3.12) what holds it on the
		 * C stack of the evaluator that is at work. */
		uint32_t frame, cframe; /* cframe 0: there is none */
	} in_thread;
	struct {
		uint32_t frame, previous; /* frame: not in 3.10 */
	} in_cframe;
	struct {
		uint32_t previous, code, instruction, owner, entry, locals;
		/* Past the topmost value: a pointer, or (3.10 to 3.13) a
		 * number of them, from `values` on, an address if so. */
		uint32_t top, values;
		/* Those past the last field that is read. */
		uint32_t size;
	} in_frame;
	struct {
		uint32_t first_line, file, name, qualname, lines;
		/* The first instruction; 3.9, 3.10: unused. */
		uint32_t instructions;
	} in_code;
	struct {
		uint32_t length, state, ascii, compact;
	} in_text;
	/* The instruction is an index, to be multiplied; 0: a pointer. */
	uint32_t index_scale;
	/* An evaluator's first frame: has a flag; owner is at least this, and
	 * is then no frame of Python's; 0, 0: each frame is one. */
	bool entry_flag;
	uint8_t entry_owner;
	uint8_t finest_tag; /* bits of a pointer to mask off */
};

/*
 * What interpreter is there, by the addresses of its symbols (0: it has not
 * that one).  Nothing but CPYTHON_OK leaves *@py of any use.
 */
enum cpython_verdict cpython_open(struct cpython *py,
				  const struct cpython_reader *r,
				  const uint64_t symbols[CPYTHON_NSYMBOLS]);

/*
 * Hold the layout to thread state @thread.  CPYTHON_EARLY: it has no frames
 * to tell by.
 */
enum cpython_verdict cpython_check(const struct cpython *py,
				   const struct cpython_reader *r,
				   uint64_t thread);

struct cpython_thread {
	uint64_t state;
	uint64_t interpreter; /* its id, 0 the main one */
	uint64_t ident;	      /* pthread_self() */
	uint64_t native;      /* kernel's id; 0: not kept (3.9, 3.10) */
};

/* All threads of all interpreters; how many, at most @max. */
size_t cpython_threads(const struct cpython *py, const struct cpython_reader *r,
		       struct cpython_thread *out, size_t max);

/*
 * The states of thread @ident that have frames, those of the newest
 * interpreter first: as they are called from one another.  How many, at most
 * @max; none but among the first few hundred of the process are seen.
 */
size_t cpython_states(const struct cpython *py, const struct cpython_reader *r,
		      uint64_t ident, uint64_t *out, size_t max);

struct cpython_frame {
	uint64_t frame;
	uint64_t code;
	/* Bytes from the first instruction; negative: not begun. */
	int32_t instruction;
	/* This frame was the first of its evaluator: what called it is native
	 * code, and it replaces the evaluator's native frame together with
	 * those that stand inside of it. */
	bool entry;
};

/*
 * The frames of a thread, innermost first; how many, at most @max.  A chain
 * that cannot be followed to its end is cut there.
 */
size_t cpython_frames(const struct cpython *py, const struct cpython_reader *r,
		      uint64_t thread, struct cpython_frame *out, size_t max);

/* That frame by itself; false: it is none of Python's. */
bool cpython_frame(const struct cpython *py, const struct cpython_reader *r,
		   uint64_t at, struct cpython_frame *out);
/*
 * What a generator's or coroutine's frame at @at awaits while it is suspended
 * in an await, an object; 0: it cannot be read.
 */
uint64_t cpython_awaited(const struct cpython *py,
			 const struct cpython_reader *r, uint64_t at);

struct cpython_code {
	char qualname[256]; /* UTF-8; until 3.10 the plain name */
	char file[1024];
	uint32_t first_line;
	uint64_t lines; /* address of the line table's bytes */
	uint32_t lines_size;
};

/* False: it cannot be read, or is no code object. */
bool cpython_code(const struct cpython *py, const struct cpython_reader *r,
		  uint64_t code, struct cpython_code *out);

/*
 * A str as UTF-8 into @to, cut to fit @size and terminated.  The length, or
 * -1: not a str.
 */
int cpython_text(const struct cpython *py, const struct cpython_reader *r,
		 uint64_t object, char *to, size_t size);

#endif
