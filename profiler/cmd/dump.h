/*
 * dump: what all threads of a process are at, as values to print.
 *
 * dump_take() does all the looking; dump_text() and dump_json() are pure.
 */
#ifndef STRANDLINE_CMD_DUMP_H
#define STRANDLINE_CMD_DUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/base/vec.h"
#include "profiler/model/model.h"

struct buf;
struct err;
struct layout;

enum dump_state {
	DUMP_RUNNING,
	DUMP_WAITING, /* in a system call that can be interrupted */
	DUMP_KERNEL,  /* in one that cannot: it could not be stopped */
	DUMP_UNSEEN,  /* it did not stop in time */
};

enum dump_end { /* of a stack's outer end */
		DUMP_ROOT,
		DUMP_TRUNCATED,
		DUMP_BROKEN,
		DUMP_GREENLET, /* that of its own; not the thread's */
};

struct dump_frame {
	struct model_frame frame; /* strings belong to the struct dump */
	uint64_t address;	  /* 0: a Python frame */
	uint64_t offset;	  /* bytes past the function's start */
	bool guessed;		  /* found by looking for return addresses */
	bool signal;		  /* a signal interrupted it */
};

struct dump_thread {
	pid_t tid, own_tid; /* own: in its own pid namespace */
	const char *name;
	const char *python_name; /* as `threading` has it; NULL: none */
	const struct pyframes_thread *python; /* NULL: runs no Python */
	enum dump_state state;
	const char *call;  /* "epoll_wait"; NULL: none that has a name */
	const char *waits; /* "events (epoll_wait)"; NULL: for nothing */
	uint64_t futex;	   /* it waits on; 0: none */
	pid_t holder;	   /* of the lock it waits for; 0: not known */
	double cpu_s;
	VEC(struct dump_frame) frames; /* innermost first */
	enum dump_end end;
};

/* Of asyncio, and not on a thread's stack unless it runs. */
struct dump_task {
	const char *name;
	const char *state; /* "waiting", "ready", "running" */
	const char *waits; /* "Future", "task Task-7"; NULL: for nothing */
	VEC(struct dump_frame) frames; /* innermost first */
};

struct dump {
	pid_t pid;
	const char *exe, *command;
	double stopped_ms;
	bool job_control; /* a signal had stopped it before */
	VEC(struct dump_thread) threads;
	VEC(struct dump_task) tasks;
	/* Threads that wait for each other, each run ending with 0. */
	VEC(pid_t) deadlocks;
	VEC(const char *) problems; /* sentences */
	struct dump_source *source; /* whose the strings are */
};

/* Which frames are shown. */
enum dump_view { DUMP_MIXED, DUMP_NATIVE, DUMP_PYTHON };

/* With DUMP_NATIVE an interpreter's evaluators stay as they are. */
int dump_take(struct dump *d, pid_t pid, enum dump_view view, struct err *err);
void dump_fini(struct dump *d);

/* With DUMP_PYTHON native frames are left out. */
void dump_text(const struct dump *d, enum dump_view view,
	       const struct layout *l);
void dump_json(const struct dump *d, enum dump_view view, struct buf *out);

/* dump_locks.c: who waits for whom, after all threads are named. */
struct remote;
int dump_find_locks(struct dump *d, const struct remote *there);

#endif
