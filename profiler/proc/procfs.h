/*
 * procfs: small reads below one /proc/PID.
 *
 * A directory descriptor of /proc/PID stays with its process: once that is
 * gone every read fails with ESRCH, even when the number is in use again.
 */
#ifndef STRANDLINE_PROC_PROCFS_H
#define STRANDLINE_PROC_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

/* A descriptor of ROOT/PID ("/proc" is the root), or -errno. */
int procfs_open(const char *root, pid_t pid);
/* Replace @out by the text of @name below @dir; 0 or -errno. */
int procfs_read(int dir, const char *name, struct buf *out);
/* The link's target, cut to fit; its length or -errno. */
ssize_t procfs_link(int dir, const char *name, char *out, size_t size);

#define PROCFS_ROOT_MAX 256
/*
 * What stands before the paths that the kernel tells of process @pid (its
 * maps, its exe), whose directory @dir is, where this process opens them: ""
 * when the two share their mounts (in a chroot, too), or else a way through
 * the process, as long as it lives.
 */
void procfs_root(int dir, pid_t pid, char root[PROCFS_ROOT_MAX]);

/*
 * Call @each with every numeric name in @name below @dir (its threads, its
 * descriptors).  Returns how many, or -errno.
 */
ssize_t procfs_numbers(int dir, const char *name,
		       void (*each)(void *ctx, uint64_t number), void *ctx);

struct procfs_stat { /* of /proc/PID/stat */
	char state;
	pid_t ppid, session;
	uint64_t minor_faults, major_faults;
	uint64_t user_ticks, system_ticks; /* sysconf(_SC_CLK_TCK) a second */
	uint64_t threads;
	uint64_t start_ticks; /* since boot */
};

/* False when @text is not such a line. */
bool procfs_parse_stat(const char *text, struct procfs_stat *stat);
/* Read and parse; -ESRCH, -EBADMSG. */
int procfs_stat(int dir, struct procfs_stat *stat);

#endif
