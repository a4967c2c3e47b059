/*
 * progress: a word to the person who waits, once that has taken two seconds.
 *
 * On a terminal one line counts the seconds and goes away at the end;
 * elsewhere a plain line comes now and then.  All on standard error, from a
 * thread of its own, so that what takes long need not know.
 */
#ifndef STRANDLINE_CMD_PROGRESS_H
#define STRANDLINE_CMD_PROGRESS_H

struct progress;

/* "reading", "shop.strand"; both are copied.  NULL when it cannot be had. */
struct progress *progress_begin(const char *doing, const char *object);
void progress_end(struct progress *p); /* NULL is fine */

#endif
