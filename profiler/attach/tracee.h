/*
 * tracee: a process with all of its threads stopped, for a moment.
 *
 * No thread is left stopped on any path, and none can tell that it was: a
 * system call that only a stop interrupts is restarted by the kernel, and
 * those that would fail with EINTR (epoll_wait and its like) are told to.
 * Should this process die meanwhile, the kernel lets the threads go.
 *
 * To be called from one thread, the same for a stop and its end.  Other code
 * of that thread must not wait for any child meanwhile.
 */
#ifndef STRANDLINE_ATTACH_TRACEE_H
#define STRANDLINE_ATTACH_TRACEE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "profiler/base/vec.h"

struct err;

struct tracee {
	pid_t tid; /* 0: it goes on already */
	bool stopped;
	struct user_regs_struct regs; /* with which it goes on */
};

struct tracees {
	pid_t pid;
	int dir; /* of /proc/PID */
	VEC(struct tracee) threads;
	VEC(uint64_t) vectors; /* vector registers of all, as words */
	bool lenient;	       /* tracees_stop_any() */
	bool plain;	       /* without vector registers */
	VEC(pid_t) left_out;   /* not seized: they wait inside the kernel */
	uint64_t asked_ns;     /* when the first was asked to stop */
};

/*
 * Stop every thread of @pid.  Within about @patience_ns, or with nothing
 * stopped: -ESRCH (gone), -EPERM (no right to), -EBUSY (stopped or traced by
 * another, or a thread sits in the kernel: try again later), -ENOSYS (a
 * 32-bit process).
 */
int tracees_stop(struct tracees *t, pid_t pid, uint64_t patience_ns,
		 struct err *err);
/* The same without vector registers, which take longer than all the rest. */
int tracees_stop_plain(struct tracees *t, pid_t pid, uint64_t patience_ns,
		       struct err *err);
/*
 * The same to look and not to change: of a process that a signal has stopped,
 * too, which stays so afterwards; without threads that cannot be stopped
 * (`left_out`, or not `stopped`), without those that end meanwhile, be it the
 * first, and without vector registers.
 */
int tracees_stop_any(struct tracees *t, pid_t pid, uint64_t patience_ns,
		     struct err *err);
/*
 * Give those of tracees_stop_any() that did not stop in time some more.  Those
 * that stood may go on meanwhile (tracees_detach()).
 */
int tracees_await(struct tracees *t, uint64_t patience_ns, struct err *err);
/* Let all go on; @t is empty then.  A zeroed one is fine. */
void tracees_release(struct tracees *t);

/* Wait until @tid stops; the status of waitpid, or -errno (-ESRCH: gone). */
int tracees_wait(pid_t pid, pid_t tid, uint64_t until_ns, int *status);
/* Let thread @i go on. */
void tracees_detach(struct tracees *t, size_t i);
uint64_t tracees_now_ns(void);

/* @regs of a stopped thread, changed if need be so that it sees no stop. */
void tracee_hide_stop(pid_t tid, struct user_regs_struct *regs);

#endif
