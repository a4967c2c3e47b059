/*
 * sampler: reads the usage of a set of processes at an interval.
 *
 * The set grows by sampler_add() and, where wanted, by the children that its
 * processes have; it shrinks by itself as they end.  Parts (usage.h) are dear
 * and read seldom: at once for a new process, then when ten seconds have gone
 * by or the resident size has moved by a twentieth, but never more often than
 * leaves all of it under a hundredth of the time, by the price of the last.
 *
 * Single-threaded; the owner polls sampler_fd() and calls sampler_tick().
 */
#ifndef STRANDLINE_PROC_SAMPLER_H
#define STRANDLINE_PROC_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/proc/usage.h"

struct sampler;

struct sampler_process {
	pid_t pid, ppid;
	pid_t own_pid;		  /* in its own pid namespace */
	const char *exe;	  /* "[name]" where it may not be read */
	const char *const *words; /* the command line, NULL-terminated */
};

struct sampler_events { /* any may be NULL; none may change the set */
	void *ctx;
	void (*reading)(void *ctx, const struct usage *u);
	/* A process joined, or runs another program now. */
	void (*began)(void *ctx, const struct sampler_process *p);
	void (*ended)(void *ctx, pid_t pid);
};

struct sampler_options {
	const char *root; /* NULL: "/proc" */
	uint64_t interval_ns;
	bool children; /* join the children of those already in */
	struct sampler_events events;
};

int sampler_open(struct sampler **out, const struct sampler_options *opt,
		 struct err *err);
void sampler_close(struct sampler *s); /* NULL is fine */
int sampler_fd(const struct sampler *s);

/*
 * Add @pid and read it at once.  0, also when it is in already; -ESRCH when
 * there is no such process; -EMFILE and others of open().
 */
int sampler_add(struct sampler *s, pid_t pid);
/* Forget @pid without calling `ended`; false when it was not in. */
bool sampler_remove(struct sampler *s, pid_t pid);
bool sampler_has(const struct sampler *s, pid_t pid);
size_t sampler_count(const struct sampler *s);
pid_t sampler_pid(const struct sampler *s, size_t i); /* i < count */

/* Take out, and tell, those that have ended; reads nobody. */
void sampler_drop_ended(struct sampler *s);

/* The timer is due: read everybody. */
void sampler_tick(struct sampler *s);
/* Read everybody now, parts too whatever they cost: before an end. */
void sampler_read_all(struct sampler *s);

#endif
