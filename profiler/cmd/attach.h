/*
 * attach: the ways into a running process.
 *
 * cmd/attach.c parses the command line, admits the process, makes the
 * recording's directory and hands over to one way; when that returns, the
 * summary is printed.  A way leaves nothing behind in the target however it
 * ends.
 */
#ifndef STRANDLINE_CMD_ATTACH_H
#define STRANDLINE_CMD_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/cmd/admit.h"
#include "profiler/cmd/command.h"

struct err;

struct attach_options {
	const struct admitted *process; /* NULL: all of `cgroup` */
	const char *cgroup;		/* directory; NULL: none */
	const char *dir;      /* of the recording, as the user would name it */
	const char *absolute; /* the same, from the root */
	uint64_t interval_ns;
	uint64_t duration_ns; /* 0: until Ctrl-C, or the target's end */
	uint64_t max_bytes;   /* of the recording */
	bool follow;	      /* processes that the target starts, too */
	bool http, python, quiet;
	bool reach; /* look for what nothing refers to, as `run` does */
	/* of the shim, where one is sent in */
	bool exact;
	uint64_t mean_bytes; /* 0: auto */
	const char *const *routes;
	size_t route_count;
	/* of probes */
	const char *const *handlers; /* functions to be timed */
	size_t handler_count;
	bool heap;
	uint64_t hertz;	     /* samples a second and CPU; 0: none */
	double heap_cpu_pct; /* what --heap may cost, of one CPU */
};

struct attach_way {
	const char *name;    /* of --with */
	const char *summary; /* one line, no full stop */
	/* Can it be had here, for this process?  -errno with the reason. */
	int (*possible)(const struct attach_options *opt, struct err *err);
	/* Print what would be done, and why it would be refused. */
	int (*rehearse)(const struct attach_options *opt, struct err *err);
	/*
	 * Record until the end.  0, or -errno when nothing was recorded: the
	 * directory is then taken away.
	 */
	int (*record)(const struct attach_options *opt, struct err *err);
};

extern const struct attach_way attach_bpf;
extern const struct attach_way attach_inject;
extern const struct attach_way attach_idle; /* in attach_inject.c */

#endif
