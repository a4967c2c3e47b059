/*
 * function: where a function of a given name lies in an ELF file, and its
 * code; for those who put a probe on it.
 *
 * The other way than symtab: name to place, of one file, without lines.
 * Single-threaded; each call opens the file and closes it again.
 */
#ifndef STRANDLINE_SYM_FUNCTION_H
#define STRANDLINE_SYM_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define FUNCTION_CODE_MAX 65536

struct function {
	char *name;	 /* demangled, for people */
	bool mangled;	 /* C++ or Rust: exceptions and panics unwind it */
	uint64_t vaddr;	 /* in the file's own address space */
	uint64_t offset; /* of its first byte in the file */
	uint64_t size;	 /* as the symbol table says; 0: it does not */
	uint8_t *code;	 /* the first code_size bytes */
	size_t code_size;
};

/*
 * Functions of @file that are called @name: as in the symbol table, or as a
 * person writes it, with or without its parameters.  Aliases of one address
 * are one.  At most @max into @out, to be freed by function_fini(); how many,
 * 0 when there is none, or -errno with a sentence when @file is no ELF file
 * that can be read.
 */
int function_find(const char *file, const char *name, struct function *out,
		  size_t max, struct err *err);
/*
 * Every function that @file defines, under each of its names as in the symbol
 * table, which may come more than once.  0, or -errno with a sentence.
 */
int function_each(const char *file,
		  void (*visit)(void *context, const char *linkage,
				uint64_t vaddr, uint64_t size),
		  void *context, struct err *err);
/* The code at @vaddr, nobody's in particular: offset and code are set. */
int function_at(const char *file, uint64_t vaddr, struct function *out,
		struct err *err);
void function_fini(struct function *f);

#endif
