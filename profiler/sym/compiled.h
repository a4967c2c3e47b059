/*
 * compiled: the compilation units of a module and their functions, by address.
 *
 * libdw looks units up in .debug_aranges, which compilers may leave out: rustc
 * does, and gcc does not, so that in a Rust program with a C library linked in
 * the table is there and knows the C part alone.  And it does not look for
 * functions in namespaces, where rustc and clang put them.  Here both are read
 * from the units themselves, a unit's functions when they are first asked for.
 */
#ifndef STRANDLINE_SYM_COMPILED_H
#define STRANDLINE_SYM_COMPILED_H

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

struct compiled;

/* All units of @module; NULL when out of memory.  Lives no longer than it. */
struct compiled *compiled_new(Dwfl_Module *module);
void compiled_free(struct compiled *c); /* NULL is fine */

struct compiled_place {
	Dwarf_Die *unit; /* NULL: none is there */
	Dwarf_Addr addr; /* as libdw counts */
};

/* Where @addr is, as dwfl places the module. */
struct compiled_place compiled_find(struct compiled *c, Dwarf_Addr addr);
/*
 * The inlined calls around @addr, innermost first, into @out[@max]; how many.
 * Of more than @max the inner ones are left out.
 */
unsigned compiled_inlined(struct compiled *c, Dwarf_Addr addr, Dwarf_Die *out,
			  unsigned max);

#endif
