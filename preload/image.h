/*
 * image: the symbols of an ELF file, mapped while they are looked through.
 * Every offset in the file is checked: it may be anything.
 */
#ifndef STRANDLINE_PRELOAD_IMAGE_H
#define STRANDLINE_PRELOAD_IMAGE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>

struct image {
	const char *bytes;
	size_t size;
	size_t section; /* to look for the next table from */
	struct {
		const Elf64_Sym *at;
		size_t count, next;
		const char *names; /* the last byte is 0 */
		size_t names_size;
	} table;
};

struct image_function {
	const char *name; /* in the file's mapping */
	Elf64_Addr address;
	size_t size;
};

/* Over bytes that are there already; false: not an ELF file of ours. */
bool image_begin(struct image *im, const void *bytes, size_t size);
bool image_open(struct image *im, const char *path);
void image_close(struct image *im); /* what image_open() mapped */
/* The next function defined in the file; tables may repeat each other. */
bool image_next(struct image *im, struct image_function *f);

#endif
