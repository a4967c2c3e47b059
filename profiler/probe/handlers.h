/*
 * handlers: the user half of bpf/handlers.bpf.c: calls of native functions
 * that the user has named, timed.
 *
 * A name is that of the symbol table or as a person writes it, alone or
 * behind a part of its file's path ("libindex.so:search").  Names are looked
 * up in what the targets map, when the probe is attached and now and then
 * later, for what is loaded by then.
 */
#ifndef STRANDLINE_PROBE_HANDLERS_H
#define STRANDLINE_PROBE_HANDLERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct probe_class;

struct handler_seen {	/* one call; CLOCK_MONOTONIC */
	size_t handler; /* index of its name */
	pid_t pid, tid; /* of the first pid namespace */
	uint64_t began_ns, ended_ns;
};

#define HANDLERS_MOST 64

struct handlers_options {
	const char *const *names; /* outlive the probe */
	size_t count;		  /* HANDLERS_MOST at most */
	void (*seen)(void *context, const struct handler_seen *seen);
	/* What a probe costs, or why there is none; may be NULL. */
	void (*note)(void *context, const char *sentence);
	void *context;
};

/* Its options are struct handlers_options. */
extern const struct probe_class probe_handlers;

#endif
