#include "profiler/trace/codes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX (16u << 20) /* of one code object: nobody's is as long */

static char *keep(struct codes *c, const char *text, size_t len)
{
	char **slot = vec_push(&c->strings);

	if (!slot)
		return NULL;
	*slot = strndup(text, len);
	return *slot;
}

/* The texts of a record; false: they do not end within it. */
static bool split(const char *text, size_t size, const char **second,
		  const char **rest)
{
	size_t first = strnlen(text, size), next;

	if (first == size)
		return false;
	*second = text + first + 1;
	next = strnlen(*second, size - first - 1);
	if (next == size - first - 1)
		return false;
	*rest = *second + next + 1;
	return true;
}

static int begin_code(struct codes *c, const struct wire_code *w,
		      const char *file)
{
	struct trace_code *code = vec_push(&c->list);

	if (!code)
		return -ENOMEM;
	*code = (struct trace_code) {
		.id = w->id,
		.qualname = keep(c, w->text, strlen(w->text)),
		.file = keep(c, file, strlen(file)),
		.first_line = w->first_line,
		.python_version = w->version,
	};
	return code->qualname && code->file ? 0 : -ENOMEM;
}

/* Parts follow each other, but records of other codes may stand between. */
static struct trace_code *find_code(struct codes *c, uint32_t id)
{
	for (size_t i = c->list.count; i > 0; i--)
		if (c->list.at[i - 1].id == id)
			return &c->list.at[i - 1];
	return NULL;
}

static int read_code(struct codes *c, const struct wire_code *w)
{
	size_t size = w->head.size - sizeof(*w);
	struct trace_code *code;
	const char *file, *part;
	uint8_t *grown;

	if (!split(w->text, size, &file, &part) || w->lines_size > LINES_MAX ||
	    w->lines_here > size - (size_t)(part - w->text))
		return 0;
	if (!w->lines_at && begin_code(c, w, file) < 0)
		return -ENOMEM;
	code = find_code(c, w->id);
	/* A part that does not fit on is damage: lines end before it. */
	if (!code || code->linetable_size != w->lines_at ||
	    w->lines_here > w->lines_size - w->lines_at)
		return 0;
	grown = realloc((void *)code->linetable,
			(size_t)w->lines_at + w->lines_here + 1);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + w->lines_at, part, w->lines_here);
	code->linetable = grown;
	code->linetable_size += w->lines_here;
	return 0;
}

static int read_python(struct codes *c, const struct wire_python *w)
{
	const char *folder, *rest;

	if (!split(w->text, w->head.size - sizeof(*w), &folder, &rest))
		return 0;
	c->python = (struct trace_python) {
		.version = w->version,
		.readable = w->readable,
		.reason = keep(c, w->text, strlen(w->text)),
		.folder = keep(c, folder, strlen(folder)),
	};
	return c->python.reason && c->python.folder ? 0 : -ENOMEM;
}

int codes_record(struct codes *c, const struct wire_head *record)
{
	if (record->type == WIRE_CODE &&
	    record->size > sizeof(struct wire_code))
		return read_code(c, (const struct wire_code *)record);
	if (record->type == WIRE_PYTHON &&
	    record->size > sizeof(struct wire_python))
		return read_python(c, (const struct wire_python *)record);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct trace_code *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

void codes_finish(struct codes *c, struct trace_image *view)
{
	if (c->list.count)
		qsort(c->list.at, c->list.count, sizeof(*c->list.at), by_id);
	view->codes = c->list.at;
	view->code_count = c->list.count;
	view->python = c->python;
}

void codes_fini(struct codes *c)
{
	struct trace_code *code;
	char **text;

	vec_foreach (&c->list, code)
		free((void *)code->linetable);
	vec_free(&c->list);
	vec_foreach (&c->strings, text)
		free(*text);
	vec_free(&c->strings);
	c->python = (struct trace_python) { 0 };
}
