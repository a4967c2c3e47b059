/*
 * scan: looks for blocks of one running process that nothing refers to.
 *
 * A scan is four steps: read the recording up to about now, take a snapshot
 * of the process, look through that, release it.  Only the snapshot stops the
 * process, and only it and its release belong to one thread (they wait for
 * stopped threads, see attach/tracee.h); the others may run on any, one step
 * at a time.  What one scan found is kept for the next to confirm.
 */
#ifndef STRANDLINE_CMD_SCAN_H
#define STRANDLINE_CMD_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/base/vec.h"
#include "profiler/wire/record.h"

struct err;
struct scan;

struct scan_result {
	struct wire_reach summary;	   /* but its sites */
	VEC(struct wire_reach_site) sites; /* by node */
};

/* Of @pid, which records into @path, a .slabs file.  0 or -errno. */
int scan_open(struct scan **out, pid_t pid, const char *path, struct err *err);
void scan_close(struct scan *s); /* NULL is fine; after a release */

/* 0 or -errno with a sentence; the scan can be begun again. */
int scan_prepare(struct scan *s, struct err *err);
int scan_take(struct scan *s, struct err *err);
int scan_look(struct scan *s, struct err *err);
void scan_release(struct scan *s); /* fine when nothing was taken */

/* Of the last look that succeeded; valid until the next one. */
const struct scan_result *scan_result(const struct scan *s);
pid_t scan_pid(const struct scan *s);

#endif
