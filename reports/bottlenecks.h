/*
 * bottlenecks: what slows a server or costs it memory, told from the figures
 * of a recording.  Each rule has a threshold, says what it saw, and is silent
 * where nothing was measured.
 */
#ifndef STRANDLINE_REPORTS_BOTTLENECKS_H
#define STRANDLINE_REPORTS_BOTTLENECKS_H

#include <stdbool.h>

struct buf;
struct model;

struct bottleneck {
	/* Whether it is one; the evidence, a sentence, into @out then. */
	bool (*seen)(const struct model *m, struct buf *out);
	const char *advice;
};

extern const struct bottleneck bottlenecks[]; /* ends with seen NULL */

#endif
