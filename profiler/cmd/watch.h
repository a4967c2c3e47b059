/*
 * watch: judges a recording while it grows, and says when the verdict changes.
 *
 * A thread of its own at the lowest priority reads the recording as far as it
 * goes, as `report` would, each interval.
 */
#ifndef STRANDLINE_CMD_WATCH_H
#define STRANDLINE_CMD_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct watch;

struct watch_options {
	const char *dir; /* of the recording; must outlive the watch */
	uint64_t interval_ns;
	bool quiet; /* judge, but say nothing */
};

int watch_start(struct watch **out, const struct watch_options *opt,
		struct err *err);
/* Waits for a judgement in hand.  NULL is fine. */
void watch_stop(struct watch *w);

/* Readable once a leak was definite; -1 for NULL. */
int watch_fd(const struct watch *w);
/* Whether one was. */
bool watch_saw_leak(const struct watch *w);

#endif
