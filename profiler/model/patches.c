/*
 * patches: what was done about allocators that are linked into a program.
 *
 * Where their entries lead to the shim, a note says so, since the program's
 * code was changed for it; where they could not be made to, a problem says
 * why, since their blocks are missing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/model/build.h"

#define NAMED 4 /* functions that a sentence names */

struct sentences {
	const char ***at;
	uint32_t *count;
};

/* Once each: the model's strings are the same when they are equal. */
static int add(struct model *m, struct sentences to, const char *text)
{
	const char *kept = model_string(m, text);
	const char **grown;

	if (!kept)
		return -ENOMEM;
	for (uint32_t i = 0; i < *to.count; i++)
		if ((*to.at)[i] == kept)
			return 0;
	grown = realloc(*to.at, (*to.count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[(*to.count)++] = kept;
	*to.at = grown;
	return 0;
}

int build_problem(struct model *m, const char *sentence)
{
	struct sentences problems = { &m->problems, &m->problem_count };

	return add(m, problems, sentence);
}

static int by_length(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	size_t m = strlen(x), n = strlen(y);

	return m != n ? (m < n ? -1 : 1) : strcmp(x, y);
}

/* "free, malloc, calloc, realloc and 12 more"; a name once. */
static void put_names(struct buf *to, const char **names, size_t count)
{
	size_t kept = 0;

	qsort(names, count, sizeof(*names), by_length);
	for (size_t i = 0; i < count; i++)
		if (!kept || strcmp(names[kept - 1], names[i]) != 0)
			names[kept++] = names[i];
	for (size_t i = 0; i < kept && i < NAMED; i++)
		buf_printf(to, "%s%s", i ? ", " : "", names[i]);
	if (kept > NAMED)
		buf_printf(to, " and %zu more", kept - NAMED);
}

static int say(struct model *m, const struct trace_image *im,
	       const char *module, enum wire_patch_state state)
{
	struct sentences notes = { &m->notes, &m->note_count };
	struct sentences problems = { &m->problems, &m->problem_count };
	const char **names = calloc(im->patch_count, sizeof(*names));
	const char *slash = strrchr(module, '/'), *reason;
	struct buf text = BUF_INIT;
	size_t count = 0;
	int rc;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < im->patch_count; i++)
		if (im->patches[i].state == state &&
		    !strcmp(im->patches[i].module, module))
			names[count++] = im->patches[i].function;
	if (count == 0) {
		free(names);
		return 0;
	}
	put_names(&text, names, count);
	free(names);
	buf_printf(&text, ": %s in %s",
		   state == PATCH_DONE ? "patched at entry" : "not recorded",
		   slash ? slash + 1 : module);
	reason = wire_patch_reason(state);
	if (reason)
		buf_printf(&text, ": %s", reason);
	rc = buf_status(&text);
	if (rc == 0)
		rc = add(m, state == PATCH_DONE ? notes : problems, text.bytes);
	buf_free(&text);
	return rc;
}

/* Those of an object stand together. */
static int say_image(struct model *m, const struct trace_image *im)
{
	const char *module = NULL;
	int rc = 0;

	for (size_t i = 0; i < im->patch_count; i++) {
		if (module && !strcmp(module, im->patches[i].module))
			continue;
		module = im->patches[i].module;
		for (int state = 0; state <= PATCH_NSTATES && rc == 0; state++)
			rc = say(m, im, module, (enum wire_patch_state)state);
	}
	return rc;
}

int build_patches(struct model *m, const struct trace_view *v)
{
	int rc = 0;

	for (size_t i = 0; i < v->image_count && rc == 0; i++)
		rc = say_image(m, &v->images[i]);
	return rc;
}
