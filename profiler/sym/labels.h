/*
 * labels: the symbols of an ELF module, by address.
 *
 * libdwfl looks at every symbol for each address that it is asked about, which
 * takes a millisecond in a library of 35,000 (torch's) and minutes in all.
 * Here they are sorted once, on the first question.
 */
#ifndef STRANDLINE_SYM_LABELS_H
#define STRANDLINE_SYM_LABELS_H

#include <elfutils/libdwfl.h>
#include <stdint.h>

struct labels;

/* All of @module; NULL when out of memory.  Lives no longer than it. */
struct labels *labels_new(Dwfl_Module *module);
void labels_free(struct labels *l); /* NULL is fine */

/*
 * The name of the innermost symbol that @addr, as dwfl places the module, is
 * in, and how far from its begin into @offset.  Where symbols end is not known
 * of all (assembly): such a one goes up to the next symbol, and no further
 * than 4 KiB.  NULL: there is none.  The text lives as long as the module.
 */
const char *labels_find(const struct labels *l, Dwarf_Addr addr,
			uint64_t *offset);

#endif
