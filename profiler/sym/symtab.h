/*
 * symtab: names for code addresses, looked up late and outside the target.
 *
 * An address is (module, vaddr), vaddr in the module's own ELF address space.
 * A module is opened once: ELF symbol tables by libelf (.symtab, else
 * .dynsym, plus a separate debug file found by build-id or .gnu_debuglink),
 * file:line and inlined calls by libdw.  A file that is gone or whose
 * build-id differs from the recorded one is reported by symtab_problem() and
 * its addresses stay "module+0x1234".
 *
 * The `symbols` file of a recording keeps what was resolved, so that the
 * recording can be read on another host: symtab_load() and symtab_save().
 * Single-threaded.
 */
#ifndef STRANDLINE_SYM_SYMTAB_H
#define STRANDLINE_SYM_SYMTAB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct symtab;

struct symtab_module {
	const char *path; /* as mapped in the target */
	const uint8_t *build_id;
	uint32_t build_id_size; /* 0: unknown, any file is accepted */
};

/* One source frame; inlined calls give several for one address. */
struct symbol {
	const char *function; /* demangled; NULL: unknown */
	const char *linkage;  /* as in the symbol table; NULL: unknown */
	const char *file;     /* NULL: unknown */
	uint32_t line;	      /* 0: unknown */
	uint32_t offset;      /* bytes past the function's start */
	bool inlined;	      /* inlined into the next symbol of the answer */
};

#define SYMBOL_MAX_INLINED 32

/*
 * @root: prefix for module paths, e.g. "/proc/123/root" or a sysroot; "" for
 * none.  NULL when out of memory.
 */
struct symtab *symtab_new(const char *root);
void symtab_free(struct symtab *st); /* NULL is fine */

/* Id of a module (equal path and build-id give the same id). */
int symtab_module(struct symtab *st, const struct symtab_module *m);

/*
 * Resolve @vaddr of @module.  Fills @out, innermost first, with 1 to
 * SYMBOL_MAX_INLINED symbols and returns how many; an unknown address gives
 * one symbol with function NULL.  Strings live as long as the symtab.
 */
unsigned symtab_resolve(struct symtab *st, int module, uint64_t vaddr,
			struct symbol out[SYMBOL_MAX_INLINED]);

/* A sentence about a module that could not be read, or NULL. */
const char *symtab_problem(const struct symtab *st, int module);

/* Read what an earlier save kept; -ENOENT when there is no such file. */
int symtab_load(struct symtab *st, const char *path, struct err *err);
/* Write everything resolved so far, replacing @path atomically. */
int symtab_save(const struct symtab *st, const char *path, struct err *err);

#endif
