/*
 * session: one run of a server, from its start to its end.
 *
 * Passes signals on, reaps whatever is left to us (we are the subreaper of all
 * that the command starts), keeps the recording's host side, and ends the
 * server when its time is up.  The server is the command, or the process that
 * goes on recording after the command has detached it and ended well: what
 * daemons do.
 */
#ifndef STRANDLINE_CMD_SESSION_H
#define STRANDLINE_CMD_SESSION_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/cmd/launch.h"

struct probing_options;

struct session_options {
	const char *dir; /* of the recording, as the user would name it */
	uint64_t interval_ns;
	uint64_t duration_ns; /* 0: until the server ends */
	bool reach;	      /* look for blocks that nothing refers to */
	uint64_t verdict_ns;  /* between two verdicts on the way; 0: none */
	bool fail_fast;	      /* end the server at a definite leak */
	bool quiet;	      /* say nothing of verdicts */
	const struct probing_options *probing; /* NULL: no probes */
	bool probing_optional; /* the run is as good without them */
	struct launch launch;  /* `mask` is filled in by the session */
};

struct session_result {
	pid_t pid;	  /* the command's */
	int wait_status;  /* the server's */
	size_t files;	  /* processes and images that recorded */
	bool failed_fast; /* ended because of a definite leak */
	/* What the command became, where that did not record; else "". */
	char unrecorded[PATH_MAX];
};

/*
 * -errno with a sentence when the server could not be started; later troubles
 * are notes, because the server goes on.
 */
int session_run(struct session_options *opt, struct session_result *result,
		struct err *err);

#endif
