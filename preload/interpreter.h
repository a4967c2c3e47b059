/*
 * interpreter: the CPython of this process, found once for all that want it.
 *
 * Looked for at start, and again whenever code has come that was not there
 * (modules.c): a server may load its interpreter late.  One that came late
 * may go again, too; nobody is to call into it while it does.
 */
#ifndef STRANDLINE_PRELOAD_INTERPRETER_H
#define STRANDLINE_PRELOAD_INTERPRETER_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/internal.h"
#include "profiler/unwind/cpython.h"

struct link_map;

struct interpreter {
	const struct link_map *object; /* NULL: there is none */
	uint64_t symbols[CPYTHON_NSYMBOLS];
	enum cpython_verdict verdict; /* at best it has not begun to run */
	struct cpython layout;
	uint32_t seen;	  /* modules that were known when it was looked for */
	uint32_t busy;	  /* one search at a time */
	uint32_t closing; /* calls of dlclose under way */
	bool paused;	  /* for them nobody uses what was found */
	bool looked;	  /* once, at start */
	bool mortal;	  /* it came late: it can be unloaded */
};
extern struct interpreter interpreter;

/* Look for one, where none was found.  Whether there is one. */
bool interpreter_find(void);

/* Has code come since, in which one may be? */
static inline bool interpreter_may_be_new(void)
{
	return !interpreter.object && shim.file &&
	       interpreter.seen != shim.file->stats.modules;
}

/*
 * Around dlclose: what was found is not used meanwhile; is it still there?
 * What the first returns is for the second: an interpreter may be found while
 * a call is under way that nobody was paused for.
 */
bool interpreter_closing(void);
void interpreter_closed(bool counted);
/* It may have gone while nobody was called for dlclose. */
static inline void interpreter_recheck(void)
{
	interpreter_closed(interpreter_closing());
}

/* Before anything of it is used there. */
void interpreter_fork_child(void);

#endif
