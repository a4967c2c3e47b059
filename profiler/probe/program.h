/*
 * program: what probes need of an ELF file: its build-id, where its segments
 * lie, and its unwinding rules.
 *
 * Foreign bytes: read into memory of ours, never mapped (a file that is cut
 * meanwhile must not raise SIGBUS here), every offset checked by libelf.
 */
#ifndef STRANDLINE_PROBE_PROGRAM_H
#define STRANDLINE_PROBE_PROGRAM_H

#include <stdint.h>
#include <sys/types.h>

#include "profiler/probe/tree.h"

#define PROGRAM_SEGMENTS_MOST 16

struct program_segment {
	uint64_t offset, vaddr, size; /* in the file */
};

struct program {
	uint8_t build_id[32];
	uint32_t build_id_size;
	struct program_segment segments[PROGRAM_SEGMENTS_MOST];
	unsigned segment_count;
	struct tree tree; /* depth 0: no rules */
};

/* 0; -ENOEXEC (not a 64-bit ELF file of this machine), -ENOMEM, -errno. */
int program_read(struct program *program, int fd);
/* The same of an image in memory that is laid out as its file: the vdso. */
int program_parse(struct program *program, const void *bytes, size_t size);
void program_fini(struct program *program);

/* The vaddr of the byte at @offset of the file; false when there is none. */
bool program_vaddr(const struct program *program, uint64_t offset,
		   uint64_t *vaddr);

#endif
