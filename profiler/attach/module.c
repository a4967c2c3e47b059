#include "profiler/attach/module.h"

#include <elf.h>
#include <string.h>

#define PAGE	     4096ULL
#define MOST_CHAIN   4096
#define HIDDEN	     0x8000
#define MOST_HEADERS 64
#define MOST_DYNAMIC 256
#define MOST_NOTES   1024

static bool get(const struct module *m, uint64_t at, void *to, size_t size)
{
	return remote_read(&m->memory, at, to, size) == 0;
}

static void take_dynamic(struct module *m, const Elf64_Dyn *d)
{
	uint64_t value = d->d_un.d_val;
	/* glibc relocates these in place, other loaders do not. */
	uint64_t addr = value < m->bias ? value + m->bias : value;

	switch (d->d_tag) {
	case DT_SYMTAB:
		m->symbols = addr;
		break;
	case DT_STRTAB:
		m->strings = addr;
		break;
	case DT_STRSZ:
		m->strings_size = value;
		break;
	case DT_GNU_HASH:
		m->hash = addr;
		break;
	case DT_VERSYM:
		m->versions = addr;
		break;
	case DT_SONAME:
		m->name = value;
		break;
	}
}

static void read_dynamic(struct module *m, const Elf64_Phdr *p)
{
	Elf64_Dyn d[MOST_DYNAMIC];
	size_t count = p->p_memsz / sizeof(d[0]);

	if (count > MOST_DYNAMIC)
		count = MOST_DYNAMIC;
	if (!get(m, m->bias + p->p_vaddr, d, count * sizeof(d[0])))
		return;
	for (size_t i = 0; i < count && d[i].d_tag != DT_NULL; i++)
		take_dynamic(m, &d[i]);
}

/* One after the other: sizes of name and content, a type, both padded. */
static void read_notes(struct module *m, const Elf64_Phdr *p)
{
	uint8_t notes[MOST_NOTES];
	size_t size = p->p_memsz < sizeof(notes) ? p->p_memsz : sizeof(notes);
	Elf64_Nhdr n;

	if (!get(m, m->bias + p->p_vaddr, notes, size))
		return;
	for (size_t at = 0; at + sizeof(n) <= size;) {
		size_t name = at + sizeof(n), content;

		memcpy(&n, notes + at, sizeof(n));
		if (n.n_namesz > size || n.n_descsz > size)
			return;
		content = name + ((n.n_namesz + 3) & ~3U);
		at = content + ((n.n_descsz + 3) & ~3U);
		if (at > size || n.n_type != NT_GNU_BUILD_ID ||
		    n.n_namesz != 4 || memcmp(notes + name, "GNU", 4) != 0 ||
		    n.n_descsz > sizeof(m->build_id))
			continue;
		memcpy(m->build_id, notes + content, n.n_descsz);
		m->build_id_size = n.n_descsz;
	}
}

bool module_read(struct module *m, const struct remote *memory, uint64_t start)
{
	Elf64_Phdr headers[MOST_HEADERS];
	uint64_t first = UINT64_MAX;
	Elf64_Ehdr eh;

	*m = (struct module) { .memory = *memory, .start = start };
	if (!get(m, start, &eh, sizeof(eh)) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != EM_X86_64 ||
	    eh.e_phentsize != sizeof(headers[0]) || eh.e_phnum > MOST_HEADERS ||
	    !get(m, start + eh.e_phoff, headers,
		 eh.e_phnum * sizeof(headers[0])))
		return false;
	for (int i = 0; i < eh.e_phnum; i++)
		if (headers[i].p_type == PT_LOAD && headers[i].p_vaddr < first)
			first = headers[i].p_vaddr & ~(PAGE - 1);
	m->bias = start - first;
	for (int i = 0; i < eh.e_phnum; i++) {
		const Elf64_Phdr *p = &headers[i];

		if (p->p_type == PT_DYNAMIC)
			read_dynamic(m, p);
		if (p->p_type == PT_NOTE && !m->build_id_size)
			read_notes(m, p);
		else if (p->p_type == PT_INTERP)
			m->has_interpreter = true;
		else if (p->p_type == PT_LOAD && p->p_flags & PF_X)
			m->code_end = m->bias + p->p_vaddr + p->p_memsz;
	}
	return true;
}

void module_name(const struct module *m, char *name, size_t size)
{
	name[0] = '\0';
	if (m->name && m->name < m->strings_size)
		(void)remote_read_text(&m->memory, m->strings + m->name, name,
				       size);
}

static bool is_hidden(const struct module *m, uint32_t index)
{
	uint16_t version;

	return m->versions &&
	       get(m, m->versions + index * sizeof(version), &version,
		   sizeof(version)) &&
	       version & HIDDEN;
}

/* A definition of that name which callers without a version would get. */
static uint64_t try_symbol(const struct module *m, uint32_t index,
			   const char *name)
{
	char text[64];
	Elf64_Sym s;

	if (!get(m, m->symbols + index * sizeof(s), &s, sizeof(s)) ||
	    s.st_shndx == SHN_UNDEF || !s.st_value ||
	    s.st_name >= m->strings_size || is_hidden(m, index) ||
	    remote_read_text(&m->memory, m->strings + s.st_name, text,
			     sizeof(text)) < 0 ||
	    strcmp(text, name) != 0)
		return 0;
	return m->bias + s.st_value;
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;

	while (*name)
		hash = hash * 33 + (uint8_t)*name++;
	return hash;
}

uint64_t module_symbol(const struct module *m, const char *name)
{
	uint32_t table[4], i, hash = gnu_hash(name);
	uint64_t buckets, chain;

	if (!m->hash || !m->symbols || !m->strings ||
	    !get(m, m->hash, table, sizeof(table)) || !table[0])
		return 0;
	buckets = m->hash + sizeof(table) + table[2] * 8ULL;
	chain = buckets + table[0] * 4ULL;
	if (!get(m, buckets + hash % table[0] * 4ULL, &i, sizeof(i)) ||
	    i < table[1])
		return 0;
	for (int tries = 0; tries < MOST_CHAIN; tries++, i++) {
		uint64_t found;
		uint32_t h;

		if (!get(m, chain + (i - table[1]) * 4ULL, &h, sizeof(h)))
			return 0;
		found = (h | 1) == (hash | 1) ? try_symbol(m, i, name) : 0;
		if (found || h & 1)
			return found;
	}
	return 0;
}

uint64_t module_gap(const struct module *m, size_t size)
{
	uint64_t at = (m->code_end + 15) & ~15ULL;
	uint64_t end = (m->code_end + PAGE - 1) & ~(PAGE - 1);

	return m->code_end && at + size <= end ? at : 0;
}
