/*
 * probefile: writes <pid>.probe.slabs, what probes in the kernel saw of one
 * process: stacks as nodes, and what they weigh, and the requests it answered.
 *
 * Equal nodes are one; weights are added up and written at each flush, so that
 * the file grows with the number of stacks that were active, not of events.
 * Single-threaded.
 */
#ifndef STRANDLINE_TRACE_PROBEFILE_H
#define STRANDLINE_TRACE_PROBEFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/wire/record.h"

struct err;
struct probefile;

struct probefile_process {
	pid_t pid, ppid;     /* that it goes by in the recording */
	pid_t seen_pid;	     /* in ours */
	const char *exe;     /* may be "" */
	const char *command; /* words that each end with NUL */
	size_t command_size;
	const char *comm;
};

/*
 * Create DIR/<pid>.probe.slabs; <pid>.<n>.probe.slabs when another process has
 * the first: of another container, or one that ended before.
 */
int probefile_create(struct probefile **out, const char *dir,
		     const struct probefile_process *process, struct err *err);
/* What was not flushed is lost.  NULL is fine. */
void probefile_close(struct probefile *f);

struct probefile_module {
	const char *path;
	const uint8_t *build_id;
	uint32_t build_id_size; /* at most 32 */
	uint64_t bias, start, end;
};

/* Ids, from 1; 0 when there is no memory or space: an unknown one. */
uint32_t probefile_module(struct probefile *f,
			  const struct probefile_module *module);
uint32_t probefile_text(struct probefile *f, const char *text);
uint32_t probefile_node(struct probefile *f, uint32_t parent,
			enum wire_node_kind kind, uint32_t module,
			uint64_t value);
/* -ENOMEM when the weight is lost. */
int probefile_weigh(struct probefile *f, uint32_t node,
		    enum wire_weight_kind kind, int64_t count, int64_t weight);

struct probefile_code { /* a Python code object */
	const char *qualname, *file;
	uint32_t first_line;
	uint32_t version; /* of Python: how to read its lines */
	const uint8_t *lines;
	uint32_t lines_size;
};

/* An id for NODE_PYTHON, from 1; 0 as above. */
uint32_t probefile_code(struct probefile *f, const struct probefile_code *code);

struct probefile_python {
	uint32_t version;
	const char *reason; /* why its frames can never be read; "": they can */
	const char *folder; /* the one the process is in; may be "" */
};

/* Say what interpreter it runs; 0 or -errno. */
int probefile_python(struct probefile *f,
		     const struct probefile_python *python);

struct probefile_request { /* times: CLOCK_MONOTONIC ns; see RECORD_REQUEST */
	uint64_t at;	   /* its end was known */
	uint64_t first_in; /* its arrival, or its read */
	uint64_t read, first_out, last_out; /* 0: none */
	uint64_t gap;
	uint64_t cpu;	/* 1 + what its thread was on a CPU; 0: unknown */
	uint32_t route; /* of probefile_route(); 0: unknown */
	uint16_t status;
	uint8_t flags; /* enum request_flag */
};

/* Say what route @id is, unless that was said; 0 or -errno. */
int probefile_route(struct probefile *f, uint32_t id, const char *text);
/* -errno when it is lost (and counted). */
int probefile_request(struct probefile *f, const struct probefile_request *r);
/* Is the latest of them one of the slowest of its route so far? */
bool probefile_is_slow(const struct probefile *f);
/* What threads did during the one of @route that arrived then; 0 or -errno. */
int probefile_slow_parts(struct probefile *f, uint32_t route, uint64_t at_ns,
			 const struct wire_slow_part *parts, size_t count);
/*
 * A call, from one time to another, of what probefile_route() calls @name; ids
 * from SPAN_NAME_FIRST on.  As probefile_request() else.
 */
int probefile_span(struct probefile *f, uint32_t name, uint64_t began_ns,
		   uint64_t ended_ns);
#define PROBEFILE_CONSTANT 512 /* slab_file.sample_constant */

struct probefile_block {
	uint64_t at; /* CLOCK_MONOTONIC ns */
	uint64_t address, size;
	uint64_t mean; /* it is one of a sample, see record.h */
	uint32_t node;
	int32_t tid;
	enum record_api api;
};

/* A block was born; -errno when that is lost (and counted). */
int probefile_alloc(struct probefile *f, const struct probefile_block *b);
/* It died; or did not, after all: @type is RECORD_FREE or RECORD_UNFREE. */
int probefile_release(struct probefile *f, enum record_type type,
		      const struct probefile_block *b);

/* One more that the process serves; @foreign: it does not carry HTTP/1. */
void probefile_connection(struct probefile *f, bool foreign);

/* Write what was weighed since the last one; 0 or -errno (-ENOSPC). */
int probefile_flush(struct probefile *f, uint64_t at_ns);
/* Time that programs in the kernel took, so far. */
void probefile_spent(struct probefile *f, uint64_t ns);
/* It ended: say so in the file. */
void probefile_ended(struct probefile *f, uint64_t at_ns);
uint64_t probefile_bytes(const struct probefile *f); /* on disk */

#endif
