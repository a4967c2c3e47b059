/*
 * build: a recording read by trace and named by sym, put into a model.
 */
#ifndef STRANDLINE_MODEL_BUILD_H
#define STRANDLINE_MODEL_BUILD_H

#include "profiler/model/model.h"
#include "profiler/sym/symtab.h"
#include "profiler/trace/reader.h"

struct err;

/* Resolve every address of @recording and keep the names in its `symbols`. */
int model_save_symbols(const char *recording, struct err *err);

/* Parts of a build, one file each.  0 or -ENOMEM. */
int build_stacks(struct model *m, const struct trace_view *v,
		 struct symtab *st); /* stacks.c: frames, nodes, sites */
int build_ledger(struct model *m, const struct trace_view *v);
int build_processes(struct model *m, const struct trace_view *v);

/* Seconds since the recording began. */
double build_seconds(const struct trace_view *v, uint64_t monotonic_ns);

#endif
