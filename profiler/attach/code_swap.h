/*
 * code_swap: write a few bytes of a running process's code, while all of its
 * threads stand still and none is amid them.
 *
 * Amid: its pc, or where a signal handler returns to.  All bytes are changed
 * or none; what does not hold what is expected (a library that is gone) is
 * left alone when bytes are put back, and refused when new ones are written.
 */
#ifndef STRANDLINE_ATTACH_CODE_SWAP_H
#define STRANDLINE_ATTACH_CODE_SWAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct late_code;

/*
 * @on: `after` in place of `before`; else back.  Within about @patience_ns,
 * or nothing is changed: -EBUSY (a thread was amid it, or would not stop),
 * -ESRCH, -EPERM, -ESTALE (other code stands there).  *@stopped_ns: how long
 * they stood still, the last time.
 */
int code_swap(pid_t pid, int mem, const struct late_code *codes, size_t count,
	      bool on, uint64_t patience_ns, uint64_t *stopped_ns,
	      struct err *err);

/* Would a thread at @pc run on amid bytes that are changed? */
bool code_swap_is_amid(const struct late_code *codes, size_t count,
		       uint64_t pc);

#endif
