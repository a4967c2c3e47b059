/*
 * pyrefs: what an object of CPython refers to.
 *
 * Of the types that servers keep things in the references are told as Python
 * tells them, by attribute or by key; of others every word of the body is
 * taken for one.  Told as well is memory that belongs to the object and is
 * none itself: a dict's table, a list's items, an array's numbers.
 */
#ifndef STRANDLINE_SYM_PYREFS_H
#define STRANDLINE_SYM_PYREFS_H

#include <stdint.h>

#include "profiler/sym/pypages.h"
#include "profiler/sym/pytypes.h"

enum pyref_kind {
	PYREF_ITEM,   /* one of many: of a list, a set, a dict's keys */
	PYREF_ENTRY,  /* a dict's value; @key is its key */
	PYREF_NAME,   /* an attribute; @key is a str */
	PYREF_HIDDEN, /* without a name of its own: a closure's cell */
};

struct pyref {
	enum pyref_kind kind;
	uint64_t to;  /* could be an object */
	uint64_t key; /* an object, 0: none */
};

struct pyrefs {
	struct pypages *pages;
	struct pytypes *types;
	uint32_t version;
	void (*refer)(void *context, const struct pyref *ref);
	/* Where some of the object's memory begins; "entries", "items". */
	void (*own)(void *context, uint64_t at, const char *what);
	void *context;
};

void pyrefs_of(const struct pyrefs *r, uint64_t object,
	       const struct pytype *type);

#endif
