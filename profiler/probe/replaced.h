/*
 * replaced: the file behind a mapping to which its path does not lead any
 * more, as after a deploy: it was deleted, or another one has its name.
 */
#ifndef STRANDLINE_PROBE_REPLACED_H
#define STRANDLINE_PROBE_REPLACED_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

struct maps_entry;

/*
 * A descriptor of the bytes of @e's file, of the process whose directory
 * @proc is and whose mappings @maps are; or -errno.  The program itself is
 * whole.  Of a library there is what the process has in memory: its code, its
 * rules and the names that it exports; to reach its file would take a right
 * that we have given up.
 */
int replaced_open(int proc, const struct maps_entry *e, const char *maps,
		  size_t size);

/*
 * Keep a copy for those who look for names later, whose absolute path this is:
 * DIR/replaced-<device>-<inode>/<name>.  Its size, 0 when it was there before;
 * or -errno, -EFBIG past @most or what is worth it.
 */
int64_t replaced_keep(int fd, const char *dir, const struct maps_entry *e,
		      uint64_t most, char path[PATH_MAX]);

#endif
