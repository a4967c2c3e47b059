/*
 * err: formats the sentence; see err.h for the rules.
 */
#include "profiler/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* vsnprintf() may truncate: a long path then loses its tail, never memory. */
static void set_text(struct err *err, int code, const char *fmt, va_list ap)
{
	err->code = code;
	if (vsnprintf(err->text, sizeof(err->text), fmt, ap) < 0)
		err->text[0] = '\0';
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	set_text(err, code, fmt, ap);
	va_end(ap);
	return code;
}

int err_errno(struct err *err, const char *fmt, ...)
{
	int code = errno;
	char reason[96];
	const char *text;
	size_t len, room;
	va_list ap;

	if (!err)
		return -code;
	va_start(ap, fmt);
	set_text(err, -code, fmt, ap);
	va_end(ap);

	/* The reason matters more than the tail of a long object's name. */
	text = strerror_r(code, reason, sizeof(reason));
	len = strlen(err->text);
	room = sizeof(err->text) - strlen(text) - sizeof(": ");
	if (len > room)
		len = room;
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", text);
	errno = code;
	return -code;
}
