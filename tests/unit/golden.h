/*
 * golden: compare a report with the bytes in tests/golden/.
 *
 * STRANDLINE_GOLDEN=write writes them instead; look at the diff before you
 * commit it.
 */
#ifndef STRANDLINE_TESTS_GOLDEN_H
#define STRANDLINE_TESTS_GOLDEN_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "reports/report.h"

/* tests/golden/ beside this header, wherever the test runs. */
static inline void golden_path(char path[4096], const char *name)
{
	const char *slash = strrchr(__FILE__, '/');

	snprintf(path, 4096, "%.*s/../golden/%s", (int)(slash - __FILE__),
		 __FILE__, name);
}

/* The line of @at where the two texts part. */
static inline size_t golden_difference(const char *a, const char *b)
{
	size_t line = 1;

	for (; *a && *a == *b; a++, b++)
		line += *a == '\n';
	return line;
}

static inline void golden_check(const char *name, const struct buf *got)
{
	struct err err = ERR_INIT;
	struct buf want = BUF_INIT;
	char path[4096];

	golden_path(path, name);
	if (getenv("STRANDLINE_GOLDEN")) {
		cr_assert_eq(buf_write_file(got, path, &err), 0, "%s",
			     err.text);
		return;
	}
	cr_assert_eq(buf_read_file(&want, path, &err), 0, "%s", err.text);
	cr_assert(want.len == got->len &&
			  memcmp(want.bytes, got->bytes, got->len) == 0,
		  "tests/golden/%s differs from line %zu on", name,
		  golden_difference(want.bytes, got->bytes));
	buf_free(&want);
}

/* The report of @m in @format; to be freed. */
static inline struct buf golden_report(const char *format,
				       const struct model *m,
				       const struct report_options *opt)
{
	const struct report_format *rf = report_format_find(format);
	struct buf out = BUF_INIT;

	cr_assert_not_null(rf);
	cr_assert_eq(rf->write(m, opt, &out), 0);
	return out;
}

static inline void golden_check_report(const char *name, const char *format,
				       const struct model *m,
				       const struct report_options *opt)
{
	struct buf out = golden_report(format, m, opt);

	golden_check(name, &out);
	buf_free(&out);
}

/* Both models give the same bytes. */
static inline void golden_check_equal(const char *format, const struct model *a,
				      const struct model *b,
				      const struct report_options *opt)
{
	struct buf x = golden_report(format, a, opt);
	struct buf y = golden_report(format, b, opt);

	cr_assert_eq(x.len, y.len, "%s in kind %s", format,
		     model_kind_name(opt->kind));
	cr_assert(memcmp(x.bytes, y.bytes, x.len) == 0, "%s in kind %s", format,
		  model_kind_name(opt->kind));
	buf_free(&x);
	buf_free(&y);
}

#endif
