/*
 * doctor: what works here, what does not, and what mends it, as a list.
 *
 * doctor_host() and doctor_process() judge facts that were read before, and
 * are pure; doctor_text() and doctor_json() print.
 */
#ifndef STRANDLINE_CMD_DOCTOR_H
#define STRANDLINE_CMD_DOCTOR_H

#include <stdbool.h>

#include "profiler/base/vec.h"

struct anatomy;
struct buf;
struct err;
struct features;
struct layout;

enum doctor_state {
	DOCTOR_WORKS,
	DOCTOR_PARTLY,
	DOCTOR_FAILS,
	DOCTOR_FACT, /* neither good nor bad */
};

struct doctor_check {
	const char *section, *name; /* constant */
	enum doctor_state state;
	char text[400];
	char mend[240]; /* a command, or a sentence; "": nothing to mend */
};

struct doctor {
	VEC(struct doctor_check) checks;
	bool failed; /* out of memory */
};

void doctor_fini(struct doctor *d);

__attribute__((format(printf, 5, 6))) void doctor_add(struct doctor *d,
						      const char *section,
						      const char *name,
						      enum doctor_state state,
						      const char *fmt, ...);
/* Of the check added last. */
__attribute__((format(printf, 2, 3))) void doctor_mend(struct doctor *d,
						       const char *fmt, ...);

/* doctor_host.c: the kernel, rights, limits. */
void doctor_host(struct doctor *d, const struct features *f);
/* doctor_process.c: what it is, and what stands around it. */
void doctor_process(struct doctor *d, const struct anatomy *a,
		    const struct features *f);
/* doctor_ways.c: tries what a build and a kernel can do; not pure. */
void doctor_trials(struct doctor *d);
void doctor_python(struct doctor *d, const struct anatomy *a);
/* Each way in, for @a, or for what is started here when that is NULL. */
void doctor_ways(struct doctor *d, const struct anatomy *a);

void doctor_text(const struct doctor *d, const struct layout *l);
/* @pid: 0 for none. */
void doctor_json(const struct doctor *d, int pid, struct buf *out);

#endif
