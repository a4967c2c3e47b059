/*
 * pyobjects: CPython's own allocators, wrapped.
 *
 * Small Python objects never reach malloc: pymalloc cuts them from arenas.
 * So the functions behind PyObject_Malloc and PyMem_Malloc are replaced by
 * ours, through PyMem_SetAllocator, which is made for that.  Ours ask the
 * former ones and keep their context, so whatever a thread makes of the
 * change while it happens is either the old function or the new one with the
 * right context.
 *
 * What pymalloc passes on to malloc is counted once: the thread is muted
 * while the former function runs (internal.h).  Its arenas are recorded as
 * maps of their own kind, which are no memory beside that of the objects.
 *
 * The wrapping happens before main(), where the interpreter is there already;
 * there is one thread then, and no object yet.  Settings such as PYTHONMALLOC
 * replace the allocators once more, and an interpreter may come later: both
 * are seen about once a second, and mended by a thread that holds the GIL.
 *
 * Nothing is undone at exit.  pyobjects_detach() puts the former functions
 * back, where nobody has wrapped ours meanwhile; ours may still be called and
 * pass everything on.
 */
#ifndef STRANDLINE_PRELOAD_PYOBJECTS_H
#define STRANDLINE_PRELOAD_PYOBJECTS_H

#include <stdbool.h>

/* Which interpreter is there (interpreter.h), and can it be wrapped? */
void pyobjects_find(void);
/*
 * A recording has begun: wrap what was found, @now where nothing of it runs
 * yet, else when a thread with the GIL comes by.
 */
void pyobjects_begin(bool now);
/* About once a second, and when an interpreter may have come; by a thread that
 * is marked busy. */
void pyobjects_refresh(void);
/* Around dlclose, and when the interpreter has been unloaded meanwhile. */
void pyobjects_pause(void);
void pyobjects_resume(void);
void pyobjects_forget(void);
/* From any thread; what is allocated from here on is not seen. */
void pyobjects_detach(void);
/* The child's file is to say what the parent's says. */
void pyobjects_fork_child(void);

#endif
