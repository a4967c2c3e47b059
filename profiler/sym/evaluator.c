#include "profiler/sym/evaluator.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/sym/pynames.h"

#define JUMPS_LEAST 2  /* one could be a number that looks like it */
#define HEAD	    12 /* bytes of .eh_frame_hdr before its table */
#define ENTRY	    8
#define JUMP	    0xe9 /* and 32 bits, from behind them */
#define JUMP_IF	    0x80 /* to 0x8f, after 0x0f */

struct evaluator {
	Elf *elf;
	uint64_t low, high;   /* of what is named */
	uint64_t table_vaddr; /* what its numbers count from */
	const uint8_t *table;
	size_t count;
};

/* The section that has @vaddr, or is called @name; NULL: none in the file. */
static Elf_Data *section(Elf *elf, const char *name, uint64_t vaddr,
			 GElf_Shdr *shdr)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return NULL;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *is;

		if (!gelf_getshdr(scn, shdr) || shdr->sh_type == SHT_NOBITS)
			continue;
		is = elf_strptr(elf, names, shdr->sh_name);
		if (name ? is && strcmp(is, name) == 0
			 : shdr->sh_flags & SHF_EXECINSTR &&
				    vaddr - shdr->sh_addr < shdr->sh_size)
			return elf_getdata(scn, NULL);
	}
	return NULL;
}

static int32_t number(const uint8_t *at)
{
	int32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t start_of(const struct evaluator *e, size_t i)
{
	return e->table_vaddr + (uint64_t)(int64_t)number(e->table + i * ENTRY);
}

/* Of the one form that linkers write: sorted pairs of 32 bits. */
static bool find_table(struct evaluator *e)
{
	GElf_Shdr shdr;
	Elf_Data *data = section(e->elf, ".eh_frame_hdr", 0, &shdr);
	const uint8_t *head = data ? data->d_buf : NULL;

	if (!head || data->d_size < HEAD || head[0] != 1 || head[2] != 3 ||
	    head[3] != 0x3b)
		return false;
	e->table_vaddr = shdr.sh_addr;
	e->table = head + HEAD;
	e->count = (uint32_t)number(head + 8);
	return e->count && e->count <= (data->d_size - HEAD) / ENTRY;
}

static bool find_function(struct evaluator *e, Dwfl_Module *module,
			  GElf_Addr bias)
{
	int count = dwfl_module_getsymtab(module);

	for (int i = 0; i < count; i++) {
		GElf_Sym sym;
		GElf_Addr addr;
		const char *name =
			dwfl_module_getsym_info(module, i, &sym, &addr, NULL,
						NULL, NULL);

		if (!name || !sym.st_size ||
		    GELF_ST_TYPE(sym.st_info) != STT_FUNC ||
		    strchr(name, '.') || !pynames_is_evaluator(name))
			continue;
		e->low = addr - bias;
		e->high = e->low + sym.st_size;
		return true;
	}
	return false;
}

struct evaluator *evaluator_new(Dwfl_Module *module)
{
	struct evaluator *e = calloc(1, sizeof(*e));
	GElf_Addr bias = 0;

	if (!e)
		return NULL;
	e->elf = dwfl_module_getelf(module, &bias);
	if (e->elf && find_function(e, module, bias) && find_table(e))
		return e;
	free(e);
	return NULL;
}

void evaluator_free(struct evaluator *e)
{
	free(e);
}

/* The function, or part of one, that @vaddr is in. */
static bool range_of(const struct evaluator *e, uint64_t vaddr, uint64_t *low,
		     uint64_t *high)
{
	size_t first = 0, last = e->count;

	while (last - first > 1) {
		size_t middle = first + (last - first) / 2;

		if (start_of(e, middle) <= vaddr)
			first = middle;
		else
			last = middle;
	}
	*low = start_of(e, first);
	*high = last < e->count ? start_of(e, last) : *low;
	return *low <= vaddr && vaddr < *high;
}

/* Does the jump end within the evaluator, past its beginning? */
static bool returns(const struct evaluator *e, const uint8_t *at,
		    uint64_t vaddr)
{
	uint64_t to;

	if (at[0] == 0x0f && (at[1] & 0xf0) == JUMP_IF)
		to = vaddr + 6 + (uint64_t)(int64_t)number(at + 2);
	else if (at[0] == JUMP)
		to = vaddr + 5 + (uint64_t)(int64_t)number(at + 1);
	else
		return false;
	return to > e->low && to < e->high;
}

bool evaluator_has(const struct evaluator *e, uint64_t vaddr)
{
	uint64_t low, high;
	const uint8_t *code;
	GElf_Shdr shdr;
	Elf_Data *data;
	int jumps = 0;

	if (!e || !range_of(e, vaddr, &low, &high) ||
	    (low < e->high && e->low < high))
		return false;
	data = section(e->elf, NULL, low, &shdr);
	if (!data || !data->d_buf || high - shdr.sh_addr > data->d_size)
		return false;
	code = (const uint8_t *)data->d_buf + (low - shdr.sh_addr);
	for (uint64_t i = 0; i + 6 <= high - low && jumps < JUMPS_LEAST; i++)
		jumps += returns(e, code + i, low + i);
	return jumps == JUMPS_LEAST;
}
