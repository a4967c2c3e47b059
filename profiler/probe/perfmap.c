/*
 * perfmap: see perfmap.h.
 */
#include "profiler/probe/perfmap.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/vec.h"
#include "profiler/proc/procfs.h"

#define AGAIN_NS  1000000000ULL
#define READ_SIZE 65536
#define FILE_MOST (256ULL << 20) /* bytes of it that are read */
#define NAME_MOST 512
#define LOOK_BACK 64 /* pieces that begin before an address */

struct piece {
	struct perfmap_code code;
	size_t name;   /* where in `names` */
	size_t number; /* in the order of the file */
};

struct perfmap {
	pid_t pid;
	uint64_t looked_ns;
	uint64_t offset; /* of the file, from which on it was not read */
	VEC(struct piece) pieces;
	size_t sorted; /* the first so many are, by start and number */
	struct buf names;
};

struct perfmap *perfmap_new(pid_t pid)
{
	struct perfmap *m = calloc(1, sizeof(*m));

	if (m)
		m->pid = pid;
	return m;
}

void perfmap_free(struct perfmap *m)
{
	if (!m)
		return;
	vec_free(&m->pieces);
	buf_free(&m->names);
	free(m);
}

/* A number in hex, to a space; NULL: it is none. */
static const char *parse_hex(const char *at, const char *end, uint64_t *out)
{
	uint64_t value = 0;
	const char *from;

	if (end - at > 2 && at[0] == '0' && at[1] == 'x')
		at += 2;
	for (from = at; at < end && isxdigit((unsigned char)*at); at++)
		value = value << 4 |
			(uint64_t)(*at <= '9' ? *at - '0'
					      : (*at | 0x20) - 'a' + 10);
	if (at == from || at - from > 16 || at == end || *at != ' ')
		return NULL;
	*out = value;
	return at + 1;
}

static void parse_line(struct perfmap *m, const char *at, const char *end)
{
	uint64_t start, size;
	struct piece *piece;
	size_t len;

	at = parse_hex(at, end, &start);
	if (at)
		at = parse_hex(at, end, &size);
	if (!at || at == end || !size || start + size < start)
		return;
	len = (size_t)(end - at);
	piece = vec_push(&m->pieces);
	if (!piece)
		return;
	*piece = (struct piece) {
		.code = { .start = start, .end = start + size },
		.name = m->names.len,
		.number = m->pieces.count,
	};
	buf_write(&m->names, at, len < NAME_MOST ? len : NAME_MOST);
	buf_putc(&m->names, '\0');
	if (buf_status(&m->names) < 0)
		m->pieces.count--;
}

size_t perfmap_parse(struct perfmap *m, const char *text, size_t size)
{
	const char *at = text, *end;

	while ((end = memchr(at, '\n', size - (size_t)(at - text)))) {
		parse_line(m, at, end);
		at = end + 1;
	}
	return (size_t)(at - text);
}

static int by_start(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->code.start != y->code.start)
		return x->code.start < y->code.start ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void sort(struct perfmap *m)
{
	if (m->sorted < m->pieces.count)
		qsort(m->pieces.at, m->pieces.count, sizeof(*m->pieces.at),
		      by_start);
	m->sorted = m->pieces.count;
}

/* How many begin at @address or before. */
static size_t begun(const struct perfmap *m, uint64_t address)
{
	size_t low = 0, high = m->pieces.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->pieces.at[middle].code.start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct perfmap_code *perfmap_known(struct perfmap *m, uint64_t address)
{
	struct piece *last = NULL;
	size_t at;

	sort(m);
	at = begun(m, address);
	for (size_t back = 0; back < LOOK_BACK && back < at; back++) {
		struct piece *piece = &m->pieces.at[at - 1 - back];

		if (address < piece->code.end &&
		    (!last || piece->number > last->number))
			last = piece;
	}
	if (!last)
		return NULL;
	last->code.name = m->names.bytes + last->name;
	return &last->code;
}

/* The last number of a line of /proc/PID/status. */
static long last_number(const char *status, const char *key)
{
	const char *line = strstr(status, key), *at;

	if (!line)
		return -1;
	at = strchrnul(line + 1, '\n');
	while (at > line && at[-1] != '\t' && at[-1] != ' ')
		at--;
	return strtol(at, NULL, 10);
}

/* Of the process or of root; a plain file. */
static bool is_believed(int fd, long owner)
{
	struct stat sb;

	return fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) &&
	       (sb.st_uid == 0 || (long)sb.st_uid == owner);
}

/* As the process sees it, by the number that it has for itself. */
static int open_file(const struct perfmap *m)
{
	struct buf status = BUF_INIT;
	char root[PROCFS_ROOT_MAX], path[PATH_MAX];
	int dir = procfs_open("/proc", m->pid), fd = -ENOENT;
	long number, owner;

	if (dir < 0)
		return dir;
	if (procfs_read(dir, "status", &status) == 0) {
		number = last_number(status.bytes, "\nNSpid:");
		owner = last_number(status.bytes, "\nUid:");
		procfs_root(dir, m->pid, root);
		snprintf(path, sizeof(path), "%s/tmp/perf-%ld.map", root,
			 number);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0 && !is_believed(fd, owner)) {
			close(fd);
			fd = -EPERM;
		}
	}
	buf_free(&status);
	close(dir);
	return fd;
}

static void read_on(struct perfmap *m, int fd)
{
	char *text = malloc(READ_SIZE);
	ssize_t got;

	while (text && m->offset < FILE_MOST) {
		size_t taken;

		got = pread(fd, text, READ_SIZE, (off_t)m->offset);
		if (got <= 0)
			break;
		taken = perfmap_parse(m, text, (size_t)got);
		/* A line that is longer than all that is read at once. */
		if (!taken && got == READ_SIZE)
			taken = READ_SIZE;
		m->offset += taken;
		if (!taken)
			break;
	}
	free(text);
}

struct perfmap_code *perfmap_find(struct perfmap *m, uint64_t address,
				  uint64_t now_ns)
{
	if (!m->looked_ns || now_ns - m->looked_ns >= AGAIN_NS) {
		int fd = open_file(m);

		m->looked_ns = now_ns;
		if (fd >= 0) {
			read_on(m, fd);
			close(fd);
		}
	}
	return perfmap_known(m, address);
}
