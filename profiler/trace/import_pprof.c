/*
 * import_pprof: the protobuf of Google's and Go's pprof.
 *
 * Sample types are known by their names; of a profile that has none of those,
 * the one that is shown by default is taken: for time on a CPU where its unit
 * is one of time, for live bytes else.  Locations without a line are
 * addresses, named later.
 */
#include <errno.h>
#include <math.h>
#include <profile.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/trace/import_formats.h"

#define MOST_MEMORY ((size_t)1 << 30) /* of the messages */
#define MOST_FRAMES 4096	      /* of a stack */

struct span { /* of a location: its frames, outermost first */
	uint32_t first, count;
};

struct pprof {
	struct import *im;
	const Pprof__Profile *p;
	struct hash *functions; /* id -> index */
	struct hash *locations; /* id -> index of its span */
	struct hash *mappings;	/* id -> index */
	VEC(struct span) spans;
	int weights[64]; /* of each sample type; -1: none */
	double unit[64]; /* what one is, in ours */
};

bool import_is_pprof(const char *bytes, size_t len)
{
	/* One of its messages, of less than 32 bytes, first: no text begins
	 * with two such bytes but with empty lines. */
	return len > 2 && memchr("\x0a\x12\x1a\x22\x2a\x5a", bytes[0], 6) &&
	       (unsigned char)bytes[1] < ' ' && bytes[1] != '\n' &&
	       bytes[1] != '\r';
}

/* protobuf-c's allocator, with a limit: two bytes of input can be a message
 * of a hundred. */
static void *take(void *ctx, size_t size)
{
	size_t *left = ctx;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void give_back(void *ctx, void *block)
{
	(void)ctx;
	free(block);
}

static const char *text_of(const struct pprof *x, int64_t index)
{
	if (index < 0 || (uint64_t)index >= x->p->n_string_table)
		return "";
	return x->p->string_table[index];
}

/* NULL for "". */
static int keep(struct pprof *x, int64_t index, const char **kept)
{
	const char *text = text_of(x, index);

	*kept = text[0] ? import_text(x->im, text, strlen(text)) : NULL;
	return *kept || !text[0] ? 0 : -ENOMEM;
}

static double unit_of(const char *unit)
{
	static const struct {
		const char *name;
		double size;
	} units[] = {
		{ "bytes", 1 },		  { "kilobytes", 1024 },
		{ "megabytes", 1 << 20 }, { "nanoseconds", 1 },
		{ "microseconds", 1e3 },  { "milliseconds", 1e6 },
		{ "seconds", 1e9 },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].name) == 0)
			return units[i].size;
	return 1;
}

static int weight_of(const char *type)
{
	static const struct {
		const char *name;
		enum import_weight weight;
	} types[] = {
		{ "inuse_space", IMPORT_LIVE_BYTES },
		{ "inuse_objects", IMPORT_LIVE_COUNT },
		{ "alloc_space", IMPORT_ALLOC_BYTES },
		{ "alloc_objects", IMPORT_ALLOC_COUNT },
		{ "space", IMPORT_LIVE_BYTES },
		{ "objects", IMPORT_LIVE_COUNT },
		{ "peak_space", IMPORT_PEAK },
		{ "temporary_space", IMPORT_TEMPORARY },
		{ "leak_space", IMPORT_LEAK },
		{ "rss_space", IMPORT_RSS },
		{ "cpu", IMPORT_CPU },
		{ "offcpu", IMPORT_OFFCPU },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i].name) == 0)
			return (int)types[i].weight;
	return -1;
}

static bool is_time(const char *unit)
{
	size_t len = strlen(unit);

	return len >= 7 && strcmp(unit + len - 7, "seconds") == 0;
}

static int read_types(struct pprof *x, struct err *err)
{
	const Pprof__Profile *p = x->p;
	size_t shown = p->n_sample_type - 1;
	bool any = false;

	if (p->n_sample_type == 0 || p->n_sample_type > 64)
		return err_set(err, -EBADMSG,
			       "a profile of pprof with %zu types of samples",
			       p->n_sample_type);
	for (size_t i = 0; i < p->n_sample_type; i++) {
		const Pprof__ValueType *t = p->sample_type[i];

		x->weights[i] = weight_of(text_of(x, t->type));
		x->unit[i] = unit_of(text_of(x, t->unit));
		any |= x->weights[i] >= 0;
		if (p->default_sample_type && t->type == p->default_sample_type)
			shown = i;
	}
	if (!any)
		x->weights[shown] =
			is_time(text_of(x, p->sample_type[shown]->unit))
				? (int)IMPORT_CPU
				: (int)IMPORT_LIVE_BYTES;
	return 0;
}

static int read_mappings(struct pprof *x)
{
	for (size_t i = 0; i < x->p->n_mapping; i++) {
		const Pprof__Mapping *from = x->p->mapping[i];
		struct import_mapping *to = vec_push(&x->im->mappings);

		if (!to || keep(x, from->filename, &to->path) < 0 ||
		    hash_set(x->mappings, from->id, i) < 0)
			return -ENOMEM;
		to->path = to->path ? to->path : "";
		to->start = from->memory_start;
		to->end = from->memory_limit;
		to->offset = from->file_offset;
	}
	return 0;
}

static int add_line(struct pprof *x, const Pprof__Line *line,
		    struct import_frame *f)
{
	uint64_t *at = hash_find(x->functions, line->function_id);
	const Pprof__Function *fn = at ? x->p->function[*at] : NULL;

	f->line = line->line > 0 && line->line <= UINT32_MAX
			  ? (uint32_t)line->line
			  : 0;
	if (!fn)
		return 0;
	return keep(x, fn->name, &f->function) < 0 ||
			       keep(x, fn->filename, &f->file) < 0
		       ? -ENOMEM
		       : 0;
}

static int read_location(struct pprof *x, const Pprof__Location *l)
{
	uint64_t *mapping = hash_find(x->mappings, l->mapping_id);
	size_t lines = l->n_line ? l->n_line : 1;
	struct span *span = vec_push(&x->spans);

	if (!span || hash_set(x->locations, l->id, x->spans.count - 1) < 0)
		return -ENOMEM;
	*span = (struct span) { (uint32_t)x->im->frames.count,
				(uint32_t)lines };
	for (size_t i = lines; i-- > 0;) { /* innermost first in the file */
		struct import_frame *f = vec_push(&x->im->frames);

		if (!f)
			return -ENOMEM;
		f->address = l->address;
		f->mapping = mapping ? (uint32_t)*mapping : IMPORT_NONE;
		if (mapping)
			f->module = x->im->mappings.at[*mapping].path;
		f->inlined = i + 1 < l->n_line;
		if (l->n_line && add_line(x, l->line[i], f) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int read_tables(struct pprof *x)
{
	int rc = 0;

	for (size_t i = 0; i < x->p->n_function && rc == 0; i++)
		rc = hash_set(x->functions, x->p->function[i]->id, i);
	if (rc == 0)
		rc = read_mappings(x);
	for (size_t i = 0; i < x->p->n_location && rc == 0; i++)
		rc = read_location(x, x->p->location[i]);
	return rc;
}

static int read_sample(struct pprof *x, const Pprof__Sample *from)
{
	size_t count = from->n_location_id < MOST_FRAMES ? from->n_location_id
							 : MOST_FRAMES;
	struct import_stack *s = import_stack(x->im);

	if (!s)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_value && i < x->p->n_sample_type; i++)
		if (x->weights[i] >= 0 && from->value[i] > 0)
			s->weight[x->weights[i]] +=
				(double)from->value[i] * x->unit[i];
	for (size_t i = count; i-- > 0;) {
		uint64_t *at = hash_find(x->locations, from->location_id[i]);
		struct span span = at ? x->spans.at[*at] : (struct span) { 0 };

		x->im->ignored += !at;
		for (uint32_t k = 0; k < span.count; k++)
			if (import_step(x->im, span.first + k) < 0)
				return -ENOMEM;
	}
	return 0;
}

static int read_profile(struct pprof *x, struct err *err)
{
	const Pprof__Profile *p = x->p;
	int rc = read_types(x, err);

	if (rc == 0)
		rc = read_tables(x);
	for (size_t i = 0; i < p->n_sample && rc == 0; i++)
		rc = read_sample(x, p->sample[i]);
	x->im->time_unix_ns = p->time_nanos > 0 ? (uint64_t)p->time_nanos : 0;
	x->im->duration =
		p->duration_nanos > 0 ? (double)p->duration_nanos / 1e9 : 0;
	if (p->period > 1 && p->period_type &&
	    strcmp(text_of(x, p->period_type->unit), "bytes") == 0)
		x->im->mean_bytes = (double)p->period;
	return rc;
}

int import_pprof(struct import *im, const char *bytes, size_t len,
		 struct err *err)
{
	struct pprof x = {
		.im = im,
		.functions = hash_new(),
		.locations = hash_new(),
		.mappings = hash_new(),
	};
	size_t left = MOST_MEMORY;
	ProtobufCAllocator memory = { take, give_back, &left };
	Pprof__Profile *p = NULL;
	int rc = -ENOMEM;

	im->what = "a profile of pprof";
	if (x.functions && x.locations && x.mappings) {
		p = pprof__profile__unpack(&memory, len,
					   (const uint8_t *)bytes);
		x.p = p;
		rc = p ? read_profile(&x, err)
		       : err_set(err, -EBADMSG,
				 "it begins like a profile of pprof, and goes "
				 "on in another way");
	}
	if (p)
		pprof__profile__free_unpacked(p, &memory);
	hash_free(x.functions);
	hash_free(x.locations);
	hash_free(x.mappings);
	vec_free(&x.spans);
	return rc;
}
