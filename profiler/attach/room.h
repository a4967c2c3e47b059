/*
 * room: is there memory for a snapshot of a process?
 *
 * A fork shares all pages with its process until that writes to one; then
 * there are two, charged to the process's memory cgroup.  How many it will
 * write to in the second or two is not known: a quarter of them, 64 MiB at
 * least, is far more than servers do.  Should it be more after all, the
 * snapshot is what the kernel kills.
 */
#ifndef STRANDLINE_ATTACH_ROOM_H
#define STRANDLINE_ATTACH_ROOM_H

#include <stdint.h>
#include <sys/types.h>

struct err;

/* What a fork of a process of this /proc/PID/status may take; bytes. */
uint64_t room_needed(const char *status);
/* The bytes that process @pid holds and no file does; 0: it is gone. */
uint64_t room_anonymous(pid_t pid);
/* 0, or -ENOMEM with a sentence that says what there is. */
int room_check(pid_t pid, struct err *err);

#endif
