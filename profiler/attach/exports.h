/*
 * exports: the address of a symbol that an image in another process exports,
 * found as its own loader finds it, by the hash table in its memory.
 */
#ifndef STRANDLINE_ATTACH_EXPORTS_H
#define STRANDLINE_ATTACH_EXPORTS_H

#include <stdint.h>

struct remote;

/*
 * @bias: run-time address of vaddr 0, @dynamic: of the dynamic section.
 * 0: it exports no such symbol, or has no GNU hash table.
 */
uint64_t exports_find(const struct remote *there, uint64_t bias,
		      uint64_t dynamic, const char *name);

#endif
