/*
 * targets: the processes of a recording in progress: who lives, who records,
 * what each holds.
 *
 * The first is put in by its owner; the others are found as children, and as
 * files that the shim makes in the recording's directory.  Every beginning,
 * end and reading goes into host.slabs.  Single-threaded.
 */
#ifndef STRANDLINE_CMD_TARGETS_H
#define STRANDLINE_CMD_TARGETS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct targets;

struct targets_options {
	const char *dir; /* the recording */
	uint64_t interval_ns;
	bool follow; /* children too */
	/* Processes go by their numbers out here, not by their own: two
	 * containers have a process 1 each. */
	bool outside;
	/* A process has begun to record, into that image's file; or NULL. */
	void (*records)(void *ctx, pid_t pid, uint32_t image);
	void *ctx;
};

#define TARGETS_FDS 2

int targets_open(struct targets **out, const struct targets_options *opt,
		 struct err *err);
void targets_close(struct targets *t); /* NULL is fine */

/* What to poll; a descriptor of -1 is to be left out, as poll() does. */
void targets_fds(const struct targets *t, struct pollfd fds[TARGETS_FDS]);
/* Some descriptor is ready: take what is there. */
void targets_work(struct targets *t);

/* The command itself: the first process. */
void targets_add(struct targets *t, pid_t pid);
/* Another one, that is nobody's child here. */
void targets_join(struct targets *t, pid_t pid);
/* waitpid() returned @pid with @status. */
void targets_reaped(struct targets *t, pid_t pid, int status);
/* Read all once more, thoroughly: somebody is about to end. */
void targets_read_all(struct targets *t);

/* It records, or did. */
bool targets_records(const struct targets *t, pid_t pid);
/* Processes that record and live; up to @max of them into @pids. */
size_t targets_recording(struct targets *t, pid_t *pids, size_t max);
/* Recording files seen so far. */
size_t targets_files(const struct targets *t);
/*
 * The program that the first process became last, where that one does not
 * record although an earlier one did; else NULL.
 */
const char *targets_unrecorded(const struct targets *t);

#endif
