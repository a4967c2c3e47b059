/*
 * capture: what the probes of a session saw, process by process, on its way
 * into the recording.
 */
#ifndef STRANDLINE_PROBE_CAPTURE_H
#define STRANDLINE_PROBE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/wire/record.h"

struct capture;
struct err;
struct lately_moment; /* lately.h */
struct lately_request;
struct stack_sample; /* bpf/stack.h */
struct tables;

struct capture_options {
	const char *dir; /* of the recording; must outlive the capture */
	uint64_t max_bytes;
	/*
	 * Files go by what a process's own pid namespace numbers it, as that
	 * of its recorder does; else by its number out here, which no two
	 * containers share.
	 */
	bool own_pids;
};

/* Why something that a probe sent is not in the recording. */
enum capture_loss {
	CAPTURE_NO_PROCESS, /* of a process that was gone before we looked */
	CAPTURE_BAD_SAMPLE, /* shorter than it says */
	CAPTURE_NO_MEMORY,
	CAPTURE_PYTHON, /* Python frames that were changed meanwhile */
	CAPTURE_FULL,	/* the recording is at its cap: seconds not written */
	CAPTURE_SLOW,	/* slow requests whose stacks are not told */
	CAPTURE_COPY,	/* files that were replaced and not kept: no names */
	CAPTURE_NLOSSES,
};

int capture_open(struct capture **out, const struct capture_options *opt,
		 struct err *err);
void capture_close(struct capture *c); /* NULL is fine */

/* Of its recording. */
const char *capture_dir(const struct capture *c);
/* How many bytes of it copies of replaced files may take. */
uint64_t capture_copies(const struct capture *c);

/* Where stacks are looked up; must outlive it. */
void capture_use(struct capture *c, struct tables *tables);

/* Process @pid (of our pid namespace) joins; -ESRCH when it is gone. */
int capture_add(struct capture *c, pid_t pid, struct err *err);
/* It became another program. */
void capture_refresh(struct capture *c, pid_t pid);
void capture_ended(struct capture *c, pid_t pid, uint64_t at_ns);

/* The file of process @pid; NULL: it has not joined. */
struct probefile;
struct probefile *capture_file(const struct capture *c, pid_t pid);

/*
 * The node of a stack that a program sent in @size bytes; 0 where it could
 * not be kept.
 */
uint32_t capture_stack(struct capture *c, const struct stack_sample *sample,
		       size_t size);
/* The node of its wait for @why. */
uint32_t capture_blocked(struct capture *c, pid_t pid, uint32_t node,
			 enum wire_blocked why);
/* Add to what that stack of process @pid weighs. */
void capture_weigh(struct capture *c, pid_t pid, uint32_t node,
		   enum wire_weight_kind kind, int64_t count, int64_t weight);

/* Requests are followed: of the slow ones it will be told what the threads did
 * meanwhile, if capture_moment() is.  0 or -ENOMEM. */
int capture_follow_requests(struct capture *c);
bool capture_follows_requests(const struct capture *c);
void capture_moment(struct capture *c, const struct lately_moment *m);
void capture_slow(struct capture *c, const struct lately_request *r);

/* So much time the programs have taken from the processes so far. */
void capture_spent(struct capture *c, uint64_t ns);

/* How many were lost for reason @loss, and its name. */
uint64_t capture_lost(const struct capture *c, enum capture_loss loss,
		      const char **name);

/* Write what came since the last one; 0 or the first -errno. */
int capture_flush(struct capture *c, uint64_t at_ns);

#endif
