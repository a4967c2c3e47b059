/*
 * exports: what the objects that are mapped define, found by their mappings
 * and their own tables and not by the loader: no lock of its is taken, and one
 * that is unloaded meanwhile is no fault.
 */
#ifndef STRANDLINE_PRELOAD_EXPORTS_H
#define STRANDLINE_PRELOAD_EXPORTS_H

#include <stdbool.h>
#include <stdint.h>

struct exports_object {
	uint64_t start, end; /* all of its mappings */
};

/* Visit the objects that files are mapped for, this one not among them. */
void exports_each(void (*visit)(void *context, const struct exports_object *o),
		  void *context);

/* The address of the function of that name; 0: it has none. */
uint64_t exports_find(const struct exports_object *o, const char *name);

#endif
