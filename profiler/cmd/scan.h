/*
 * scan: looks for blocks of one running process that nothing refers to.
 *
 * A scan goes: read the recording up to about now (so that little is left to
 * read later); take a snapshot of the process; read on to that instant; look
 * through the snapshot; release it.  Only taking and releasing touch the
 * process and belong to one thread (attach/tracee.h); the others may run on
 * any other, one at a time.  What one scan found is kept for the next to
 * confirm.
 */
#ifndef STRANDLINE_CMD_SCAN_H
#define STRANDLINE_CMD_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/attach/roots.h"
#include "profiler/attach/snapshot.h"
#include "profiler/base/vec.h"
#include "profiler/wire/record.h"

struct err;
struct pyheap;
struct scan;
struct writer;

struct shot { /* a process at an instant, and where to look in it */
	struct snapshot snapshot;
	struct roots roots;
};

struct scan_result {
	struct wire_reach summary;	   /* but its sites */
	VEC(struct wire_reach_site) sites; /* by node */
	struct pyheap *objects;		   /* groups are nodes; or NULL */
};

/*
 * Of @pid, which records into @path, a .slabs file.  0 or -errno with a
 * sentence: -ENOTSUP when it is not that file which the process has mapped.
 */
int scan_open(struct scan **out, pid_t pid, const char *path, struct err *err);
void scan_close(struct scan *s); /* NULL is fine */

/* Each 0 or -errno with a sentence; after any the scan can be begun again. */
int scan_prepare(struct scan *s, struct err *err);
int scan_take(const struct scan *s, struct shot *shot, struct err *err);
void shot_release(struct shot *shot); /* zeroed is fine */
/* -EAGAIN: the recording was digested past the instant. */
int scan_read(struct scan *s, const struct shot *shot, struct err *err);
/* *@out, of a look that succeeded, is for scan_result_fini(). */
int scan_look(struct scan *s, const struct shot *shot, struct scan_result *out,
	      struct err *err);
/* What a look found, into the recording; 0 or -errno. */
int scan_write(const struct scan_result *r, struct writer *w);
/*
 * Without a shot, of the process as it runs on: what its blocks are in Python
 * and which functions answer its requests, into the recording.  An object that
 * changes meanwhile may be told wrong.
 */
int scan_glance(struct scan *s, struct writer *w, struct err *err);
void scan_result_fini(struct scan_result *r); /* zeroed is fine */
pid_t scan_pid(const struct scan *s);

#endif
