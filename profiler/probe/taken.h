/*
 * taken: which addresses of a process hold the pages that stacks are charged
 * with, so that a charge can be taken back when they are given back.
 *
 * An address stands for the pages that were taken up to it; what is given
 * back takes along what stands in its range.
 */
#ifndef STRANDLINE_PROBE_TAKEN_H
#define STRANDLINE_PROBE_TAKEN_H

#include <stddef.h>
#include <stdint.h>

struct taken;

struct taken_charge {
	uint64_t address;
	uint32_t node;
	uint32_t pages;
};

struct taken *taken_new(void);	  /* NULL when out of memory */
void taken_free(struct taken *p); /* NULL is fine */
size_t taken_count(const struct taken *p);

/* 0 or -ENOMEM. */
int taken_add(struct taken *p, const struct taken_charge *charge);
/* Take out, and tell of, what stands in [start, end). */
void taken_remove(struct taken *p, uint64_t start, uint64_t end,
		  void (*each)(void *context, const struct taken_charge *c),
		  void *context);
/* What stands in [start, end) stands from @to on now. */
void taken_move(struct taken *p, uint64_t start, uint64_t end, uint64_t to);

#endif
