/*
 * kernel: names of the kernel's own functions, by /proc/kallsyms as it was
 * when this was opened.
 */
#ifndef STRANDLINE_PROBE_KERNEL_H
#define STRANDLINE_PROBE_KERNEL_H

#include <stdint.h>

struct kernel_names;

/* NULL when out of memory.  Without the right to see addresses it knows no
 * names. */
struct kernel_names *kernel_names_new(void);
void kernel_names_free(struct kernel_names *k); /* NULL is fine */
/* The function that @address is in; "[kernel]" where that is not known. */
const char *kernel_name(const struct kernel_names *k, uint64_t address);

#endif
