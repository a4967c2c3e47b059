/*
 * pytypes: the types of a Python process's objects, told from anything else.
 *
 * An address is taken for a type if it has what types have: a metatype that
 * is one, a name, sensible sizes, the flag that says it is ready.  Each is
 * judged once.  What is read are fields of PyTypeObject that stand where they
 * stood from 3.9 to 3.14.
 */
#ifndef STRANDLINE_SYM_PYTYPES_H
#define STRANDLINE_SYM_PYTYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/sym/pypages.h"

enum pytype_kind { /* how references stand in an object of it */
		   PYTYPE_PLAIN,
		   PYTYPE_ATOM, /* there are none: numbers, bytes */
		   PYTYPE_TEXT, /* none either: str */
		   PYTYPE_DICT,
		   PYTYPE_LIST,
		   PYTYPE_TUPLE,
		   PYTYPE_SET,
		   PYTYPE_MODULE,
		   PYTYPE_TYPE,
		   PYTYPE_DEQUE,
		   PYTYPE_WEAK, /* they hold nothing */
};

struct pytype {
	uint64_t at;
	const char *name; /* "dict", "numpy.ndarray", "app.Session" */
	uint64_t flags;
	int64_t size, item_size, dict_offset;
	enum pytype_kind kind;
	bool collected;	      /* by the garbage collector */
	bool managed_dict;    /* before the object */
	bool inline_values;   /* behind it; 3.13 and later */
	uint32_t head;	      /* bytes of the block before the object */
	uint64_t cached_keys; /* of instances' attributes; 0: none */
};

struct pytypes;

/* @version is 0x030b for 3.11.  NULL when out of memory. */
struct pytypes *pytypes_new(struct pypages *pages, uint32_t version);
void pytypes_free(struct pytypes *t); /* NULL is fine */
/* The type at @at, or NULL: there is none. */
const struct pytype *pytypes_at(struct pytypes *t, uint64_t at);
/* That of what could be an object, or NULL: it is none. */
const struct pytype *pytypes_of(struct pytypes *t, uint64_t object);
/* What begins at the block [at, at + size): the object's address; 0: none. */
uint64_t pytypes_in_block(struct pytypes *t, uint64_t at, uint64_t size,
			  const struct pytype **type);

#endif
