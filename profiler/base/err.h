/*
 * err: a negative errno plus one sentence for the person at the terminal.
 *
 * Functions of the tool that can fail return 0 or -errno and take a struct
 * err as their last parameter.  The sentence names the object and, where there
 * is one, the way out.  Only main.c prints it.
 */
#ifndef STRANDLINE_BASE_ERR_H
#define STRANDLINE_BASE_ERR_H

#include <stdarg.h>

struct err {
	int code; /* -errno of the failure, 0 when nothing is wrong */
	char text[480];
};

#define ERR_INIT  \
	{         \
		0 \
	}

/* Set the sentence; returns @code, a negative errno.  @err may be NULL. */
int err_set(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with strerror(errno) appended; returns -errno as on entry. */
int err_errno(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
