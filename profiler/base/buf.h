/*
 * buf: growable bytes with a sticky error.
 *
 * Every put either succeeds or marks the buffer failed; the writer checks
 * once, at the end, with buf_status().  The bytes are always NUL-terminated
 * for the reader's convenience; the NUL is not counted in len.
 */
#ifndef STRANDLINE_BASE_BUF_H
#define STRANDLINE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct err;

struct buf {
	char *bytes;
	size_t len;
	size_t capacity;
	bool failed;
};

#define BUF_INIT  \
	{         \
		0 \
	}

void buf_free(struct buf *b);
void buf_clear(struct buf *b); /* empties it, keeps the memory */
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *s);
void buf_write(struct buf *b, const void *bytes, size_t len);
void buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int buf_status(const struct buf *b); /* 0, or -ENOMEM from any put */

/*
 * Write the whole buffer to @path, "-" being standard output.  A regular file
 * is replaced atomically (temporary file, then rename).
 */
int buf_write_file(const struct buf *b, const char *path, struct err *err);

/* Append the whole of @path to @b. */
int buf_read_file(struct buf *b, const char *path, struct err *err);

#endif
