/*
 * top_source: what there is to show, read again and again by a thread at low
 * priority, so that keys are answered meanwhile.
 *
 * Of a recording the model and the verdict; of a process that nothing records
 * a model with no more than its ledger, out of /proc.  A reading that took
 * long is not repeated before ten times that has gone by.
 */
#ifndef STRANDLINE_CMD_TOP_SOURCE_H
#define STRANDLINE_CMD_TOP_SOURCE_H

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct model;
struct top_source;
struct verdict;

struct top_reading { /* the taker's to free */
	struct model *model;
	struct verdict *verdict; /* of it; may be NULL */
	bool live;		 /* it goes on */
	char problem[480];	 /* why there is nothing newer; "" */
};

/*
 * The recording @dir, of process @pid where that is known, or, without one,
 * that process.  The first reading is
 * made at once, by the caller, and says whether there is anything to read.
 */
int top_source_open(struct top_source **out, const char *dir, pid_t pid,
		    struct err *err);
/* From now on that recording. */
void top_source_follow(struct top_source *s, const char *dir);
/* Readable when there is a reading that was not taken. */
int top_source_fd(const struct top_source *s);
/* False when there is none; else *@r, which was empty. */
bool top_source_take(struct top_source *s, struct top_reading *r);
void top_source_close(struct top_source *s); /* NULL is fine */

void top_reading_free(struct top_reading *r); /* an empty one is fine */

/* top_process.c: the ledger of a process without a recording. */
struct top_process;
int top_process_open(struct top_process **out, pid_t pid, struct err *err);
/* Read once more, and make a model of all readings so far; -ESRCH: it ended. */
int top_process_read(struct top_process *p, struct model **out,
		     struct err *err);
void top_process_close(struct top_process *p); /* NULL is fine */

#endif
