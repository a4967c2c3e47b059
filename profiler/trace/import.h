/*
 * import: other tools' profiles of a heap, read so that they can be looked at
 * and compared like a recording.
 *
 * Taken are jemalloc's dumps (heap_v2), folded stacks, and pprof's protobuf;
 * what a file is, its bytes say, and gzip around them is undone.  The bytes
 * are foreign: whatever they are, they are taken or refused with a sentence,
 * within a bounded amount of memory.
 */
#ifndef STRANDLINE_TRACE_IMPORT_H
#define STRANDLINE_TRACE_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/base/vec.h"

struct err;
struct intern;

#define IMPORT_NONE UINT32_MAX

struct import_mapping {	  /* a file that addresses are in */
	const char *path; /* "": of no file */
	uint64_t start, end, offset;
};

/* Named, or an address that is to be. */
struct import_frame {
	const char *function;	   /* NULL: see below */
	const char *file, *module; /* NULL: unknown */
	uint32_t line;
	bool inlined; /* into the frame before it */
	/* Unnamed: `mappings` is IMPORT_NONE where no file is known. */
	uint32_t mapping;
	uint64_t address; /* within the process; a call's, not where it
			   * returns to */
};

enum import_weight { /* bytes but for counts (blocks) and times (ns) */
		     IMPORT_LIVE_BYTES,
		     IMPORT_LIVE_COUNT,
		     IMPORT_ALLOC_BYTES,
		     IMPORT_ALLOC_COUNT,
		     IMPORT_PEAK,
		     IMPORT_TEMPORARY,
		     IMPORT_LEAK,
		     IMPORT_RSS,
		     IMPORT_CPU,
		     IMPORT_OFFCPU,
		     IMPORT_WEIGHTS,
};

struct import_stack {
	size_t first, count; /* in `path`, frames root first */
	double weight[IMPORT_WEIGHTS];
	double bytes_variance, count_variance; /* of what lives */
};

struct import {
	struct intern *texts;
	VEC(struct import_mapping) mappings;
	VEC(struct import_frame) frames;
	VEC(uint32_t) path;
	VEC(struct import_stack) stacks;
	const char *what;      /* "a heap dump of jemalloc" */
	double mean_bytes;     /* sampling mean; 0: every block, or unknown */
	uint64_t time_unix_ns; /* 0: unknown */
	double duration;       /* seconds; 0: unknown */
	size_t ignored;	       /* lines that say nothing of a stack */
};

/* @path names a file that import_read() may be asked for, no directory. */
bool import_is_file(const char *path);
/* -EBADMSG with a sentence for what is none of them, -ENOMEM, -EFBIG. */
int import_read(struct import **out, const char *path, struct err *err);
/* The same of the bytes of a file @name. */
int import_parse(struct import **out, const char *name, const char *bytes,
		 size_t len, struct err *err);
void import_free(struct import *im); /* NULL is fine */

#endif
