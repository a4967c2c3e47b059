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
 * Should this process die, the kernel lets the thread go, and it finds its own
 * way back from wherever it is (inject_code.h).
 */
#ifndef STRANDLINE_ATTACH_BORROW_H
#define STRANDLINE_ATTACH_BORROW_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

struct err;
struct loader;

#define BORROW_VECTORS 16384

struct borrow {
	pid_t pid, tid;
	long call; /* in which it waited; -1: it ran */
	struct user_regs_struct regs;
	uint64_t mask; /* of signals */
	uint8_t vectors[BORROW_VECTORS];
	size_t vectors_size;
	uint64_t since_ns; /* when it was asked to stop */
	unsigned tries;
	int stopped_by; /* a signal that came meanwhile; 0: none */
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
/* Make a system call by the instruction at @code; its result, or -errno. */
int64_t borrow_call(struct borrow *b, uint64_t code, long nr,
		    const uint64_t args[6]);
/* Send it to @code with @area and @stack; it runs on. */
int borrow_send(struct borrow *b, uint64_t code, uint64_t area, uint64_t stack);
/*
 * Did it stop, though nobody asked?  0: no.  -EFAULT: a fault of ours or of
 * what it called; it stands.  -ESRCH: it is gone.
 */
int borrow_look(struct borrow *b);
/* Stop it again, wherever it is now. */
int borrow_stop(struct borrow *b);
/* Put it back; how long it was away, ns. */
uint64_t borrow_return(struct borrow *b);

/* "epoll_wait": for those that borrow_take() looks for; else NULL. */
const char *borrow_call_name(long nr);

#endif
