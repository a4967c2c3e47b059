/*
 * pydict: what stands in a dict of CPython, and in a str, read from outside.
 *
 * A dict is a table of hashes, keys and values; where its keys are those of
 * a class they stand there once, and the values by themselves, at times
 * within the instance.
 */
#ifndef STRANDLINE_SYM_PYDICT_H
#define STRANDLINE_SYM_PYDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/sym/pypages.h"

struct pydict {
	struct pypages *pages;
	uint64_t table;		     /* the keys and, as a rule, their values */
	uint64_t values;	     /* by themselves; 0: in the table */
	uint64_t entries;	     /* address of the first */
	uint64_t count;		     /* entries, empty ones included */
	uint32_t stride, key, value; /* of an entry; offsets in it */
	uint64_t next;
};

/* False: that cannot be a dict of this @version (0x030b is 3.11). */
bool pydict_open(struct pydict *d, struct pypages *pages, uint32_t version,
		 uint64_t dict);
/* @keys of a class, @values of an instance. */
bool pydict_open_split(struct pydict *d, struct pypages *pages,
		       uint32_t version, uint64_t keys, uint64_t values);
/* The next that is not empty; false at the end. */
bool pydict_next(struct pydict *d, uint64_t *key, uint64_t *value);

/* A str of ASCII without control characters, cut to fit; false: another. */
bool pydict_text(struct pypages *pages, uint32_t version, uint64_t str,
		 char *to, size_t size);
/* The value of a key of that text; 0: none. */
uint64_t pydict_find(struct pypages *pages, uint32_t version, uint64_t dict,
		     const char *key);

#endif
