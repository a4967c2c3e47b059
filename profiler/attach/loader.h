/*
 * loader: where in a process its C library's functions are, by which code can
 * be loaded, and what speaks against it.
 *
 * A snapshot of the mappings; taken while the process runs.
 */
#ifndef STRANDLINE_ATTACH_LOADER_H
#define STRANDLINE_ATTACH_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/attach/module.h"
#include "profiler/attach/static_tls.h"
#include "profiler/base/vec.h"

struct err;

struct loader_range { /* code that a thread must not be borrowed in */
	uint64_t start, end;
};

/* Builds of the recorder that have come and gone lie dormant. */
#define LOADER_RECORDERS 8

struct loader_recorder {
	uint64_t start; /* of its image; 0: it is not there */
	uint64_t entry, control;
	bool sent; /* by a tool; else preloaded */
	uint8_t build_id[MODULE_BUILD_ID_MAX];
	size_t build_id_size;
};

struct loader {
	pid_t pid;
	char libc[64]; /* the file's name: "libc.so.6", "libc-2.31.so" */
	uint64_t dlopen, dlerror, dlopen_flags, unmap;
	/* pthread_create and its kin; 0: no library of threads */
	uint64_t create, attr_init, attr_setdetachstate, attr_setstacksize,
		attr_destroy;
	struct static_tls_places tls;
	uint64_t hole;	 /* of addresses, amid which something can be put */
	uint64_t gap;	 /* room for machine code; 0: none */
	char gap_in[64]; /* of that file */
	struct loader_recorder recorders[LOADER_RECORDERS];
	size_t recorder_count;
	struct loader_recorder recorder; /* the one in question; see below */
	bool recording;			 /* the file of a recording is mapped */
	VEC(struct loader_range) unsafe; /* allocators, libc, ld.so, vdso */
	VEC(struct loader_range) code;	 /* anything executable */
};

/*
 * Read those of @pid, looking for @gap_size bytes of room.  0, or -errno with
 * a sentence: -ESRCH, -EPERM, -ENOTSUP (no glibc: static, musl, ...).
 */
int loader_read(struct loader *l, pid_t pid, size_t gap_size, struct err *err);
void loader_free(struct loader *l);
/*
 * `recorder` is the one of this build from now on, or of any that was
 * preloaded, or none.  True: it is of this build.
 */
bool loader_choose(struct loader *l, const uint8_t *build_id, size_t size);

/* Could a thread that is just there hold a lock of the allocator's? */
bool loader_is_unsafe(const struct loader *l, uint64_t pc);

#endif
