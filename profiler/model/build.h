/*
 * build: a recording read by trace and named by sym, put into a model.
 */
#ifndef STRANDLINE_MODEL_BUILD_H
#define STRANDLINE_MODEL_BUILD_H

#include "profiler/base/vec.h"
#include "profiler/latency/course.h"
#include "profiler/model/model.h"
#include "profiler/sym/symtab.h"
#include "profiler/trace/reader.h"

struct err;

/* model_load(), which keeps the names that it resolves in the recording's
 * `symbols`, so that the next one finds them there. */
int model_load_naming(struct model **out, const char *recording,
		      struct err *err);
/* Resolve every address of @recording and keep the names in its `symbols`. */
int model_save_symbols(const char *recording, struct err *err);

/* One process's stack, and the site of the model that it is part of. */
struct build_part {
	uint32_t site, image, stack;
};

/* Parts of a build, one file each.  0 or -ENOMEM. */
/* stacks.c: frames, nodes, sites, what was seen of slow requests (in the order
 * of the images and their slow_parts); *@parts, *@count of them, to be freed.
 */
int build_stacks(struct model *m, const struct trace_view *v, struct symtab *st,
		 struct build_part **parts, size_t *count);
/* The same of another tool's profile; it has no parts. */
struct import;
int build_imported(struct model *m, const struct import *im, struct symtab *st);
/* levels.c: the windows; then the levels of the sites over them. */
int build_windows(struct model *m, const struct trace_view *v);
int build_levels(struct model *m, const struct trace_view *v,
		 struct build_part *parts, size_t count);
/* After the windows. */
int build_endpoints(struct model *m, const struct trace_view *v);
int build_spans(struct model *m, const struct trace_view *v);
/* handlers.c: those that are no spans; after them and the charges. */
int build_handlers(struct model *m, const struct trace_view *v);
/* answers.c: the requests of @h, who has what is allocated @below it. */
int build_answers(const struct model *m, const struct trace_view *v,
		  const bool *below, struct model_handler *h);
int build_slow(struct model *m, const struct trace_view *v);
/* steady.c: of the @part_count slow_parts. */
int build_steady(struct model *m, size_t part_count);
/* latencies.c: what @h holds, in buckets; the model's to free. */
struct histo;
int build_latency(struct model_latency *to, const struct histo *h);
/* courses.c: the grid, after the windows; then what each endpoint collects on
 * it, of each process and route, and the moments of that, the model's to free
 * (NULL where there are none). */
struct build_course {
	VEC(struct course_cell) cells;
};
void build_course_grid(struct model *m, const struct trace_view *v);
int build_course_add(struct build_course *to, const struct model *m,
		     const struct trace_view *v, const struct fold_result *r,
		     const struct fold_route *route);
int build_course(struct model_moment **out, const struct model *m,
		 struct build_course *from);
/* reach.c: the scans, and what they say of the sites. */
int build_reach(struct model *m, const struct trace_view *v,
		const struct build_part *parts, size_t count);
/* objects.c: what the blocks of sites are in Python. */
int build_objects(struct model *m, const struct trace_view *v,
		  const struct build_part *parts, size_t count);
/* patches.c: the program's own allocators; after build_stacks() */
int build_patches(struct model *m, const struct trace_view *v);
/* threads.c */
int build_threads(struct model *m, const struct trace_view *v);
int build_ledger(struct model *m, const struct trace_view *v);
int build_processes(struct model *m, const struct trace_view *v);
/* cost.c: after the processes; and what the reader had to say. */
int build_cost(struct model *m, const struct trace_view *v);
int build_problems(struct model *m, const struct trace_view *v);

/* Add a sentence to @m's problems, once.  0 or -ENOMEM. */
int build_problem(struct model *m, const char *sentence);

/* unseen.c: what may be requests and cannot be followed. */
int build_unseen(struct model *m, const struct trace_view *v);

/* modules.c: the files of the processes. */
int build_modules(struct model *m, const struct trace_view *v);

/* charges.c: whose requests each site's bytes are for. */
int build_charges(struct model *m, const struct trace_view *v,
		  const struct build_part *parts, size_t count);

/* makers.c: the threads that made them. */
int build_makers(struct model *m, const struct trace_view *v,
		 const struct build_part *parts, size_t count);

/* endpoints.c: "POST /api/v1/chat", of an id of @im; "_OTHER _OTHER". */
const char *build_route(const struct trace_image *im, uint32_t id);

/* endpoints.c: are the requests of @im's process those that the kernel saw? */
bool build_timed_by_kernel(const struct trace_view *v,
			   const struct trace_image *im);

/* Seconds since the recording began. */
double build_seconds(const struct trace_view *v, uint64_t monotonic_ns);
/* The window that holds second @t; the first or last one when none does. */
uint32_t build_window(const struct model *m, double t);
/* The window of the grid that window @k of @r belongs to. */
uint32_t build_fold_window(const struct model *m, const struct trace_view *v,
			   const struct fold_result *r, size_t k);

#endif
