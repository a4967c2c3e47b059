/*
 * module: an ELF image in memory, as the loader of a process has it: its name,
 * the functions that it exports, and executable bytes that nothing uses.
 *
 * Read from the process and not from the file, which may have been replaced
 * or lie in a root of its own.  What is read may be anything: a wrong address
 * finds nothing.
 */
#ifndef STRANDLINE_ATTACH_MODULE_H
#define STRANDLINE_ATTACH_MODULE_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/proc/remote.h"

#define MODULE_BUILD_ID_MAX 20

struct module {
	struct remote memory;
	uint64_t start, bias;
	uint64_t symbols, strings, strings_size;
	uint64_t hash, versions; /* DT_GNU_HASH, DT_VERSYM; 0: none */
	uint64_t name;		 /* DT_SONAME, in the strings */
	uint64_t code_end;	 /* of the last executable segment */
	bool has_interpreter;	 /* PT_INTERP: a program */
	uint8_t build_id[MODULE_BUILD_ID_MAX];
	size_t build_id_size; /* 0: it has none */
};

/* The image that begins at @start; false: it is none, or not for x86-64. */
bool module_read(struct module *m, const struct remote *memory, uint64_t start);
/* "" where it has none; cut to fit. */
void module_name(const struct module *m, char *name, size_t size);
/* The address of an exported function or object; 0: it has none such. */
uint64_t module_symbol(const struct module *m, const char *name);
/* Address of @size executable bytes past the code's end; 0: no room. */
uint64_t module_gap(const struct module *m, size_t size);

#endif
