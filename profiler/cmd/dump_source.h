/*
 * dump_source: what a dump is made from; for the files that make it.
 */
#ifndef STRANDLINE_CMD_DUMP_SOURCE_H
#define STRANDLINE_CMD_DUMP_SOURCE_H

#include "profiler/attach/backtrace.h"
#include "profiler/attach/images.h"
#include "profiler/attach/pyframes.h"
#include "profiler/attach/pytasks.h"
#include "profiler/attach/threads.h"
#include "profiler/cmd/dump.h"
#include "profiler/proc/remote.h"

struct dump_source {
	int dir; /* of /proc/PID */
	struct remote there;
	struct intern *strings;
	struct symtab *symbols;
	struct images *images;
	struct backtraces *backtraces;
	struct backtrace stack; /* in hand */
	struct threads threads;
	struct pyframes python;
	struct pytasks tasks;
};

/* A copy that lives as long as the dump; "" when out of memory. */
const char *dump_keep(struct dump *d, const char *text);
/* A sentence about what could not be had, told once. */
void dump_problem(struct dump *d, const char *sentence);

/* Python frames of the thread in hand that are not shown yet. */
struct dump_python {
	const struct pyframes_thread *thread; /* NULL: none */
	size_t next;
};

/* dump_python.c */
struct dump_python dump_python_of(const struct dump *d,
				  const struct thread_copy *from,
				  const struct dump_thread *t);
/* Those that one evaluator runs; false: there are none left. */
bool dump_python_evaluator(struct dump *d, struct dump_thread *t,
			   struct dump_python *p);
/* What no evaluator was found for, at the end of a stack. */
void dump_python_rest(struct dump *d, struct dump_thread *t,
		      struct dump_python *p);
/* What `threading` calls the threads; 0 or -ENOMEM. */
int dump_python_names(struct dump *d);
/* asyncio's tasks; 0 or -ENOMEM. */
int dump_python_tasks(struct dump *d);
/* Why there are no Python frames, where an interpreter is. */
void dump_python_problem(struct dump *d);

#endif
