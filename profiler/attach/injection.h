/*
 * injection: one loan of a thread, as the files that carry it out see it.
 *
 * inject.c brings a thread into the process, inject_serve.c answers it.
 */
#ifndef STRANDLINE_ATTACH_INJECTION_H
#define STRANDLINE_ATTACH_INJECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/attach/borrow.h"
#include "profiler/attach/loader.h"
#include "profiler/wire/late.h"

struct buf;
struct err;
struct inject_result;
struct inject_settings;

#define INJECTION_CODE_SIZE 1024

struct injection {
	pid_t pid;
	int pidfd, mem;
	const struct buf *image;
	const struct inject_settings *settings;
	struct inject_result *result;
	struct err *err;
	int process; /* pidfd of who is meant; -1: whoever has the number */
	bool begun;  /* a thread went into the code, and a second may be */
	struct loader loader;
	struct borrow borrow;
	uint8_t before[INJECTION_CODE_SIZE]; /* what the gap held */
	uint64_t area;			     /* 0: none */
	uint64_t tls_unused;		     /* 0: not known */
	struct late_area head;
};

bool injection_has_ended(const struct injection *in);
/* -ESRCH, and the sentence. */
int injection_gone(const struct injection *in);

/* Its memory, by the file that was opened when it was known to be meant. */
int injection_put(const struct injection *in, uint64_t at, const void *from,
		  size_t size);
int injection_get(const struct injection *in, uint64_t at, void *to,
		  size_t size);

/* Where in the process a field of its struct late_area is. */
#define INJECTION_AT(in, field) ((in)->area + offsetof(struct late_area, field))
int injection_put_go(const struct injection *in, enum late_go go);

/* Between two looks, of which there were @looks: first hardly at all. */
void injection_rest(unsigned looks);

/* Do what the recorder's thread asks for, until it has done its part. */
int injection_serve(struct injection *in);

#endif
