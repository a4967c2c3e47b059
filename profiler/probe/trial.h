/*
 * trial: which kinds of programs and maps this kernel takes, by trying.
 */
#ifndef STRANDLINE_PROBE_TRIAL_H
#define STRANDLINE_PROBE_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

struct trial {
	const char *name; /* "ring buffer"; constant */
	const char *use;  /* what is not seen without it; constant */
	int result;	  /* 1: taken, 0: unknown here, < 0: -errno */
};

/* The n-th; false past the last, which is the first in a build without BPF. */
bool trial_run(size_t n, struct trial *out);

#endif
