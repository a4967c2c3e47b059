#include "preload/maps.h"
#include "preload/internal.h"
#include "preload/sys.h"

#define MAPS "/proc/self/maps"

void maps_free(struct maps_text *text)
{
	if (text->bytes)
		sys_munmap(text->bytes, text->capacity);
	text->bytes = NULL;
}

static bool maps_read_into(struct maps_text *text, size_t capacity)
{
	long got = 1;
	int fd;

	*text = (struct maps_text) { .capacity = capacity };
	text->bytes = sys_mmap(capacity, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd = text->bytes ? sys_open(MAPS, O_RDONLY | O_CLOEXEC, 0) : -1;
	if (fd < 0) {
		maps_free(text);
		return false;
	}
	while (got > 0 && text->size < capacity - 1) {
		got = sys_read(fd, text->bytes + text->size,
			       capacity - 1 - text->size);
		if (got > 0)
			text->size += (size_t)got;
	}
	sys_close(fd);
	return true;
}

bool maps_read(struct maps_text *text)
{
	for (size_t capacity = 256u << 10; capacity <= 64u << 20;
	     capacity *= 4) {
		if (!maps_read_into(text, capacity))
			return false;
		if (text->size < capacity - 1)
			return true;
		maps_free(text);
	}
	return false;
}

static uint64_t parse(const char **at, unsigned base)
{
	uint64_t value = 0;

	for (;; (*at)++) {
		char c = **at;
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (base == 16 && c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else
			return value;
		value = value * base + digit;
	}
}

/* "start-end rwxp offset major:minor inode   path" */
static void parse_line(const char *at, struct maps_line *line)
{
	line->start = parse(&at, 16);
	at++;
	line->end = parse(&at, 16);
	at++;
	line->readable = at[0] == 'r';
	line->writable = at[1] == 'w';
	line->executable = at[2] == 'x';
	line->shared = at[3] == 's';
	at += 5;
	line->offset = parse(&at, 16);
	at++;
	line->dev = parse(&at, 16) << 8;
	at++;
	line->dev |= parse(&at, 16);
	at++;
	line->inode = parse(&at, 10);
	while (*at == ' ')
		at++;
	line->path = at;
	line->grows_down =
		at[0] == '[' && at[1] == 's' && at[2] == 't' && at[6] == ']';
}

bool maps_next(struct maps_text *text, size_t *at, struct maps_line *line)
{
	size_t begin = *at, end = begin;

	while (end < text->size && text->bytes[end] != '\n')
		end++;
	if (end >= text->size)
		return false;
	text->bytes[end] = 0;
	*at = end + 1;
	parse_line(text->bytes + begin, line);
	return true;
}

/* One ioctl since Linux 6.11; before, the whole file. */
struct procmap_query { /* <linux/fs.h> of 6.11 */
	uint64_t size, flags, addr;
	uint64_t start, end, vma_flags, page_size, offset, inode;
	uint32_t dev_major, dev_minor, name_size, build_id_size;
	uint64_t name_addr, build_id_addr;
};
#define PROCMAP_QUERY 0xc0686611u

static bool query(uint64_t addr, struct maps_line *line)
{
	struct procmap_query q = { .size = sizeof(q), .addr = addr };
	char name[16] = "";
	int fd = sys_open(MAPS, O_RDONLY | O_CLOEXEC, 0);
	long rc;

	if (fd < 0)
		return false;
	q.name_addr = (uint64_t)name;
	q.name_size = sizeof(name);
	rc = sys3(SYS_ioctl, fd, PROCMAP_QUERY, (long)&q);
	if (rc == -36 /* ENAMETOOLONG */) {
		q = (struct procmap_query) { .size = sizeof(q), .addr = addr };
		rc = sys3(SYS_ioctl, fd, PROCMAP_QUERY, (long)&q);
	}
	sys_close(fd);
	if (rc < 0)
		return false;
	*line = (struct maps_line) { .start = q.start, .end = q.end };
	line->grows_down = name[0] == '[' && name[1] == 's' && name[2] == 't';
	return true;
}

bool maps_find(uint64_t addr, struct maps_line *line)
{
	struct maps_text text;
	bool found = false;
	size_t at = 0;

	if (query(addr, line))
		return true;
	if (!maps_read(&text))
		return false;
	while (!found && maps_next(&text, &at, line))
		found = addr >= line->start && addr < line->end;
	line->path = "";
	maps_free(&text);
	return found;
}
