/*
 * outline: a YAML text held to a libcyaml schema, and where its values stand.
 *
 * libcyaml loads a text into structs, but what it says of a mistake is not
 * where the mistake is: for an unknown key it names the line of the value
 * before it, for a tab line 1, for a value of a wrong unit nothing.  So the
 * text goes through libyaml's events first, along the very schema that
 * libcyaml then loads it by.  The first mistake is refused as
 * "NAME:LINE:COLUMN: sentence"; where there is none, every value's place is
 * kept for those who read meaning into it.
 *
 * Understood of a schema: MAPPING, SEQUENCE, STRING, ENUM, FLAGS; the flag
 * OPTIONAL; the most entries of a sequence.  Anchors, aliases and control
 * characters are refused: nothing here needs them.
 */
#ifndef STRANDLINE_ANALYSIS_OUTLINE_H
#define STRANDLINE_ANALYSIS_OUTLINE_H

#include <stddef.h>

#include "profiler/base/vec.h"

struct cyaml_schema_value;
struct err;

struct outline_place {
	char *path;	       /* "memory.endpoints[0].route" */
	unsigned line, column; /* from 1 */
};

struct outline {
	const char *name; /* the caller's */
	VEC(struct outline_place) places;
};

#define OUTLINE_TEXT_MAX (1u << 20)

/*
 * Read @text, the contents of the file @name.  -EINVAL with the sentence, or
 * -ENOMEM; outline_fini() in any case.  A text without a value in it (comments
 * only) passes, and has no places.
 */
int outline_read(struct outline *o, const char *name, const char *text,
		 size_t len, const struct cyaml_schema_value *schema,
		 struct err *err);
void outline_fini(struct outline *o);

/* The value at @path, NULL where there is none. */
const struct outline_place *outline_find(const struct outline *o,
					 const char *path);

/* "NAME:LINE:COLUMN: sentence" of the value at @path; -EINVAL. */
int outline_refuse(const struct outline *o, const char *path, struct err *err,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
