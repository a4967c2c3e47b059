/*
 * http: the user half of bpf/http.bpf.c: requests of the targets, seen by the
 * kernel.
 *
 * What the program tells of each connection is fed to profiler/http, the one
 * parser; what that finds goes to the caller.  Memory is bounded: a ring, a
 * table of connections, nothing for each request.
 */
#ifndef STRANDLINE_PROBE_HTTP_H
#define STRANDLINE_PROBE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/http/track.h"

struct http_probe;
struct probe_class;

struct http_seen {
	const struct track_event *event; /* times: CLOCK_MONOTONIC ns */
	const struct routes *routes;	 /* names event->request->route */
	pid_t pid; /* who read or wrote last, of the first pid namespace */
	pid_t tid;
	pid_t reader; /* ENDED: the thread that had read it; 0: unknown */
	/* ENDED: how long the thread that had read the request, if it is the
	 * one that wrote its end, was on a CPU between the two. */
	uint64_t cpu_ns;
	bool cpu_known;
};

struct http_probe_options {
	const char *const *templates; /* see http/route.h */
	size_t template_count;
	void (*seen)(void *context, const struct http_seen *seen);
	/* Process @pid serves one more connection; or, @foreign, one that it
	 * serves turns out not to carry HTTP/1.  May be NULL. */
	void (*connected)(void *context, pid_t pid, bool foreign);
	/* A sentence for the person at the terminal; may be NULL. */
	void (*note)(void *context, const char *sentence);
	void *context;
};

/* Its options are struct http_probe_options. */
extern const struct probe_class probe_http;

#endif
