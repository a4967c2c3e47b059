/*
 * suppress: findings that somebody has looked at and accepts.
 *
 * The format is LeakSanitizer's, so that a project's file serves both:
 *
 *	# a comment
 *	leak:libfoo.so
 *	leak:^parse_*$
 *
 * A pattern is looked for in the function, the source file and the module of
 * every frame of a finding's stack.  `*` stands for any text; `^` in front and
 * `$` behind hold it to the whole.
 */
#ifndef STRANDLINE_ANALYSIS_SUPPRESS_H
#define STRANDLINE_ANALYSIS_SUPPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/base/vec.h"

struct err;
struct finding;
struct model;
struct verdict;

struct suppression {
	char *pattern;
	char *origin;	/* "lsan.supp:3" */
	uint32_t count; /* findings that it took, see suppress_apply() */
};

struct suppressions {
	VEC(struct suppression) list;
};

#define SUPPRESSIONS_INIT        \
	{                        \
		.list = VEC_INIT \
	}

void suppressions_free(struct suppressions *s);

/*
 * Add the patterns of @text, the contents of the file @name, whose first line
 * has the number @first_line.  -EINVAL with "NAME:LINE: ..." for a line that
 * is none; -ENOMEM.
 */
int suppressions_parse(struct suppressions *s, const char *name,
		       uint32_t first_line, const char *text, size_t len,
		       struct err *err);

/* Whether @pattern, as it stands after "leak:", is found in @text. */
bool suppression_matches(const char *pattern, const char *text);

/* The first one that takes @f, or NULL. */
struct suppression *suppressions_find(const struct suppressions *s,
				      const struct model *m,
				      const struct finding *f);

/* Set `suppressed` in @v's findings; counts what each pattern took. */
void suppressions_apply(struct suppressions *s, const struct model *m,
			struct verdict *v);

#endif
