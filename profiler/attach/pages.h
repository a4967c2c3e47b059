/*
 * pages: the memory of another process, read a page at a time and each page
 * once, for readers that go through it word by word.
 *
 * What is kept is as it was when it was first read.
 */
#ifndef STRANDLINE_ATTACH_PAGES_H
#define STRANDLINE_ATTACH_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/proc/remote.h"

struct pages;

struct pages *pages_new(const struct remote *there); /* NULL: no memory */
void pages_free(struct pages *p);		     /* NULL is fine */
bool pages_read(struct pages *p, uint64_t addr, void *to, size_t size);

#endif
