/*
 * launch: start a command with the shim in it.
 *
 * The command keeps our terminal, process group, streams and signal settings:
 * it runs as if it had been started without us.
 */
#ifndef STRANDLINE_CMD_LAUNCH_H
#define STRANDLINE_CMD_LAUNCH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/cmd/allocator.h"

struct err;

struct launch {
	const char *path;    /* the file */
	char *const *argv;   /* the command, NULL-terminated */
	const char *library; /* libstrandline.so */
	const char *dir;     /* of the recording, absolute */
	bool exact;
	uint64_t mean_bytes; /* of sampling; 0: by itself */
	uint64_t max_bytes;  /* of each process's recording */
	bool follow;	     /* children record too */
	bool http;	     /* follow requests */
	bool python;	     /* read Python frames */
	bool python_objects; /* record Python objects */
	/* Paths that are one route each, see profiler/http/route.h. */
	const char *const *routes;
	size_t route_count;
	struct allocator allocator;
	const sigset_t *mask; /* what the command's signal mask shall be */
};

/*
 * The environment of the command, out of @environment: its own words are in
 * front, because the shim reads only the first 32 KiB.  Free with
 * launch_free_environment(); NULL when out of memory.
 */
char **launch_environment(const struct launch *l, char *const *environment);
void launch_free_environment(char **environment);

/* Start it; *@pid is its process.  -errno with a sentence when exec fails. */
int launch_start(const struct launch *l, char *const *environment, pid_t *pid,
		 struct err *err);

#endif
