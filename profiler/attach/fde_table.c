#include "profiler/attach/fde_table.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/attach/images.h"
#include "profiler/base/vec.h"
#include "profiler/unwind/fde.h"

#define EH_FRAME_MOST (64UL << 20) /* of a file; more is damage */
#define SPACING	      (1ULL << 32) /* of the tables' addresses */
#define LONG_LENGTH   0xffffffffu  /* an entry of more than 4 GiB follows */

struct entry { /* as in .eh_frame_hdr: both from the section's address */
	int32_t start, fde;
};

struct table {
	uint64_t eh_frame; /* of the image */
	VEC(struct entry) entries;
};

struct fde_tables {
	struct remote there;
	VEC(struct table) tables;
};

struct fde_tables *fde_tables_new(const struct remote *there)
{
	struct fde_tables *t = calloc(1, sizeof(*t));

	if (t)
		t->there = *there;
	return t;
}

void fde_tables_free(struct fde_tables *t)
{
	struct table *table;

	if (!t)
		return;
	vec_foreach (&t->tables, table)
		vec_free(&table->entries);
	vec_free(&t->tables);
	free(t);
}

static int by_start(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* The FDE at @at, which ends at @end; nothing for what is none. */
static void add_entry(struct table *table, const struct image *image,
		      uint64_t at, uint64_t end)
{
	uint64_t probe = at;
	struct fde fde;
	struct entry *new;

	/* A common part, or what cannot be read, is passed over by it. */
	if (!fde_next(image, &probe, &fde) || probe != end)
		return;
	new = vec_push(&table->entries);
	if (!new)
		return; /* the search has a gap then */
	new->start = (int32_t)(fde.start - table->eh_frame);
	new->fde = (int32_t)(at - table->eh_frame);
}

static void read_entries(struct table *table, const struct image *image)
{
	uint64_t at = image->address, end = at + image->size;

	while (end - at >= 8) {
		uint32_t head[2]; /* length, and 0 for a common part */
		uint64_t next;

		memcpy(head, image->bytes + (at - image->address),
		       sizeof(head));
		next = at + 4 + head[0];
		if (head[0] == 0 || head[0] == LONG_LENGTH || next > end)
			break;
		if (head[1] != 0)
			add_entry(table, image, at, next);
		at = next;
	}
	if (table->entries.count)
		qsort(table->entries.at, table->entries.count,
		      sizeof(struct entry), by_start);
}

/* One of no entries, too, so that it is not made again. */
static struct table *make_table(struct fde_tables *t, const struct image_map *m)
{
	struct table *table = vec_push(&t->tables);
	uint8_t *bytes;

	if (!table)
		return NULL;
	table->eh_frame = m->eh_frame;
	if (m->eh_frame_size > EH_FRAME_MOST)
		return table;
	bytes = malloc(m->eh_frame_size);
	if (bytes &&
	    remote_read(&t->there, m->eh_frame, bytes, m->eh_frame_size) == 0) {
		const struct image image = {
			.bytes = bytes,
			.address = m->eh_frame,
			.size = m->eh_frame_size,
			.eh_frame = m->eh_frame,
		};

		read_entries(table, &image);
	}
	free(bytes);
	return table;
}

static struct table *table_of(struct fde_tables *t, const struct image_map *m)
{
	struct table *table;

	vec_foreach (&t->tables, table)
		if (table->eh_frame == m->eh_frame)
			return table;
	return make_table(t, m);
}

bool fde_tables_find(struct fde_tables *t, const struct image_map *m,
		     unw_dyn_info_t *out)
{
	const struct table *table = m->eh_frame ? table_of(t, m) : NULL;

	if (!table || !table->entries.count)
		return false;
	memset(out, 0, sizeof(*out));
	out->start_ip = m->start;
	out->end_ip = m->end;
	out->format = UNW_INFO_FORMAT_REMOTE_TABLE;
	out->u.rti.segbase = table->eh_frame;
	out->u.rti.table_data =
		FDE_TABLES_AT + SPACING * (uint64_t)(table - t->tables.at);
	out->u.rti.table_len = table->entries.count * sizeof(struct entry) /
			       sizeof(unw_word_t);
	return true;
}

bool fde_tables_load(const struct fde_tables *t, uint64_t addr, void *to,
		     size_t size)
{
	uint64_t which = (addr - FDE_TABLES_AT) / SPACING;
	uint64_t offset = (addr - FDE_TABLES_AT) % SPACING;
	const struct table *table;
	size_t whole;

	if (which >= t->tables.count)
		return false;
	table = &t->tables.at[which];
	whole = table->entries.count * sizeof(struct entry);
	if (offset > whole || size > whole - offset)
		return false;
	memcpy(to, (const char *)table->entries.at + offset, size);
	return true;
}
