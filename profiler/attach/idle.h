/*
 * idle: a process that was started with the recorder in it, which waits
 * (STRANDLINE=idle): switch it on and off.
 *
 * Nothing is stopped: the wish is written where the recorder looks now and
 * then (wire/late.h), so a process that allocates nothing does not hear it.
 */
#ifndef STRANDLINE_ATTACH_IDLE_H
#define STRANDLINE_ATTACH_IDLE_H

#include <stdint.h>
#include <sys/types.h>

struct err;
struct inject_settings;

/*
 * 0 if @pid is such a process; -ENOTSUP and others with a sentence.  @process
 * is a pidfd of who is meant, here and below; -1: whoever has the number.
 */
int idle_check(pid_t pid, int process, struct err *err);
/*
 * Have it record; `slabs` and `quota` of @settings are not used, it opens its
 * files by their names.  0; -EALREADY: it does already; -ETIMEDOUT, without a
 * sentence: it has not looked yet, but will.
 */
int idle_attach(pid_t pid, const struct inject_settings *settings,
		uint64_t patience_ns, struct err *err);
int idle_detach(pid_t pid, int process, uint64_t patience_ns, struct err *err);

#endif
