/*
 * host: host.slabs, what the strandline process saw from outside.
 */
#ifndef STRANDLINE_TRACE_HOST_H
#define STRANDLINE_TRACE_HOST_H

#include "profiler/base/vec.h"
#include "profiler/trace/reader.h"

struct host {
	VEC(struct wire_ledger) ledger;
	VEC(struct trace_process) processes;
	VEC(struct trace_mark) marks;
	VEC(struct trace_option) options;
	VEC(struct trace_reach) reaches;
	VEC(struct trace_objects) objects;
	VEC(struct trace_thread) threads;
	VEC(struct trace_handler) handlers;
	VEC(struct trace_counter) counters;
	VEC(char *) strings;
	bool torn;
};

/* A missing file is an empty host.  0 or -errno with a sentence. */
int host_read(struct host *h, const char *path, struct err *err);
void host_fini(struct host *h);

#endif
