/*
 * turn: one strandline at a time works at a process.
 *
 * Several may want to: two that are asked to attach, or one while the guard of
 * another that was killed clears up.  They put their code into the same place
 * and write the same words, so each takes its turn before it looks for them.
 */
#ifndef STRANDLINE_ATTACH_TURN_H
#define STRANDLINE_ATTACH_TURN_H

#include <sys/types.h>

struct err;

/*
 * Wait for it.  @mem is the open /proc/@pid/mem: the turn ends when it is
 * closed, by the kernel if need be.  @process is a pidfd, or -1.  0, -ESRCH,
 * or -EBUSY when another takes too long.
 */
int turn_take(int mem, pid_t pid, int process, struct err *err);

#endif
