/*
 * openers: who opened the descriptors that are open.
 *
 * Each descriptor that the server gets is charged to the stack that asked for
 * it until it is closed.  Those above FD_MAX, and those from before the
 * recording, are not followed.
 */
#ifndef STRANDLINE_PRELOAD_OPENERS_H
#define STRANDLINE_PRELOAD_OPENERS_H

#include "preload/internal.h"

/* slow.S: the stack of our caller's caller is charged; returns @fd. */
int opened_slow(int fd, size_t zero, unsigned zero2);

void openers_start(void);
void openers_fork_child(void); /* what it inherited is not its own */
/* Before the real close of @fd, which is perhaps none. */
void opener_closing(int fd);
/* Before all in [first, last] are closed. */
void opener_closing_range(unsigned first, unsigned last);

/* For the end of a hook: `return opener_opened(fd);` is a jump. */
static inline __attribute__((always_inline)) int opener_opened(int fd)
{
	if (fd < 0 || !shim.on)
		return fd;
	return opened_slow(fd, 0, 0);
}

#endif
