/*
 * import_jeprof: a heap dump of jemalloc, "heap_v2/524288" and on.
 *
 *	@ 0x5f86da8 0x5f5a1dc ...		return addresses, leaf first
 *	  t*: 13: 6688 [0: 0]			live [and ever], all threads
 *	  t3: 12: 6496 [0: 0]			one of them
 *	MAPPED_LIBRARIES:			/proc/PID/maps
 *
 * The figures are what was sampled.  A block of @size is sampled with
 * 1 - exp(-size / rate), so each stack's are divided by that of its mean size,
 * as jeprof does.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/trace/import_formats.h"

#define HEAD	    "heap_v2/"
#define MOST_FRAMES 4096 /* of a stack */
#define MOST_MEAN   1e15 /* bytes */
#define COPY_MAX    4608 /* a path, and a bit */

struct jeprof {
	struct import *im;
	struct hash *known; /* address -> frame */
	VEC(uint64_t) leaf_first;
};

static bool begins(const struct import_line *line, const char *text)
{
	size_t len = strlen(text);

	return line->len >= len && memcmp(line->at, text, len) == 0;
}

bool import_is_jeprof(const char *text, size_t len)
{
	struct import_line line = { text, len };

	return begins(&line, HEAD);
}

/* Its own copy, so that what reads numbers stops at its end. */
static const char *copy_of(const struct import_line *line, char out[COPY_MAX])
{
	size_t len = line->len < COPY_MAX - 1 ? line->len : COPY_MAX - 1;

	memcpy(out, line->at, len);
	out[len] = '\0';
	return out;
}

static int read_addresses(struct jeprof *j, const struct import_line *line)
{
	const char *at = line->at + 1, *end = line->at + line->len;

	j->leaf_first.count = 0;
	while (at < end && j->leaf_first.count < MOST_FRAMES) {
		uint64_t address = 0, *one;

		if (end - at < 4 || memcmp(at, " 0x", 3) != 0 || at[3] == ' ')
			return -EBADMSG;
		for (at += 3; at < end && *at != ' '; at++) {
			const char *digit = memchr("0123456789abcdef", *at, 16);

			if (!digit || address >> 60)
				return -EBADMSG;
			address = address << 4 |
				  (uint64_t)(digit - "0123456789abcdef");
		}
		one = vec_push(&j->leaf_first);
		if (!one)
			return -ENOMEM;
		*one = address;
	}
	return 0;
}

static int add_frame(struct jeprof *j, uint64_t address)
{
	uint64_t *known = hash_find(j->known, address);
	struct import_frame *f;

	if (known)
		return import_step(j->im, (uint32_t)*known);
	f = vec_push(&j->im->frames);
	if (!f || hash_set(j->known, address, j->im->frames.count - 1) < 0)
		return -ENOMEM;
	f->mapping = IMPORT_NONE;
	f->address = address ? address - 1 : 0; /* of the call */
	return import_step(j->im, (uint32_t)j->im->frames.count - 1);
}

/* How much one of @count sampled blocks of @bytes in all stands for. */
static double scale_of(const struct import *im, double count, double bytes)
{
	if (count <= 0 || bytes <= 0 || im->mean_bytes <= 0)
		return 1;
	return -1 / expm1(-bytes / count / im->mean_bytes);
}

static int add_stack(struct jeprof *j, const char *figures)
{
	unsigned long long count, bytes, ever_count, ever_bytes;
	struct import_stack *s;
	double scale;
	int rc = 0;

	if (sscanf(figures, " t*: %llu: %llu [%llu: %llu]", &count, &bytes,
		   &ever_count, &ever_bytes) != 4)
		return -EBADMSG;
	s = import_stack(j->im);
	if (!s)
		return -ENOMEM;
	scale = scale_of(j->im, (double)count, (double)bytes);
	s->weight[IMPORT_LIVE_COUNT] = (double)count * scale;
	s->weight[IMPORT_LIVE_BYTES] = (double)bytes * scale;
	if (count) {
		/* Of each block (1 - p) / p^2 times its square. */
		double each = scale * scale - scale;
		double size = (double)bytes / (double)count;

		s->count_variance = (double)count * each;
		s->bytes_variance = (double)count * each * size * size;
	}
	scale = scale_of(j->im, (double)ever_count, (double)ever_bytes);
	s->weight[IMPORT_ALLOC_COUNT] = (double)ever_count * scale;
	s->weight[IMPORT_ALLOC_BYTES] = (double)ever_bytes * scale;
	for (size_t i = j->leaf_first.count; i-- > 0 && rc == 0;)
		rc = add_frame(j, j->leaf_first.at[i]);
	return rc;
}

static int add_mapping(struct jeprof *j, const char *text)
{
	unsigned long long start, end, offset;
	struct import_mapping *m;
	char perms[5];
	int path = 0;

	if (sscanf(text, "%llx-%llx %4s %llx %*s %*s %n", &start, &end, perms,
		   &offset, &path) != 4 ||
	    !path || start >= end)
		return -EBADMSG;
	if (!strchr(perms, 'x'))
		return 0;
	m = vec_push(&j->im->mappings);
	if (!m)
		return -ENOMEM;
	*m = (struct import_mapping) { import_text(j->im, text + path,
						   strlen(text + path)),
				       start, end, offset };
	return m->path ? 0 : -ENOMEM;
}

static int by_start(const void *a, const void *b)
{
	const struct import_mapping *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void place_frames(struct import *im)
{
	struct import_frame *f;

	if (im->mappings.count)
		qsort(im->mappings.at, im->mappings.count,
		      sizeof(*im->mappings.at), by_start);
	vec_foreach (&im->frames, f) {
		size_t low = 0, high = im->mappings.count;

		while (low < high) {
			size_t middle = (low + high) / 2;

			if (im->mappings.at[middle].start <= f->address)
				low = middle + 1;
			else
				high = middle;
		}
		if (low && f->address < im->mappings.at[low - 1].end)
			f->mapping = (uint32_t)low - 1;
	}
}

/* Where jemalloc itself stands on the stack is no news. */
static void hide_allocator(struct import *im)
{
	struct import_stack *s;

	vec_foreach (&im->stacks, s) {
		while (s->count > 1) {
			uint32_t leaf = im->path.at[s->first + s->count - 1];
			uint32_t mapping = im->frames.at[leaf].mapping;
			const char *slash =
				mapping == IMPORT_NONE
					? NULL
					: strrchr(im->mappings.at[mapping].path,
						  '/');

			if (!slash || strncmp(slash, "/libjemalloc", 12) != 0)
				break;
			s->count--;
		}
	}
}

static int read_lines(struct jeprof *j, const char *text, size_t len)
{
	struct import_line line;
	char copy[COPY_MAX];
	bool mappings = false, stack = false;
	size_t at = 0;
	int rc = 0;

	import_next_line(text, len, &at, &line);
	while (rc == 0 && import_next_line(text, len, &at, &line)) {
		if (begins(&line, "MAPPED_LIBRARIES:"))
			mappings = true;
		else if (mappings && line.len)
			rc = add_mapping(j, copy_of(&line, copy));
		else if (begins(&line, "@"))
			rc = read_addresses(j, &line);
		else if (begins(&line, "  t*:") && stack)
			rc = add_stack(j, copy_of(&line, copy));
		else if (line.len && !begins(&line, "  t"))
			rc = -EBADMSG;
		stack |= begins(&line, "@");
		if (rc == -EBADMSG) {
			j->im->ignored++;
			rc = 0;
		}
	}
	return rc;
}

int import_jeprof(struct import *im, const char *text, size_t len,
		  struct err *err)
{
	struct jeprof j = { im, hash_new(), VEC_INIT };
	struct import_line line;
	char copy[COPY_MAX], *end;
	size_t at = 0;
	int rc = j.known ? 0 : -ENOMEM;

	im->what = "a heap dump of jemalloc";
	if (rc == 0 && import_next_line(text, len, &at, &line)) {
		im->mean_bytes =
			strtod(copy_of(&line, copy) + strlen(HEAD), &end);
		if (*end || !(im->mean_bytes > 0) || im->mean_bytes > MOST_MEAN)
			rc = err_set(err, -EBADMSG,
				     "a heap dump of jemalloc, but without the "
				     "rate it was sampled at");
	}
	if (rc == 0)
		rc = read_lines(&j, text, len);
	if (rc == 0 && im->ignored > im->stacks.count + im->mappings.count)
		rc = err_set(err, -EBADMSG,
			     "a heap dump of jemalloc, %zu lines of which "
			     "cannot be read",
			     im->ignored);
	place_frames(im);
	hide_allocator(im);
	hash_free(j.known);
	vec_free(&j.leaf_first);
	return rc;
}
