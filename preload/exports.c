/*
 * exports: see exports.h.
 */
#include "preload/exports.h"

#include <elf.h>
#include <link.h>

#include "preload/internal.h"
#include "preload/maps.h"
#include "preload/sys.h"
#include "profiler/alloc/names.h"

#define PAGE	    4096ULL
#define MAX_HEADERS 64
#define MAX_DYNAMIC 128
#define MAX_CHAIN   1024 /* symbols that share a bucket: 3 or 4 as a rule */

struct tables {
	uint64_t bias, symbols, strings, gnu_hash;
};

static bool read_dynamic(struct tables *t, uint64_t at, uint64_t size)
{
	ElfW(Dyn) d[MAX_DYNAMIC];

	if (size > sizeof(d))
		size = sizeof(d);
	if (sys_peek(d, at, size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(d[0]) && d[i].d_tag != DT_NULL;
	     i++) {
		uint64_t value = d[i].d_un.d_ptr;

		/* The loader has relocated these in place, as a rule. */
		value += value < t->bias ? t->bias : 0;
		if (d[i].d_tag == DT_SYMTAB)
			t->symbols = value;
		else if (d[i].d_tag == DT_STRTAB)
			t->strings = value;
		else if (d[i].d_tag == DT_GNU_HASH)
			t->gnu_hash = value;
	}
	return t->symbols && t->strings && t->gnu_hash;
}

static bool read_tables(struct tables *t, uint64_t start)
{
	Elf64_Phdr headers[MAX_HEADERS];
	uint64_t first = UINT64_MAX;
	Elf64_Ehdr eh;

	*t = (struct tables) { 0 };
	if (sys_peek(&eh, start, sizeof(eh)) < 0 ||
	    *(uint32_t *)eh.e_ident != 0x464c457f ||
	    eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phnum > MAX_HEADERS ||
	    sys_peek(headers, start + eh.e_phoff,
		     eh.e_phnum * sizeof(Elf64_Phdr)) < 0)
		return false;
	for (int i = 0; i < eh.e_phnum; i++)
		if (headers[i].p_type == PT_LOAD && headers[i].p_vaddr < first)
			first = headers[i].p_vaddr & ~(PAGE - 1);
	t->bias = start - first;
	for (int i = 0; i < eh.e_phnum; i++)
		if (headers[i].p_type == PT_DYNAMIC)
			return read_dynamic(t, t->bias + headers[i].p_vaddr,
					    headers[i].p_memsz);
	return false;
}

static bool peek_word(uint64_t at, uint32_t *word)
{
	return sys_peek(word, at, sizeof(*word)) == 0;
}

/* The symbol @index defines a function called @name: its address, else 0. */
static uint64_t defined(const struct tables *t, uint32_t index,
			const char *name)
{
	char found[64];
	size_t size = 0;
	ElfW(Sym) s;

	while (name[size])
		size++;
	if (++size > sizeof(found) ||
	    sys_peek(&s, t->symbols + index * sizeof(s), sizeof(s)) < 0 ||
	    s.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(s.st_info) != STT_FUNC ||
	    sys_peek(found, t->strings + s.st_name, size) < 0)
		return 0;
	found[size - 1] = found[size - 1] ? '?' : 0;
	return names_equal(found, name) ? t->bias + s.st_value : 0;
}

static uint64_t find_in_chain(const struct tables *t, uint64_t chain,
			      uint32_t first, uint32_t index, uint32_t hash,
			      const char *name)
{
	uint32_t found;

	for (unsigned n = 0; n < MAX_CHAIN && index >= first; n++, index++) {
		uint64_t address;

		if (!peek_word(chain + 4ULL * (index - first), &found))
			return 0;
		address =
			(found | 1) == (hash | 1) ? defined(t, index, name) : 0;
		if (address || found & 1)
			return address;
	}
	return 0;
}

uint64_t exports_find(const struct exports_object *o, const char *name)
{
	uint32_t head[4], bucket, hash = 5381; /* buckets, first, blooms */
	uint64_t buckets;
	struct tables t;

	if (!read_tables(&t, o->start) ||
	    sys_peek(head, t.gnu_hash, sizeof(head)) < 0 || !head[0])
		return 0;
	for (const char *c = name; *c; c++)
		hash = hash * 33 + (uint8_t)*c;
	buckets = t.gnu_hash + sizeof(head) + 8ULL * head[2];
	if (!peek_word(buckets + 4ULL * (hash % head[0]), &bucket) || !bucket)
		return 0;
	return find_in_chain(&t, buckets + 4ULL * head[0], head[1], bucket,
			     hash, name);
}

/* The mappings of a file follow each other; the first holds its headers. */
void exports_each(void (*visit)(void *context, const struct exports_object *o),
		  void *context)
{
	uint64_t here = (uint64_t)&exports_each, inode = 0;
	struct exports_object o = { 0 };
	struct maps_line line;
	struct maps_text text;
	size_t at = 0;

	if (!maps_read(&text))
		return;
	for (;;) {
		bool more = maps_next(&text, &at, &line);

		if (more && line.inode && line.inode == inode && line.offset) {
			o.end = line.end;
			continue;
		}
		if (more && !line.inode)
			continue;
		if (o.start && (here < o.start || here >= o.end))
			visit(context, &o);
		if (!more)
			break;
		inode = line.inode;
		o = (struct exports_object) { line.offset ? 0 : line.start,
					      line.end };
	}
	maps_free(&text);
}
