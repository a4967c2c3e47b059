/*
 * probefile_python: what a process's file says of its Python.
 */
#include <errno.h>
#include <string.h>

#include "profiler/trace/probefile_state.h"

#define PART_MAX 32768u /* bytes of a line table in one record */

/* From byte @at of the line table on, as much as one record holds. */
static int write_part(struct probefile *f, const struct probefile_code *c,
		      uint32_t at)
{
	size_t name = strlen(c->qualname) + 1, file = strlen(c->file) + 1;
	uint32_t count =
		c->lines_size - at < PART_MAX ? c->lines_size - at : PART_MAX;
	size_t size = probefile_aligned(sizeof(struct wire_code) + name + file +
					count);
	struct wire_code *to;
	int rc;

	to = probefile_room(f, size, &rc);
	if (!to)
		return rc;
	*to = (struct wire_code) {
		.head = { .type = WIRE_CODE, .size = (uint32_t)size },
		.id = f->codes + 1,
		.first_line = c->first_line,
		.version = c->version,
		.lines_size = c->lines_size,
		.lines_at = at,
		.lines_here = count,
	};
	memcpy(to->text, c->qualname, name);
	memcpy(to->text + name, c->file, file);
	if (count)
		memcpy(to->text + name + file, c->lines + at, count);
	probefile_publish(f->meta, size);
	return (int)count;
}

uint32_t probefile_code(struct probefile *f, const struct probefile_code *code)
{
	uint32_t at = 0;

	if (f->codes >= WIRE_NODE_MODULE_MASK)
		return 0;
	do {
		int count = write_part(f, code, at);

		if (count < 0)
			return 0;
		at += (uint32_t)count;
	} while (at < code->lines_size);
	return ++f->codes;
}

int probefile_python(struct probefile *f, const struct probefile_python *python)
{
	size_t reason = strlen(python->reason) + 1;
	size_t folder = strlen(python->folder) + 1;
	size_t size =
		probefile_aligned(sizeof(struct wire_python) + reason + folder);
	struct wire_python *to;
	int rc;

	to = probefile_room(f, size, &rc);
	if (!to)
		return rc;
	*to = (struct wire_python) {
		.head = { .type = WIRE_PYTHON, .size = (uint32_t)size },
		.version = python->version,
		.readable = !python->reason[0],
	};
	memcpy(to->text, python->reason, reason);
	memcpy(to->text + reason, python->folder, folder);
	probefile_publish(f->meta, size);
	return 0;
}
