/*
 * fde_table: the search table over .eh_frame that a linker writes into
 * .eh_frame_hdr, made here for images that came without (static programs).
 *
 * libunwind reads such a table out of the process's memory, so these are given
 * addresses there that no process has, from FDE_TABLES_AT on.
 */
#ifndef STRANDLINE_ATTACH_FDE_TABLE_H
#define STRANDLINE_ATTACH_FDE_TABLE_H

#include <libunwind.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/proc/remote.h"

#define FDE_TABLES_AT 0xffff900000000000ULL /* the kernel's half */

struct fde_tables;
struct image_map;

struct fde_tables *fde_tables_new(const struct remote *there); /* or NULL */
void fde_tables_free(struct fde_tables *t); /* NULL is fine */

/* False: the image has no .eh_frame that could be read. */
bool fde_tables_find(struct fde_tables *t, const struct image_map *m,
		     unw_dyn_info_t *out);
/* Bytes of a table. */
bool fde_tables_load(const struct fde_tables *t, uint64_t addr, void *to,
		     size_t size);

#endif
