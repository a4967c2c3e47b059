/*
 * late: the shim in a process that was running already.
 *
 * A tool loads it and enters it at strandline_late() (wire/late.h), in a
 * thread of its own, to begin a recording or to end it.  What is between the
 * two is as if it had been preloaded, except that calls come by way of slots
 * that were changed (got.c), and that it looks about once a second whether the
 * tool still lives.  At the end the slots are put back and it waits until no
 * thread is inside; then nothing is left but code that nobody calls and memory
 * that has been given back.  Code is never unloaded: a thread may be about to
 * return to it, and the server may have copied a pointer to it.
 */
#ifndef STRANDLINE_PRELOAD_LATE_H
#define STRANDLINE_PRELOAD_LATE_H

#include <stdbool.h>

/*
 * What a thread allocates between two looks whether it may record again: a
 * server with few requests must not wait for minutes.
 */
#define LATE_CREDIT ((int64_t)1 << 17)

struct thread_state;

/* Is this image one that a tool has sent?  Then nothing begins by itself. */
bool late_begin(void);
/* Preloaded, with STRANDLINE=idle: what is to be done at start. */
void late_wait(void);
/* See what a tool wants of it, by a thread that is not recording. */
void late_answer(void);
/* Modules that came since, and the tool; by a thread that is recording. */
void late_look(void);
void late_fork(void); /* in a child, before anything else */
void late_fork_child(void);

#endif
