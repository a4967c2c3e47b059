/*
 * inject: bring the recorder into a running process, and make it leave again.
 *
 * One thread is borrowed for well under a millisecond, to start another, which
 * loads the recorder from a memfd and enters it (wire/late.h); the files to
 * record into are handed over as descriptors.  So the process needs nothing
 * in its file system but /proc, and may live in name spaces of its own.
 */
#ifndef STRANDLINE_ATTACH_INJECT_H
#define STRANDLINE_ATTACH_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/base/buf.h"

struct err;

struct inject_settings {
	const char *dir;  /* where children can make files; "": nowhere */
	const char *file; /* the process's own, by the same view */
	int slabs, quota; /* descriptors of it and of the recording's quota */
	int process;	  /* pidfd of who is meant */
	bool exact, follow, http, patch, python, python_objects;
	uint64_t mean_bytes; /* 0: auto */
	uint64_t max_bytes;
	const char *const *routes;
	size_t route_count;
};

struct inject_result {
	pid_t tid;	   /* the thread that was borrowed */
	const char *call;  /* in which it waited; NULL: it ran */
	uint64_t pause_ns; /* how long it was away */
	uint64_t total_ns; /* until the recorder had done its part */
	uint64_t still_ns; /* all threads stood, for code to be changed; or 0 */
	unsigned codes;	   /* functions whose entry was changed */
	bool here_before;  /* the recorder was dormant there */
	unsigned slots;	   /* changed */
	unsigned refused;  /* that the kernel would not let change */
	unsigned tries;
};

/* The recorder as it is sent: libstrandline.so at @path. */
int inject_image(struct buf *image, const char *path, struct err *err);

/*
 * 0, or -errno with a sentence and the process as it was: -ESRCH, -EPERM,
 * -EBUSY, -ENOTSUP (see inject_check), -EALREADY (it records already).
 */
int inject_attach(pid_t pid, const struct buf *image,
		  const struct inject_settings *settings,
		  struct inject_result *result, struct err *err);
/*
 * Everything back; 0 also where it was not recording.  @process is a pidfd of
 * who is meant; -1: whoever has the number.
 */
int inject_detach(pid_t pid, int process, const struct buf *image,
		  struct inject_result *result, struct err *err);

/* -ENOTSUP: the recorder that was preloaded is not of @image's build. */
int inject_same_build(pid_t pid, const struct buf *image, struct err *err);

struct inject_plan {
	char libc[64];
	char gap_in[64];     /* the file in whose unused code loading begins */
	pid_t tid;	     /* 0: all run; one is taken where it is safe */
	const char *call;    /* in which it waits */
	bool recorder;	     /* the recorder is there already */
	bool own_thread;     /* false: the borrowed thread loads it itself */
	uint64_t tls_size;   /* of static TLS, bytes that the recorder needs */
	uint64_t tls_unused; /* 0: not known */
};

/* What would be done, or why not; nothing is stopped or changed. */
int inject_check(pid_t pid, int process, const struct buf *image,
		 struct inject_plan *plan, struct err *err);

#endif
