/*
 * fuzz_images: profiler/attach/images.c, exports.c and fde_table.c on memory
 * that another process would have: an image's headers, dynamic section, hash
 * table and .eh_frame.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/attach/fde_table.h"
#include "profiler/attach/images.h"

#define BASE 0x400000ULL

static void look_up(struct images *im, const struct image_map *m)
{
	static const char *const names[] = { "_PyRuntime", "work", "" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		images_export(im, m, names[i]);
}

/* Taken as an image that came without a header, from any place of it. */
static void make_table(const struct remote *there, size_t size, uint64_t from)
{
	const struct image_map m = {
		.start = BASE,
		.end = BASE + size,
		.is_elf = true,
		.eh_frame = BASE + from,
		.eh_frame_size = size - from,
	};
	struct fde_tables *tables = fde_tables_new(there);
	unw_dyn_info_t info;
	uint64_t word;

	if (!tables)
		return;
	if (fde_tables_find(tables, &m, &info) &&
	    !fde_tables_load(tables, info.u.rti.table_data, &word,
			     sizeof(word)))
		abort(); /* one of no entries is not found */
	if (fde_tables_load(tables, FDE_TABLES_AT + (1ULL << 33), &word, 8))
		abort(); /* there is only one */
	fde_tables_free(tables);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *copy = malloc(size ? size : 1); /* so that ASan sees its end */
	struct remote_range range = { BASE, copy, size };
	struct remote there = remote_fake(&range, 1);
	const struct image_map *m;
	struct images *im;
	char maps[128];

	if (!copy || !size) {
		free(copy);
		return 0;
	}
	memcpy(copy, bytes, size);
	snprintf(maps, sizeof(maps),
		 "%llx-%llx r-xp 00000000 08:01 7 /nowhere/x.so\n", BASE,
		 BASE + size);
	im = images_new(maps, strlen(maps), &there, "/nowhere");
	m = im ? images_find(im, BASE) : NULL;
	if (m && m->is_elf)
		look_up(im, m);
	if (m && m->build_id_size > sizeof(m->build_id))
		abort();
	make_table(&there, size, size % 7 * (size / 8));
	images_free(im);
	free(copy);
	return 0;
}
