/*
 * buf: growable bytes with a sticky error; see buf.h.
 *
 * A failed put leaves what was there and makes every later one a no-op, so a
 * writer of thousands of puts checks once.
 */
#include "profiler/base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/err.h"

/* Make room for @more bytes and the NUL. */
static bool reserve(struct buf *b, size_t more)
{
	size_t want, capacity;
	char *moved;

	if (b->failed)
		return false;
	if (more > SIZE_MAX / 2 - b->len - 1) {
		b->failed = true;
		return false;
	}
	want = b->len + more + 1;
	if (want <= b->capacity)
		return true;
	capacity = b->capacity ? b->capacity : 64;
	while (capacity < want)
		capacity *= 2;
	moved = realloc(b->bytes, capacity);
	if (!moved) {
		b->failed = true;
		return false;
	}
	b->bytes = moved;
	b->capacity = capacity;
	return true;
}

void buf_free(struct buf *b)
{
	free(b->bytes);
	*b = (struct buf)BUF_INIT;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->bytes)
		b->bytes[0] = '\0';
}

void buf_putc(struct buf *b, char c)
{
	buf_write(b, &c, 1);
}

void buf_puts(struct buf *b, const char *s)
{
	buf_write(b, s, strlen(s));
}

void buf_write(struct buf *b, const void *bytes, size_t len)
{
	if (!reserve(b, len))
		return;
	if (len > 0)
		memcpy(b->bytes + b->len, bytes, len);
	b->len += len;
	b->bytes[b->len] = '\0';
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int len;

	/* Most puts fit what is left; only the others are formatted twice. */
	if (!reserve(b, 1))
		return;
	va_start(ap, fmt);
	len = vsnprintf(b->bytes + b->len, b->capacity - b->len, fmt, ap);
	va_end(ap);
	if (len < 0) {
		b->failed = true;
		b->bytes[b->len] = '\0';
		return;
	}
	if ((size_t)len >= b->capacity - b->len) {
		b->bytes[b->len] = '\0';
		if (!reserve(b, (size_t)len))
			return;
		va_start(ap, fmt);
		vsnprintf(b->bytes + b->len, b->capacity - b->len, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)len;
}

int buf_status(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A pipe, a device or a terminal cannot be replaced, only written to. */
static int write_in_place(const struct buf *b, const char *path,
			  struct err *err)
{
	int fd, rc = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open %s", path);
	if (write_all(fd, b->bytes, b->len) < 0)
		rc = err_errno(err, "cannot write %s", path);
	if (close(fd) < 0 && rc == 0)
		rc = err_errno(err, "cannot write %s", path);
	return rc;
}

static int write_temporary(const struct buf *b, const char *temporary,
			   const char *path, mode_t mode, struct err *err)
{
	int fd, rc = 0;

	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_errno(err, "cannot create %s", path);
	if (mode != 0)
		(void)fchmod(fd, mode); /* else the umask's mode: no harm */
	if (write_all(fd, b->bytes, b->len) < 0)
		rc = err_errno(err, "cannot write %s", path);
	if (close(fd) < 0 && rc == 0)
		rc = err_errno(err, "cannot write %s", path);
	if (rc == 0 && rename(temporary, path) < 0)
		rc = err_errno(err, "cannot replace %s", path);
	if (rc < 0)
		unlink(temporary);
	return rc;
}

int buf_write_file(const struct buf *b, const char *path, struct err *err)
{
	char resolved[PATH_MAX], temporary[PATH_MAX + 32];
	const char *target = path;
	mode_t mode = 0;
	struct stat sb;

	if (b->failed)
		return err_set(err, -ENOMEM, "out of memory writing %s", path);
	if (strcmp(path, "-") == 0) {
		if (write_all(STDOUT_FILENO, b->bytes, b->len) < 0)
			return err_errno(err, "cannot write standard output");
		return 0;
	}
	if (stat(path, &sb) == 0) {
		if (!S_ISREG(sb.st_mode))
			return write_in_place(b, path, err);
		mode = sb.st_mode & 07777;
		if (realpath(path, resolved)) /* keep a symbolic link one */
			target = resolved;
	}
	snprintf(temporary, sizeof(temporary), "%s.%ld.tmp", target,
		 (long)getpid());
	return write_temporary(b, temporary, target, mode, err);
}

int buf_read_file(struct buf *b, const char *path, struct err *err)
{
	size_t start = b->len;
	int fd, rc = 0;
	ssize_t n;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open %s", path);
	for (;;) {
		/* Files of /proc have no size to ask for: read to the end. */
		if (!reserve(b, 16384)) {
			rc = err_set(err, -ENOMEM, "out of memory reading %s",
				     path);
			break;
		}
		n = read(fd, b->bytes + b->len, b->capacity - b->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = err_errno(err, "cannot read %s", path);
		if (n <= 0)
			break;
		b->len += (size_t)n;
	}
	if (rc < 0)
		b->len = start;
	if (b->bytes)
		b->bytes[b->len] = '\0';
	close(fd);
	return rc;
}
