/*
 * images: the programs and libraries that a process has mapped, for unwinding
 * and naming: each with where it was put, its table of unwind information and
 * its build-id, all read from the process's memory, so that it does not matter
 * whose file system its files are in.
 */
#ifndef STRANDLINE_ATTACH_IMAGES_H
#define STRANDLINE_ATTACH_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/proc/remote.h"

struct image_map { /* one executable mapping, and the image it is of */
	uint64_t start, end;
	const char *path; /* as the kernel names it; "" for none */
	bool is_elf;	  /* else the rest is 0: JIT code, [uprobes] */
	uint64_t bias;	  /* run-time address of vaddr 0 */
	uint64_t dynamic; /* its dynamic section; run-time; 0: none */
	uint64_t entry;	  /* where the image begins to run; run-time */
	uint64_t eh_frame_hdr, eh_frame_hdr_size; /* run-time; 0: none */
	/* Of an image without that: what its file says. */
	uint64_t eh_frame, eh_frame_size;
	uint8_t build_id[32];
	uint32_t build_id_size; /* 0: none */
};

struct images;

/*
 * @maps: the text of /proc/PID/maps, @there the process's memory, @root what
 * its paths are below ("/proc/PID/root").  NULL when out of memory.
 */
struct images *images_new(const char *maps, size_t len,
			  const struct remote *there, const char *root);
void images_free(struct images *im); /* NULL is fine */

/* The executable mapping that holds @addr; NULL: none.  Reads an image's
 * headers at its first use. */
const struct image_map *images_find(struct images *im, uint64_t addr);

/* Each executable mapping in turn: start with *@pos = 0; NULL at the end. */
const struct image_map *images_next(struct images *im, size_t *pos);

/* Run-time address of a symbol that the image of @m exports; 0: none. */
uint64_t images_export(const struct images *im, const struct image_map *m,
		       const char *name);

/*
 * A mapped file as this process can open it, into @out; where it is not to be
 * found that is @path.  The kernel tells paths from our own root when the
 * target shares our mounts (in a chroot, too), and from the target's else.
 */
char *images_file(const struct images *im, const char *path, char *out,
		  size_t size);

#endif
