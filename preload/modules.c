/*
 * modules: which code lies where, for the unwinder and for the recording.
 *
 * From /proc/self/maps, not from the loader: no lock of its is taken, and
 * every libc and the vdso are covered.  Read again when a return address lies
 * in no known module (dlopen needs no hook) and after dlclose.  A module's
 * headers are peeked at through the kernel, since it may be unloaded
 * meanwhile.
 *
 * Tables are immutable; one refresh at a time builds the next and publishes
 * it with release (pairs with the acquire of its readers).  The last few
 * stay mapped for readers that are still at them.
 */
#include <elf.h>

#include "preload/internal.h"
#include "preload/maps.h"
#include "preload/patch.h"
#include "preload/sys.h"

#define MAX_MODULES 2048
#define TABLES	    8

static struct {
	struct unwind_modules *tables[TABLES];
	unsigned next;
	uint32_t busy; /* a refresh is under way: others pass by */
	uint32_t ids;  /* handed out */
	uint32_t generation;
	uint64_t refreshed;	/* ticks */
	uint64_t patience;	/* ticks between vain refreshes */
	struct slab_head *meta; /* slab for WIRE_MODULE records */
	uint32_t meta_number;
} table;

#define TABLE_SIZE                       \
	(sizeof(struct unwind_modules) + \
	 MAX_MODULES * sizeof(struct unwind_module))

struct module_notes { /* found in the program headers */
	uint64_t bias, eh_hdr, eh_hdr_size, readable_start, readable_end;
	uint64_t entry;
	uint8_t build_id[32];
	uint32_t build_id_size;
};

static void copy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((char *)to)[i] = ((const char *)from)[i];
}

static void read_build_id(uint64_t at, uint64_t size, struct module_notes *out)
{
	uint8_t bytes[512];

	if (size > sizeof(bytes))
		size = sizeof(bytes);
	if (sys_peek(bytes, at, size) < 0)
		return;
	for (uint64_t pos = 0; pos + 12 <= size;) {
		uint32_t n[3];
		uint64_t name_end;

		copy(n, bytes + pos, 12);
		name_end = pos + 12 + ((n[0] + 3ULL) & ~3ULL);
		if (n[2] == NT_GNU_BUILD_ID && n[1] <= 32 &&
		    name_end + n[1] <= size) {
			copy(out->build_id, bytes + name_end, n[1]);
			out->build_id_size = n[1];
			return;
		}
		pos = name_end + ((n[1] + 3ULL) & ~3ULL);
	}
}

/* The image that begins at @start, by its program headers; false: no ELF. */
static bool read_headers(uint64_t start, struct module_notes *out)
{
	Elf64_Phdr headers[64];
	Elf64_Ehdr eh;
	uint64_t first = UINT64_MAX;

	*out = (struct module_notes) { 0 };
	if (sys_peek(&eh, start, sizeof(eh)) < 0 ||
	    *(uint32_t *)eh.e_ident != 0x464c457f ||
	    eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phnum > 64 ||
	    sys_peek(headers, start + eh.e_phoff,
		     eh.e_phnum * sizeof(Elf64_Phdr)) < 0)
		return false;
	for (int i = 0; i < eh.e_phnum; i++)
		if (headers[i].p_type == PT_LOAD && headers[i].p_vaddr < first)
			first = headers[i].p_vaddr & ~0xfffULL;
	out->bias = start - first;
	out->entry = eh.e_entry ? out->bias + eh.e_entry : 0;
	for (int i = 0; i < eh.e_phnum; i++) {
		const Elf64_Phdr *p = &headers[i];

		if (p->p_type == PT_GNU_EH_FRAME) {
			out->eh_hdr = out->bias + p->p_vaddr;
			out->eh_hdr_size = p->p_memsz;
		} else if (p->p_type == PT_NOTE && !out->build_id_size) {
			read_build_id(out->bias + p->p_vaddr, p->p_memsz, out);
		}
	}
	for (int i = 0; i < eh.e_phnum; i++) {
		uint64_t from = out->bias + headers[i].p_vaddr;

		if (headers[i].p_type == PT_LOAD && out->eh_hdr >= from &&
		    out->eh_hdr < from + headers[i].p_memsz) {
			out->readable_start = from;
			out->readable_end = from + headers[i].p_memsz;
		}
	}
	return true;
}

/* Bytes for one more WIRE record, or NULL. */
static void *meta_room(size_t size)
{
	if (table.meta && table.meta->used + size > SLAB_ROOM) {
		table.meta->sealed = 1;
		sys_munmap(table.meta, SLAB_SIZE);
		table.meta = NULL;
	}
	if (!table.meta && shim.file)
		table.meta = slab_take(SLAB_META, 0, 0, ticks_now(), SLAB_STEP,
				       &table.meta_number);
	if (!table.meta || !slab_extend(table.meta, table.meta_number,
					(uint32_t)(sizeof(*table.meta) +
						   table.meta->used + size)))
		return NULL;
	return (uint8_t *)(table.meta + 1) + table.meta->used;
}

static void write_module(const struct unwind_module *m,
			 const struct module_notes *notes, const char *path)
{
	struct wire_module *w;
	size_t length = 0, size;

	while (path[length] && length < 4000)
		length++;
	size = (sizeof(*w) + length + 1 + 7) & ~(size_t)7;
	w = meta_room(size);
	if (!w) {
		shim_drop(DROP_NO_SLAB);
		return;
	}
	*w = (struct wire_module) {
		.head = { .type = WIRE_MODULE, .size = (uint32_t)size },
		.id = m->id,
		.build_id_size = notes->build_id_size,
		.bias = m->bias,
		.start = m->start,
		.end = m->end,
		.ticks = ticks_now(),
	};
	copy(w->build_id, notes->build_id, sizeof(w->build_id));
	copy(w->path, path, length);
	w->path[length] = 0;
	__atomic_store_n(&table.meta->used, table.meta->used + (uint32_t)size,
			 __ATOMIC_RELEASE);
}

/* What became of a function of the program's own; see patch.c. */
void modules_tell_patch(const char *function, const char *path,
			enum wire_patch_state state)
{
	size_t name_size = 1, path_size = 1, size;
	struct wire_patch *w;

	while (function[name_size - 1])
		name_size++;
	while (path[path_size - 1])
		path_size++;
	size = (sizeof(*w) + name_size + path_size + 7) & ~(size_t)7;
	w = meta_room(size);
	if (!w) {
		shim_drop(DROP_NO_SLAB);
		return;
	}
	*w = (struct wire_patch) {
		.head = { .type = WIRE_PATCH, .size = (uint32_t)size },
		.state = state,
	};
	copy(w->text, function, name_size);
	copy(w->text + name_size, path, path_size);
	__atomic_store_n(&table.meta->used, table.meta->used + (uint32_t)size,
			 __ATOMIC_RELEASE);
}

/* By the file's name; its functions are not even exported in all versions. */
static bool has_greenlets(const char *path)
{
	static const char name[] = "greenlet.";
	const char *base = path;
	size_t i = 0;

	for (; *path; path++)
		if (*path == '/')
			base = path + 1;
	base += *base == '_';
	while (name[i] && base[i] == name[i])
		i++;
	return !name[i];
}

static const struct unwind_module *known(const struct unwind_modules *old,
					 uint64_t start, uint64_t inode)
{
	for (uint32_t i = 0; old && i < old->count; i++)
		if (old->at[i].start == start && old->at[i].inode == inode)
			return &old->at[i];
	return NULL;
}

static void add(struct unwind_modules *to, const struct unwind_modules *old,
		const struct maps_line *line, uint64_t image)
{
	const struct unwind_module *same = known(old, line->start, line->inode);
	struct unwind_module *m;
	struct module_notes notes;

	if (to->count >= MAX_MODULES) {
		shim_drop(DROP_MODULES_FULL);
		return;
	}
	m = &to->at[to->count];
	if (same) {
		*m = *same;
		to->count++;
		return;
	}
	if (!read_headers(image, &notes))
		return;
	*m = (struct unwind_module) {
		.start = line->start,
		.end = line->end,
		.bias = notes.bias,
		.eh_frame_hdr = notes.eh_hdr,
		.eh_frame_hdr_size = notes.eh_hdr_size,
		.readable_start = notes.readable_start,
		.readable_end = notes.readable_end,
		.entry = notes.entry,
		.inode = line->inode,
		.id = ++table.ids,
		.greenlets = has_greenlets(line->path),
	};
	to->count++;
	if (shim.file)
		shim.file->stats.modules = table.ids;
	write_module(m, &notes, line->path);
}

/* Lines of one file follow each other; its image begins at offset 0. */
static void collect(struct maps_text *text, struct unwind_modules *to,
		    const struct unwind_modules *old)
{
	uint64_t image = 0, image_inode = 0;
	struct maps_line line;
	size_t at = 0;

	while (maps_next(text, &at, &line)) {
		bool vdso = line.path[0] == '[' && line.path[1] == 'v' &&
			    line.path[2] == 'd';

		if (line.inode && line.offset == 0 &&
		    line.inode != image_inode) {
			image = line.start;
			image_inode = line.inode;
		}
		if (!line.executable)
			continue;
		if (vdso)
			add(to, old, &line, line.start);
		else if (line.inode && line.inode == image_inode)
			add(to, old, &line, image);
	}
}

static struct unwind_modules *next_table(void)
{
	unsigned slot = table.next++ % TABLES;

	if (!table.tables[slot])
		table.tables[slot] = shim_memory(TABLE_SIZE);
	return table.tables[slot];
}

static bool same_tables(const struct unwind_modules *a,
			const struct unwind_modules *b)
{
	if (!a || a->count != b->count || a->generation != b->generation)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->at[i].id != b->at[i].id)
			return false;
	return true;
}

static bool refresh_locked(void)
{
	const struct unwind_modules *old = shim.modules;
	struct unwind_modules *to;
	struct maps_text text;

	if (!maps_read(&text))
		return false;
	to = next_table();
	if (to) {
		to->count = 0;
		to->generation = table.generation;
		collect(&text, to, old);
	}
	maps_free(&text);
	table.refreshed = ticks_now();
	if (!to || same_tables(old, to))
		return false;
	__atomic_store_n(&shim.modules, to, __ATOMIC_RELEASE);
	return true;
}

static bool refresh(void)
{
	bool changed;

	if (__atomic_exchange_n(&table.busy, 1, __ATOMIC_ACQUIRE))
		return false;
	changed = refresh_locked();
	__atomic_store_n(&table.busy, 0, __ATOMIC_RELEASE);
	return changed;
}

void modules_refresh(void)
{
	refresh();
}

/*
 * A return address lies in no module.  Code made at run time never will, so
 * vain refreshes grow rarer, up to one in two seconds.
 */
bool modules_missing(uint64_t pc)
{
	if (modules_find(pc))
		return true; /* another thread has refreshed meanwhile */
	if (ticks_now() - table.refreshed < table.patience)
		return false;
	if (refresh() && modules_find(pc)) {
		table.patience = 0;
		return true;
	}
	table.patience =
		table.patience ? table.patience * 2 : shim.second_ticks / 1000;
	if (table.patience > 2 * shim.second_ticks)
		table.patience = 2 * shim.second_ticks;
	return false;
}

/* After dlclose: addresses may have changed their meaning. */
void modules_invalidate(void)
{
	__atomic_fetch_add(&table.generation, 1, __ATOMIC_RELAXED);
	refresh();
}

const struct unwind_module *modules_find(uint64_t pc)
{
	const struct unwind_modules *m =
		__atomic_load_n(&shim.modules, __ATOMIC_ACQUIRE);
	uint32_t low = 0, high = m ? m->count : 0;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (pc < m->at[middle].start)
			high = middle;
		else if (pc >= m->at[middle].end)
			low = middle + 1;
		else
			return &m->at[middle];
	}
	return NULL;
}

/* There is no recording for which they could be written down. */
void modules_forget(void)
{
	while (__atomic_exchange_n(&table.busy, 1, __ATOMIC_ACQUIRE))
		sys3(SYS_sched_yield, 0, 0, 0);
	__atomic_store_n(&shim.modules, NULL, __ATOMIC_RELEASE);
	table.meta = NULL;
	table.ids = 0;
	__atomic_store_n(&table.busy, 0, __ATOMIC_RELEASE);
}

/* The child's file needs the modules written again, with ids from 1. */
void modules_fork_child(void)
{
	table.busy = 0;
	table.meta = NULL;
	table.ids = 0;
	table.generation++;
	shim.modules = NULL;
	refresh();
	patch_tell();
}

void modules_start(void)
{
	refresh();
	patch_tell();
}
