/*
 * fuzz_import: other tools' profiles are foreign bytes.  Whatever they are,
 * they are taken or refused with one sentence; what is taken refers to nothing
 * that is not there.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/trace/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_frame(const struct import *im, const struct import_frame *f)
{
	if (f->mapping != IMPORT_NONE && f->mapping >= im->mappings.count)
		abort();
	if (f->function && !f->function[0])
		abort();
}

static void check_stack(const struct import *im, const struct import_stack *s)
{
	if (s->first + s->count > im->path.count)
		abort();
	for (size_t i = s->first; i < s->first + s->count; i++)
		if (im->path.at[i] >= im->frames.count)
			abort();
	for (int w = 0; w < IMPORT_WEIGHTS; w++)
		if (!(s->weight[w] >= 0) || isinf(s->weight[w]))
			abort();
	if (!(s->bytes_variance >= 0) || !(s->count_variance >= 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct err err = ERR_INIT;
	const struct import_mapping *m;
	const struct import_frame *f;
	const struct import_stack *s;
	struct import *im;
	int rc = import_parse(&im, "f", (const char *)bytes, size, &err);

	if (rc < 0) {
		if (im || !err.text[0])
			abort();
		return 0;
	}
	vec_foreach (&im->mappings, m)
		if (!m->path)
			abort();
	vec_foreach (&im->frames, f)
		check_frame(im, f);
	vec_foreach (&im->stacks, s)
		check_stack(im, s);
	import_free(im);
	return 0;
}
