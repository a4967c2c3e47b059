/*
 * labels: see labels.h.
 */
#include "profiler/sym/labels.h"

#include <gelf.h>
#include <stdlib.h>

#include "profiler/base/vec.h"

#define SIZELESS_MAX 4096

struct label {
	Dwarf_Addr start;
	Dwarf_Addr reach; /* where this one and all before it have ended */
	uint32_t size;	  /* 0: within another, and not told */
	uint32_t index;	  /* in the module's table */
	uint8_t rank;	  /* of those that begin here, the higher is told */
	bool open;	  /* the table has no size */
};

struct labels {
	Dwfl_Module *module;
	VEC(struct label) sorted;
};

/* Of one place a global name says more than a weak one, and any than none. */
static unsigned rank_of(const GElf_Sym *sym)
{
	unsigned binding = GELF_ST_BIND(sym->st_info);
	unsigned rank = binding == STB_GLOBAL ? 2 : binding == STB_WEAK;

	return sym->st_size ? rank + 3 : rank;
}

static bool names_code(const GElf_Sym *sym, GElf_Word section)
{
	switch (GELF_ST_TYPE(sym->st_info)) {
	case STT_NOTYPE:
	case STT_FUNC:
	case STT_GNU_IFUNC:
	case STT_OBJECT:
		return section != SHN_UNDEF && section != SHN_ABS;
	default:
		return false;
	}
}

/* How far one goes whose end is not known, were it the last of its section. */
static uint32_t room(Elf *elf, GElf_Word section, const GElf_Sym *sym)
{
	GElf_Shdr shdr;
	uint64_t left;

	if (!gelf_getshdr(elf_getscn(elf, section), &shdr) ||
	    sym->st_value - shdr.sh_addr >= shdr.sh_size)
		return 0;
	left = shdr.sh_addr + shdr.sh_size - sym->st_value;
	return left < SIZELESS_MAX ? (uint32_t)left : SIZELESS_MAX;
}

static bool add(struct labels *l, int index)
{
	GElf_Sym sym;
	GElf_Addr addr;
	GElf_Word section;
	Elf *elf;
	const char *name = dwfl_module_getsym_info(l->module, index, &sym,
						   &addr, &section, &elf, NULL);
	struct label *label;

	if (!name || !*name || !names_code(&sym, section))
		return true;
	label = vec_push(&l->sorted);
	if (!label)
		return false;
	*label = (struct label) {
		.start = addr,
		.size = sym.st_size < UINT32_MAX ? sym.st_size : UINT32_MAX,
		.index = (uint32_t)index,
		.rank = rank_of(&sym),
	};
	if (!label->size) {
		label->size = room(elf, section, &sym);
		label->open = true;
	}
	return true;
}

/* By place, those to be told last; else as the table has them. */
static int by_start(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	if (x->start != y->start)
		return x->start > y->start ? 1 : -1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? 1 : -1;
	return (x->index < y->index) - (x->index > y->index);
}

/* What has no size goes up to the next, and is nothing within another. */
static void set_ends(struct labels *l)
{
	Dwarf_Addr reach = 0;
	struct label *label, *end = l->sorted.at + l->sorted.count;

	vec_foreach (&l->sorted, label) {
		const struct label *next = label + 1;

		while (next < end && next->start == label->start)
			next++;
		/* Of those that begin here, one with a size stands last. */
		if (label->open && (label->start < reach || !next[-1].open))
			label->size = 0;
		else if (label->open && next < end &&
			 next->start - label->start < label->size)
			label->size = (uint32_t)(next->start - label->start);
		if (reach < label->start + label->size)
			reach = label->start + label->size;
		label->reach = reach;
	}
}

struct labels *labels_new(Dwfl_Module *module)
{
	int count = dwfl_module_getsymtab(module);
	struct labels *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->module = module;
	for (int i = 0; i < count; i++)
		if (!add(l, i)) {
			labels_free(l);
			return NULL;
		}
	if (l->sorted.count)
		qsort(l->sorted.at, l->sorted.count, sizeof(*l->sorted.at),
		      by_start);
	set_ends(l);
	return l;
}

void labels_free(struct labels *l)
{
	if (!l)
		return;
	vec_free(&l->sorted);
	free(l);
}

/* How many begin at @addr or before it. */
static size_t count_below(const struct labels *l, Dwarf_Addr addr)
{
	size_t low = 0, high = l->sorted.count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (l->sorted.at[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct label *around(const struct labels *l, Dwarf_Addr addr)
{
	for (size_t i = count_below(l, addr);
	     i-- > 0 && l->sorted.at[i].reach > addr;)
		if (addr - l->sorted.at[i].start < l->sorted.at[i].size)
			return &l->sorted.at[i];
	return NULL;
}

const char *labels_find(const struct labels *l, Dwarf_Addr addr,
			uint64_t *offset)
{
	const struct label *found = around(l, addr);
	GElf_Sym sym;
	GElf_Addr start;

	if (!found)
		return NULL;
	*offset = addr - found->start;
	return dwfl_module_getsym_info(l->module, (int)found->index, &sym,
				       &start, NULL, NULL, NULL);
}
