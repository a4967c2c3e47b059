/*
 * caps: the rights of this process, and giving up those it does not need.
 */
#ifndef STRANDLINE_PROBE_CAPS_H
#define STRANDLINE_PROBE_CAPS_H

#include <stdbool.h>

struct err;

/* It has that capability (CAP_... of <linux/capability.h>) in force. */
bool caps_has(int capability);
/*
 * Give up all but what probes need (CAP_BPF, CAP_PERFMON, and CAP_SYS_PTRACE
 * to look into other users' processes), and the right to gain others by exec.
 * For this thread and those it starts; there is no way back.
 */
int caps_keep_ours(struct err *err);

#endif
