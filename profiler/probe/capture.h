/*
 * capture: what the probes of a session saw, process by process, on its way
 * into the recording.
 */
#ifndef STRANDLINE_PROBE_CAPTURE_H
#define STRANDLINE_PROBE_CAPTURE_H

#include <stdint.h>
#include <sys/types.h>

#include "profiler/wire/record.h"

struct capture;
struct err;

struct capture_options {
	const char *dir; /* of the recording; must outlive the capture */
	uint64_t max_bytes;
};

int capture_open(struct capture **out, const struct capture_options *opt,
		 struct err *err);
void capture_close(struct capture *c); /* NULL is fine */

/* Process @pid (of our pid namespace) joins; -ESRCH when it is gone. */
int capture_add(struct capture *c, pid_t pid, struct err *err);
void capture_ended(struct capture *c, pid_t pid, uint64_t at_ns);

/* The file of process @pid; NULL: it has not joined. */
struct probefile;
struct probefile *capture_file(const struct capture *c, pid_t pid);

/* Write what came since the last one; 0 or the first -errno. */
int capture_flush(struct capture *c, uint64_t at_ns);

#endif
