/*
 * top_recorder: `strandline attach` as a process of its own, for top's `a`.
 *
 * It drops rights, blocks signals and waits in ways of its own, all of which
 * would be in top's way; and should top be killed, it ends as for Ctrl-C.
 */
#ifndef STRANDLINE_CMD_TOP_RECORDER_H
#define STRANDLINE_CMD_TOP_RECORDER_H

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct top_recorder;

int top_recorder_start(struct top_recorder **out, pid_t pid, struct err *err);
/* Its recording can be read. */
bool top_recorder_ready(const struct top_recorder *r);
const char *top_recorder_dir(const struct top_recorder *r);
/* It has ended by itself; why, where it failed. */
bool top_recorder_ended(struct top_recorder *r, struct err *why);
/* Leave the process; 0, or -errno with what went wrong. */
int top_recorder_stop(struct top_recorder *r, struct err *err);
void top_recorder_free(struct top_recorder *r); /* NULL is fine */

#endif
