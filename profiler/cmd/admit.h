/*
 * admit: is that PID a process that can be attached to?  And hold on to it.
 *
 * A number can be given to another process between any two steps, so all
 * later steps go through what is opened here: a pidfd, and the directory
 * /proc/PID, which fail once this process is gone.
 */
#ifndef STRANDLINE_CMD_ADMIT_H
#define STRANDLINE_CMD_ADMIT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct admitted {
	pid_t pid;
	pid_t own_pid; /* in its own pid namespace */
	int pidfd;     /* readable when it has ended */
	int dir;       /* /proc/PID */
	uint64_t start_ticks;
	char exe[PATH_MAX]; /* as /proc/PID/exe reads */
};

/*
 * Look at the process that @word names.  -EINVAL (no number), -ESRCH (no such
 * process, or ended), -EACCES (somebody else's), -ENOTSUP (a thread, a kernel
 * thread, 32-bit, ourselves), each with a sentence.
 */
int admit(struct admitted *process, const char *word, struct err *err);
void admitted_close(struct admitted *process);
/* It has not ended.  A zombie has. */
bool admitted_lives(const struct admitted *process);

#endif
