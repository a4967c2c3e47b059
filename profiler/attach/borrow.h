/*
 * borrow: one thread of a running process, stopped where it holds no lock of
 * the C library's, to be sent elsewhere for a moment and put back exactly.
 *
 * Where that is: in a system call that waits for something outside (a
 * connection, a timer, a condition variable) and that the stop has
 * interrupted; else, after some tries, in code that is neither an allocator's
 * nor the C library's.  Never inside a signal handler, which may have come
 * anywhere.  The other threads run on.
 *
 * Should this process die, the kernel lets the thread go; what it is sent to
 * brings it back (inject_code.h).
 */
#ifndef STRANDLINE_ATTACH_BORROW_H
#define STRANDLINE_ATTACH_BORROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

struct err;
struct loader;

struct borrow {
	pid_t pid, tid;
	long call; /* in which it waited; -1: it ran */
	struct user_regs_struct regs;
	uint64_t mask;		 /* of signals */
	uint64_t since_ns;	 /* when it was last seen not to stand still */
	uint64_t since_tsc;	 /* likewise */
	unsigned tries, refused; /* threads that were asked; by the kernel */
};

/*
 * Take a thread of @l's process.  Within about @patience_ns, or nothing is
 * changed: -ESRCH, -EPERM, -EBUSY (no thread was found anywhere safe).
 */
int borrow_take(struct borrow *b, const struct loader *l, uint64_t patience_ns,
		struct err *err);
/* The thread that would be tried first, and its call; 0: all run. */
pid_t borrow_candidate(pid_t pid, long *call);
/* Registers with which the thread itself would go back. */
struct user_regs_struct borrow_way_back(const struct borrow *b);
/*
 * Send it to @code with its signals blocked, and let go of it: it is to put
 * itself back with borrow_way_back() and the mask.
 */
int borrow_send(struct borrow *b, uint64_t code);
/* Let it go on as if nothing had been. */
void borrow_release(const struct borrow *b);
/* Does it wait somewhere outside of @code, @size bytes? */
bool borrow_waits_outside(const struct borrow *b, uint64_t code, size_t size);
/*
 * Is it outside, or gone?  One that runs is stopped for the moment of a look,
 * if it does so for long.
 */
bool borrow_has_left(const struct borrow *b, uint64_t code, size_t size);

/* "epoll_wait": for those that borrow_take() looks for; else NULL. */
const char *borrow_call_name(long nr);

#endif
