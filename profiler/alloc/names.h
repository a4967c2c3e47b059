/*
 * names: which functions of an executable allocate, by their symbols.
 *
 * The families: a plain malloc and operator new; jemalloc under the prefixes
 * it is built with (Rust's is _rjem_), with its calls that take flags;
 * tcmalloc's tc_; mimalloc's mi_ and, with a heap as first argument, mi_heap_.
 *
 * Freestanding, without state: for the shim, which makes them lead to its
 * hooks, and for the tool, which puts probes on them.
 */
#ifndef STRANDLINE_ALLOC_NAMES_H
#define STRANDLINE_ALLOC_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a function does; where its size and block are: struct own_shape. */
enum own_kind {
	OWN_ALLOC,   /* (.., size): a block or NULL */
	OWN_ARRAY,   /* (.., count, size): the same */
	OWN_STORE,   /* (block *, alignment, size): 0, or an error */
	OWN_TEXT,    /* (..): a block that holds a string */
	OWN_RESIZE,  /* (block, size): the block, perhaps elsewhere */
	OWN_REARRAY, /* (block, count, size): the same */
	OWN_REPLACE, /* OWN_RESIZE that frees the block when it fails */
	OWN_EXPAND,  /* (block, size): NULL, or the block, where it was */
	OWN_XALLOCX, /* (block, size, extra): the size it has now */
	OWN_RELEASE, /* (block, ..) */
	OWN_MUTED,   /* anything: an exported hook has it on record */
	OWN_NKINDS,
};

struct own_shape {
	uint8_t kind; /* enum own_kind */
	uint8_t at;   /* argument that the list above begins with */
	uint8_t api;  /* enum record_api */
};

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
