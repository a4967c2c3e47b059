/*
 * names: which functions of an executable allocate, by their symbols.
 *
 * The families: a plain malloc and operator new; jemalloc under the prefixes
 * it is built with (Rust's is _rjem_), with its calls that take flags;
 * tcmalloc's tc_; mimalloc's mi_ and, with a heap as first argument, mi_heap_.
 */
#ifndef STRANDLINE_PRELOAD_NAMES_H
#define STRANDLINE_PRELOAD_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "preload/own.h"

enum names_family {
	NAMES_PLAIN,
	NAMES_OPERATOR, /* C++'s, by mangled name */
	NAMES_JEMALLOC,
	NAMES_TCMALLOC,
	NAMES_MIMALLOC,
	NAMES_NFAMILIES,
};

struct names_entry {
	enum names_family family;
	struct own_shape shape;
};

/* What the function of that name does; false: it is none of ours. */
bool names_find(const char *symbol, struct names_entry *entry);

/*
 * Visit every name that a library can export beside the functions which are
 * interposed anyway: those with a prefix, and jemalloc's that take flags.
 */
void names_each(void (*visit)(void *context, const char *symbol),
		void *context);
/* Is it one of those? */
bool names_is_more(const char *symbol, const struct names_entry *entry);

/* "mallctl" of "_rjem_mallctl": past a prefix, NULL: without one. */
const char *names_past_prefix(const char *symbol);

bool names_equal(const char *a, const char *b);

#endif
