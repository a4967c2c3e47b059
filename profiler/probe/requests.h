/*
 * requests: what probe_http and probe_handlers saw, written into the files of
 * its processes.
 */
#ifndef STRANDLINE_PROBE_REQUESTS_H
#define STRANDLINE_PROBE_REQUESTS_H

#include <stdbool.h>
#include <sys/types.h>

struct http_seen;

/* For http_probe_options; @capture: a struct capture. */
void requests_seen(void *capture, const struct http_seen *seen);
void requests_connected(void *capture, pid_t pid, bool foreign);

struct capture;
struct handler_seen;
/* A call of the handler that is called @name, as a span of that name. */
void requests_called(struct capture *c, const struct handler_seen *call,
		     const char *name);

#endif
