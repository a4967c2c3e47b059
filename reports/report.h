/*
 * report: the table of output formats.  Pure: a model in, bytes out; equal
 * models give equal bytes.
 */
#ifndef STRANDLINE_REPORTS_REPORT_H
#define STRANDLINE_REPORTS_REPORT_H

#include "profiler/model/model.h"

struct buf;
struct checks;
struct slow_limits;
struct verdict;

struct report_options {
	enum model_kind kind;
	bool by_kind;	  /* csv: the sites by that kind, not the ledger */
	bool endpoints;	  /* csv: the endpoints */
	bool course;	  /* csv: how their latencies went */
	unsigned top;	  /* rows in tables; 0: the format's own default */
	bool color;	  /* ANSI colours are welcome */
	unsigned columns; /* terminal width, 0: 80 */
	bool native_only; /* hide Python frames */
	bool python_only; /* hide native frames */
	const struct verdict *verdict; /* NULL: none was made */
	bool performance; /* md: the document handed in after a load test */
	const struct checks *checks; /* its targets; NULL: none were given */
	double slow_ms; /* p95 above which an endpoint is slow; 0: 1 s */
	const struct slow_limits *slow_limits; /* of single ones; or NULL */
};

struct report_format {
	const char *name;
	const char *summary; /* for --help */
	int (*write)(const struct model *m, const struct report_options *opt,
		     struct buf *out);
	/* Why this strandline cannot write it, in a sentence, or NULL; no
	 * function: it always can. */
	const char *(*missing)(void);
};

extern const struct report_format report_formats[]; /* ends with name NULL */
const struct report_format *report_format_find(const char *name);

/*
 * The kind to show when none is asked for: live, unless the server gave its
 * memory back as it ended.  What is live then is what it forgot, not what it
 * lived on: that is peak.
 */
enum model_kind report_default_kind(const struct model *m);

/*
 * Why @m holds nothing of @kind, and how to record it: what follows a colon in
 * a sentence.  NULL where it was looked for, found or not.
 */
const char *report_kind_missing(const struct model *m, enum model_kind kind);

#endif
