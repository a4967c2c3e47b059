/*
 * maps: the lines of /proc/PID/maps and /proc/PID/smaps.
 *
 * A cursor walks text that was read whole; nothing is copied or allocated.
 * What is not a mapping's line is skipped and counted, never guessed at.
 */
#ifndef STRANDLINE_PROC_MAPS_H
#define STRANDLINE_PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum maps_prot { MAPS_READ = 1, MAPS_WRITE = 2, MAPS_EXEC = 4 };

struct maps_entry {
	uint64_t start, end, offset, inode;
	uint32_t device_major, device_minor;
	unsigned prot; /* enum maps_prot */
	bool shared;
	/*
	 * As the kernel wrote it: newlines are "\012" (maps_path() undoes
	 * it), a mapping without a name has length 0.  " (deleted)" is taken
	 * off and told by `deleted`; a file whose name really ends so cannot
	 * be told from a deleted one.
	 */
	const char *path;
	size_t path_len;
	bool deleted;
};

struct maps_cursor {
	const char *at, *end;
	size_t skipped; /* lines that could not be read */
};

struct maps_cursor maps_begin(const char *text, size_t len);
/* The next mapping; false at the end.  Reads smaps too, without the sizes. */
bool maps_next(struct maps_cursor *c, struct maps_entry *e);

/* Bytes; 0 where the kernel is too old to say. */
struct smaps_sizes {
	uint64_t rss, pss, swap, anonymous;
};

/* The next mapping of smaps and its sizes. */
bool smaps_next(struct maps_cursor *c, struct maps_entry *e,
		struct smaps_sizes *sizes);

/* The path with its newlines back; cut to fit @size.  Returns @out. */
char *maps_path(const struct maps_entry *e, char *out, size_t size);

bool maps_path_is(const struct maps_entry *e, const char *text);
bool maps_path_begins(const struct maps_entry *e, const char *text);
bool maps_path_ends(const struct maps_entry *e, const char *text);

#endif
