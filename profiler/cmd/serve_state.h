/*
 * serve_state: what `serve` knows: recordings, read again and again while they
 * grow, as texts for the door.
 *
 * A recording is read as `report` would, by a thread at the lowest priority,
 * and no more often than leaves nine tenths of a core idle.  One that has
 * ended is read once more and kept.
 */
#ifndef STRANDLINE_CMD_SERVE_STATE_H
#define STRANDLINE_CMD_SERVE_STATE_H

#include <stddef.h>
#include <stdint.h>

struct door;
struct err;
struct push;
struct state;

struct state_options {
	char *const *words; /* recordings or processes, see find.h */
	size_t count;
	uint64_t interval_ns;
	unsigned top;	   /* sites; 0: as many as the report has */
	struct door *door; /* to show the texts at */
	struct push *push; /* where profiles go; NULL: nowhere */
	uint64_t push_every_ns;
	const char *push_name; /* NULL: as the server's program */
};

/* Find all and read them for the first time; then go on by itself. */
int state_start(struct state **out, const struct state_options *opt,
		struct err *err);
void state_stop(struct state *s); /* NULL is fine */

#endif
