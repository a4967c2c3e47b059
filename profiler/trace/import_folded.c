/*
 * import_folded: stacks as flame graph tools write them, "root;...;leaf 123".
 *
 * The number is taken for live bytes, as there is nothing that says what it
 * is; a second one, of two runs side by side, makes the first a part of the
 * name and is refused.  Frames of Python are known by "function (file.py:12)",
 * those of the kernel by "_[k]".
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/base/intern.h"
#include "profiler/trace/import_formats.h"

#define MOST_FRAMES 4096 /* of a stack */
#define NUMBER_MAX  40

struct folded {
	struct import *im;
	struct hash *known; /* text id -> frame */
};

/* The weight behind the last space, and how long the stack before it is. */
static bool weight_of(const struct import_line *line, double *weight,
		      size_t *stack)
{
	const char *space =
		line->len ? memrchr(line->at, ' ', line->len) : NULL;
	char number[NUMBER_MAX], *end;
	size_t len;

	if (!space || space == line->at)
		return false;
	*stack = (size_t)(space - line->at);
	len = line->len - *stack - 1;
	if (len == 0 || len >= sizeof(number))
		return false;
	memcpy(number, space + 1, len);
	number[len] = '\0';
	if (strspn(number, "0123456789.") != len)
		return false;
	*weight = strtod(number, &end);
	while (*stack && line->at[*stack - 1] == ' ')
		(*stack)--;
	return *end == '\0' && *stack > 0 && isfinite(*weight);
}

bool import_is_folded(const char *text, size_t len)
{
	struct import_line line;
	size_t at = 0, stack;
	double weight;

	while (import_next_line(text, len, &at, &line)) {
		if (line.len == 0 || line.at[0] == '#')
			continue;
		return !memchr(line.at, '\0', line.len) &&
		       weight_of(&line, &weight, &stack);
	}
	return false;
}

/* "function (file.py:12)": -ENOMEM, or 0 whether it is one or not. */
static int read_python(struct import *im, struct import_frame *f,
		       const char *text, size_t len)
{
	const char *open = len > 2 && text[len - 1] == ')'
				   ? memrchr(text, '(', len)
				   : NULL;
	const char *colon, *close = text + len - 1;
	char *end;

	if (!open || open - text < 2 || open[-1] != ' ')
		return 0;
	colon = memrchr(open, ':', (size_t)(close - open));
	if (!colon || colon - open < 4 || memcmp(colon - 3, ".py", 3) != 0)
		return 0;
	f->line = (uint32_t)strtoul(colon + 1, &end, 10);
	if (end != close || close == colon + 1) {
		f->line = 0;
		return 0;
	}
	f->file = import_text(im, open + 1, (size_t)(colon - open - 1));
	f->function = import_text(im, text, (size_t)(open - 1 - text));
	f->module = f->file;
	return f->file && f->function ? 0 : -ENOMEM;
}

static int add_frame(struct folded *x, const char *text, size_t len)
{
	uint32_t id = intern_id_len(x->im->texts, text, len);
	struct import_frame *f;
	uint64_t *known;
	int rc;

	if (id == INTERN_NONE)
		return -ENOMEM;
	known = hash_find(x->known, id);
	if (known)
		return import_step(x->im, (uint32_t)*known);
	f = vec_push(&x->im->frames);
	if (!f || hash_set(x->known, id, x->im->frames.count - 1) < 0)
		return -ENOMEM;
	f->function = intern_text(x->im->texts, id);
	f->mapping = IMPORT_NONE;
	rc = read_python(x->im, f, text, len);
	return rc < 0 ? rc
		      : import_step(x->im, (uint32_t)x->im->frames.count - 1);
}

static int add_stack(struct folded *x, const char *text, size_t len,
		     double weight)
{
	struct import_stack *s = import_stack(x->im);
	size_t frames = 0;
	int rc = 0;

	if (!s)
		return -ENOMEM;
	s->weight[IMPORT_LIVE_BYTES] = weight;
	while (len && rc == 0 && frames++ < MOST_FRAMES) {
		const char *end = memchr(text, ';', len);
		size_t one = end ? (size_t)(end - text) : len;

		if (one)
			rc = add_frame(x, text, one);
		text += end ? one + 1 : one;
		len -= end ? one + 1 : one;
	}
	return rc;
}

int import_folded(struct import *im, const char *text, size_t len,
		  struct err *err)
{
	struct folded x = { im, hash_new() };
	struct import_line line;
	size_t at = 0, stack;
	double weight;
	int rc = x.known ? 0 : -ENOMEM;

	im->what = "folded stacks, whose numbers are taken for live bytes";
	while (rc == 0 && import_next_line(text, len, &at, &line)) {
		if (line.len == 0 || line.at[0] == '#')
			continue;
		if (!memchr(line.at, '\0', line.len) &&
		    weight_of(&line, &weight, &stack))
			rc = add_stack(&x, line.at, stack, weight);
		else
			im->ignored++;
	}
	if (rc == 0 && im->ignored > im->stacks.count)
		rc = err_set(err, -EBADMSG,
			     "%zu of its lines are no folded stacks",
			     im->ignored);
	hash_free(x.known);
	return rc;
}
