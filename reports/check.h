/*
 * check: the outcome of a gate in the formats of terminals, scripts and CI.
 *
 * Pure: a gate in, bytes out; equal gates give equal bytes.  Each returns 0 or
 * -ENOMEM.
 */
#ifndef STRANDLINE_REPORTS_CHECK_H
#define STRANDLINE_REPORTS_CHECK_H

#include <stdbool.h>

struct buf;
struct gate;

struct check_options {
	const char *root; /* of the source tree: paths below it are written
			   * relative to it; NULL: as they are */
	unsigned columns; /* of the terminal, 0: 80 */
	bool color;
};

int check_text(const struct gate *g, const struct check_options *opt,
	       struct buf *out);
/* By reports/check-schema.json. */
int check_json(const struct gate *g, const struct check_options *opt,
	       struct buf *out);
/* A suite each for leaks, budgets and the baseline. */
int check_junit(const struct gate *g, const struct check_options *opt,
		struct buf *out);
/* SARIF 2.1.0; findings keep their fingerprints from run to run. */
int check_sarif(const struct gate *g, const struct check_options *opt,
		struct buf *out);
/* For a merge request's comment or $GITHUB_STEP_SUMMARY. */
int check_markdown(const struct gate *g, const struct check_options *opt,
		   struct buf *out);
/* Workflow commands, ::error:: and ::warning::, for standard output. */
int check_github(const struct gate *g, const struct check_options *opt,
		 struct buf *out);

#endif
