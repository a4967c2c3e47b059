/*
 * writer: host.slabs and meta.json of a recording in progress.
 *
 * Several strandline processes may write at once (`run` its ledger, `mark` a
 * mark): each takes its own slab by the atomic add in the mapped header.
 */
#ifndef STRANDLINE_TRACE_WRITER_H
#define STRANDLINE_TRACE_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/wire/record.h"

struct err;
struct writer;

/*
 * Create or join DIR/host.slabs.  -EBADMSG when a file of that name is none
 * of ours, -EPROTO when a newer strandline made it.
 */
int writer_open(struct writer **out, const char *dir, struct err *err);
void writer_close(struct writer *w); /* NULL is fine */

/* Append; 0 or -errno (a full disk: -ENOSPC; nothing is torn). */
int writer_ledger(struct writer *w, const struct wire_ledger *line);
int writer_mark(struct writer *w, uint64_t at_ns, const char *label);
int writer_option(struct writer *w, uint64_t at_ns, const char *name,
		  const char *value);
/* What a probe did or dropped, so far. */
int writer_counter(struct writer *w, uint64_t at_ns, const char *probe,
		   const char *reason, uint64_t count);
/* @words: the command line, NULL-terminated; @wait_status of waitpid. */
int writer_process(struct writer *w, const struct wire_process *process,
		   const char *exe, const char *const *words);

/*
 * @summary but for its size and site_count, and @count sites: as many records
 * as that takes.
 */
int writer_reach(struct writer *w, const struct wire_reach *summary,
		 const struct wire_reach_site *sites, size_t count);

/* @objects but for its size; the texts as trace_objects has them. */
struct trace_objects;
int writer_objects(struct writer *w, const struct trace_objects *objects);
struct trace_thread;
int writer_thread(struct writer *w, const struct trace_thread *thread);
struct trace_handler;
int writer_handler(struct writer *w, const struct trace_handler *handler);

struct writer_meta {
	const char *const *command; /* NULL-terminated */
	const char *mode;
	uint64_t interval_ms;
	const char *const *options;  /* name, value, ..., NULL; or NULL */
	const char *const *handlers; /* functions that are asked for */
	size_t handler_count;
	uint64_t hertz; /* looks at each CPU a second; 0: none */
};
/*
 * DIR/meta.json, with host, kernel, version and clocks filled in.  Words that
 * are not UTF-8 get '?' for the bytes that are not ASCII.
 */
int writer_meta(const char *dir, const struct writer_meta *meta,
		struct err *err);

#endif
