/*
 * maps: parses the kernel's list of mappings.
 *
 * Written by hand and not with sscanf(): a big server has thousands of
 * mappings, and smaps twenty lines for each, on every reading.
 */
#include "profiler/proc/maps.h"

#include <string.h>

struct line {
	const char *at, *end;
};

static bool next_line(struct maps_cursor *c, struct line *l)
{
	const char *newline;

	if (c->at >= c->end)
		return false;
	newline = memchr(c->at, '\n', (size_t)(c->end - c->at));
	l->at = c->at;
	l->end = newline ? newline : c->end;
	c->at = newline ? newline + 1 : c->end;
	return true;
}

static int digit(char c, unsigned base)
{
	int value = -1;

	if (c >= '0' && c <= '9')
		value = c - '0';
	else if (c >= 'a' && c <= 'f')
		value = c - 'a' + 10;
	return value < (int)base ? value : -1;
}

/* False where no digit stands, or the number does not fit. */
static bool take_number(struct line *l, unsigned base, uint64_t *n)
{
	const char *start = l->at;
	uint64_t value = 0;

	while (l->at < l->end) {
		int d = digit(*l->at, base);

		if (d < 0)
			break;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (unsigned)d, &value))
			return false;
		l->at++;
	}
	*n = value;
	return l->at > start;
}

static bool take_char(struct line *l, char c)
{
	if (l->at >= l->end || *l->at != c)
		return false;
	l->at++;
	return true;
}

static void skip_spaces(struct line *l)
{
	while (l->at < l->end && *l->at == ' ')
		l->at++;
}

/* "rwxp " */
static bool take_perms(struct line *l, struct maps_entry *e)
{
	const char *p = l->at;

	if (l->end - p < 5 || p[4] != ' ')
		return false;
	if ((p[0] != 'r' && p[0] != '-') || (p[1] != 'w' && p[1] != '-') ||
	    (p[2] != 'x' && p[2] != '-') || (p[3] != 'p' && p[3] != 's'))
		return false;
	e->prot = (p[0] == 'r' ? MAPS_READ : 0u) |
		  (p[1] == 'w' ? MAPS_WRITE : 0u) |
		  (p[2] == 'x' ? MAPS_EXEC : 0u);
	e->shared = p[3] == 's';
	l->at += 5;
	return true;
}

static void take_path(struct line *l, struct maps_entry *e)
{
	static const char deleted[] = " (deleted)";
	size_t len = sizeof(deleted) - 1;

	skip_spaces(l);
	e->path = l->at;
	e->path_len = (size_t)(l->end - l->at);
	e->deleted = false;
	if (e->path_len > len && !memcmp(l->end - len, deleted, len)) {
		e->path_len -= len;
		e->deleted = true;
	}
}

/* "start-end perms offset major:minor inode      path" */
static bool parse_entry(struct line l, struct maps_entry *e)
{
	uint64_t major, minor;

	if (!take_number(&l, 16, &e->start) || !take_char(&l, '-') ||
	    !take_number(&l, 16, &e->end) || !take_char(&l, ' ') ||
	    !take_perms(&l, e) || !take_number(&l, 16, &e->offset) ||
	    !take_char(&l, ' ') || !take_number(&l, 16, &major) ||
	    !take_char(&l, ':') || !take_number(&l, 16, &minor) ||
	    !take_char(&l, ' ') || !take_number(&l, 10, &e->inode))
		return false;
	if (e->end < e->start || major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	if (l.at < l.end && *l.at != ' ')
		return false;
	e->device_major = (uint32_t)major;
	e->device_minor = (uint32_t)minor;
	take_path(&l, e);
	return true;
}

/* "Rss:        12 kB": where a mapping begins no capital letter stands. */
static bool is_size_line(const struct line *l)
{
	return l->at < l->end && *l->at >= 'A' && *l->at <= 'Z';
}

static void parse_size(struct line l, struct smaps_sizes *sizes)
{
	static const struct {
		const char *key;
		size_t at;
	} keys[] = {
		{ "Rss:", offsetof(struct smaps_sizes, rss) },
		{ "Pss:", offsetof(struct smaps_sizes, pss) },
		{ "Swap:", offsetof(struct smaps_sizes, swap) },
		{ "Anonymous:", offsetof(struct smaps_sizes, anonymous) },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t len = strlen(keys[i].key);
		uint64_t kib;

		if ((size_t)(l.end - l.at) < len ||
		    memcmp(l.at, keys[i].key, len) != 0)
			continue;
		l.at += len;
		skip_spaces(&l);
		if (take_number(&l, 10, &kib) && kib <= UINT64_MAX / 1024)
			*(uint64_t *)((char *)sizes + keys[i].at) = kib * 1024;
		return;
	}
}

struct maps_cursor maps_begin(const char *text, size_t len)
{
	return (struct maps_cursor) { text, text ? text + len : text, 0 };
}

bool maps_next(struct maps_cursor *c, struct maps_entry *e)
{
	struct line l;

	while (next_line(c, &l)) {
		if (is_size_line(&l))
			continue;
		if (parse_entry(l, e))
			return true;
		c->skipped++;
	}
	return false;
}

bool smaps_next(struct maps_cursor *c, struct maps_entry *e,
		struct smaps_sizes *sizes)
{
	struct maps_cursor ahead;
	struct line l;

	*sizes = (struct smaps_sizes) { 0 };
	if (!maps_next(c, e))
		return false;
	for (ahead = *c; next_line(&ahead, &l) && is_size_line(&l); *c = ahead)
		parse_size(l, sizes);
	return true;
}

char *maps_path(const struct maps_entry *e, char *out, size_t size)
{
	const char *at = e->path, *end = at + e->path_len;
	size_t len = 0;

	if (size == 0)
		return out;
	while (at < end && len + 1 < size) {
		if (end - at >= 4 && !memcmp(at, "\\012", 4)) {
			out[len++] = '\n';
			at += 4;
		} else {
			out[len++] = *at++;
		}
	}
	out[len] = '\0';
	return out;
}

bool maps_path_is(const struct maps_entry *e, const char *text)
{
	return e->path_len == strlen(text) && maps_path_begins(e, text);
}

bool maps_path_begins(const struct maps_entry *e, const char *text)
{
	size_t len = strlen(text);

	return e->path_len >= len && memcmp(e->path, text, len) == 0;
}

bool maps_path_ends(const struct maps_entry *e, const char *text)
{
	size_t len = strlen(text);

	return e->path_len >= len &&
	       memcmp(e->path + e->path_len - len, text, len) == 0;
}
