/*
 * usage: what one process holds, from /proc/PID.
 *
 * Two readings of unlike cost (1.05 GB resident): usage_read() takes statm,
 * stat and the like, some ten us.  usage_read_parts() takes smaps, about 5 ms
 * a GB, and holds up the process's own mmap() calls meanwhile: it is for
 * seldom, see sampler.h.
 *
 * Parts are by what a mapping is, resident bytes, and add up to `rss`:
 *
 *	heap		[heap], what brk gave
 *	stacks		[stack], and each mapping that some thread's stack
 *			pointer is in (/proc/PID/task/TID/syscall says where it
 *			is while the thread sleeps in the kernel; a thread that
 *			ran at every reading is not found, and its stack counts
 *			as anonymous)
 *	slabs		mappings of our own recording, *.slabs
 *	file		all else that has a file, or is shared
 *	anonymous	the rest: mmap'ed arenas, the zeroed part of libraries
 */
#ifndef STRANDLINE_PROC_USAGE_H
#define STRANDLINE_PROC_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct err;

#define USAGE_UNSEEN UINT64_MAX /* not read at this time, or not readable */

struct usage { /* bytes unless said */
	pid_t pid;
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	uint64_t threads;
	uint64_t rss, vms;
	uint64_t fds;
	uint64_t max_fds; /* its limit of them now; UNSEEN: none */
	uint64_t minor_faults, major_faults; /* since the process began */
	uint64_t cpu_user_ns, cpu_system_ns; /* since the process began */
	/* of the threads that live now: the kernel keeps no total */
	uint64_t context_switches;
	uint64_t swap;

	uint64_t heap, anonymous, file, stacks, slabs, pss;
	uint64_t rings; /* how many mappings are io_uring's */

	uint64_t cgroup_usage;
	uint64_t cgroup_limit; /* the tightest above it; UNSEEN: none */
};

struct usage_source;

/*
 * @root is "/proc" (or a tree like it, for tests).  -ESRCH when there is no
 * such process.
 */
int usage_open(struct usage_source **out, const char *root, pid_t pid,
	       struct err *err);
void usage_close(struct usage_source *s); /* NULL is fine */
pid_t usage_pid(const struct usage_source *s);
int usage_dir(const struct usage_source *s); /* see procfs.h */

/*
 * Fill all of *@u but the parts, which become UNSEEN.  -ESRCH when the process
 * is gone or a zombie.
 */
int usage_read(struct usage_source *s, struct usage *u);
/* Fill the parts, and rss and swap anew; -errno leaves *@u alone. */
int usage_read_parts(struct usage_source *s, struct usage *u);

#endif
