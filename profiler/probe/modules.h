/*
 * modules: the files whose code a process maps.
 */
#ifndef STRANDLINE_PROBE_MODULES_H
#define STRANDLINE_PROBE_MODULES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct module {
	const char *name; /* as the process knows it */
	const char *path; /* as we can open it, in its mount namespace */
	uint64_t id;	  /* of the file, by device and inode */
	bool executable;  /* the process's own */
};

/* Each once for each of its mappings of code; nothing when @pid is gone. */
void modules_each(pid_t pid,
		  void (*each)(void *context, const struct module *m),
		  void *context);

#endif
