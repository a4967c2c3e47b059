/*
 * saved: the `symbols` file of a recording, text, a line a thing:
 *
 *	strandline-symbols 1
 *	M path <TAB> build-id in hex <TAB> problem, or nothing
 *	S vaddr offset line inlined <TAB> function <TAB> linkage <TAB> file
 *
 * S lines belong to the M line before them; the symbols of one address stand
 * together, innermost first.  Tabs, newlines and backslashes in names are
 * escaped as \t, \n and \\.  An empty field means unknown.
 */
#ifndef STRANDLINE_SYM_SAVED_H
#define STRANDLINE_SYM_SAVED_H

#include <stdint.h>
#include <stdio.h>

#include "profiler/sym/symtab.h"

struct err;

struct saved_module {
	const char *path, *problem;
	const uint8_t *build_id;
	uint32_t build_id_size;
};

struct saved_sink { /* a negative answer ends the reading with it */
	int (*module)(void *into, const struct saved_module *m);
	int (*symbol)(void *into, uint64_t vaddr, const struct symbol *s);
	void *into;
};

void saved_write_head(FILE *f);
void saved_write_module(FILE *f, const char *path, const uint8_t *build_id,
			uint32_t build_id_size, const char *problem);
void saved_write_symbol(FILE *f, uint64_t vaddr, const struct symbol *s);

/* -ENOENT without a sentence when there is no such file; -EBADMSG. */
int saved_read(const char *path, const struct saved_sink *sink,
	       struct err *err);

#endif
