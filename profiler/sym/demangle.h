/*
 * demangle: symbol table name to the name a person wrote.
 *
 * C++ (Itanium) and Rust (legacy and v0) through libiberty.  What compilers
 * append to a clone (".part.0", ".cold", ".constprop.1", ".llvm.123") and
 * Rust's hash are dropped, so that the pieces of one function count as one.
 * Names are left whole however long their templates make them; shortening is
 * the business of what prints them.
 */
#ifndef STRANDLINE_SYM_DEMANGLE_H
#define STRANDLINE_SYM_DEMANGLE_H

struct buf;

/*
 * Append the readable form of @name to @out; a name that is not mangled is
 * appended as it is, less clone suffixes and symbol version.
 */
void demangle(struct buf *out, const char *name);

#endif
