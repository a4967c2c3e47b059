#include "profiler/sym/labels.h"

#include <criterion/criterion.h>
#include <gelf.h>
#include <link.h>
#include <string.h>

#define ASKED 2000

struct opened {
	Dwfl *dwfl;
	Dwfl_Module *module;
};

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static struct opened open_module(const char *path)
{
	struct opened o = { .dwfl = dwfl_begin(&callbacks) };

	dwfl_report_begin(o.dwfl);
	o.module = dwfl_report_offline(o.dwfl, path, path, -1);
	dwfl_report_end(o.dwfl, NULL, NULL);
	cr_assert(o.module, "%s", path);
	return o;
}

/* Of libdwfl, within the limit on symbols without a size. */
static const char *theirs(Dwfl_Module *module, Dwarf_Addr addr, GElf_Off *off)
{
	GElf_Sym sym;
	const char *name =
		dwfl_module_addrinfo(module, addr, off, &sym, NULL, NULL, NULL);

	return name && (sym.st_size || *off < 4096) ? name : NULL;
}

/* Every so many bytes of the module's code. */
static unsigned compare(Dwfl_Module *module, const char *path, Dwarf_Addr low,
			Dwarf_Addr size)
{
	struct labels *l = labels_new(module);
	unsigned named = 0;

	for (unsigned i = 0; i < ASKED; i++) {
		Dwarf_Addr addr = low + size / ASKED * i;
		GElf_Off off = 0;
		uint64_t ours_off = 0;
		const char *name = theirs(module, addr, &off);
		const char *ours = labels_find(l, addr, &ours_off);

		cr_assert_eq(!name, !ours, "%s: %#lx: %s, not %s", path, addr,
			     ours, name);
		named += name != NULL;
		if (name)
			cr_assert_eq(off, ours_off, "%s: %#lx: %s, not %s",
				     path, addr, ours, name);
	}
	labels_free(l);
	return named;
}

static int compare_library(struct dl_phdr_info *info, size_t size, void *named)
{
	struct opened o;
	GElf_Addr base;

	(void)size;
	if (info->dlpi_name[0] != '/')
		return 0;
	o = open_module(info->dlpi_name);
	dwfl_module_getelf(o.module, &base);
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_X)
			*(unsigned *)named +=
				compare(o.module, info->dlpi_name,
					base + p->p_vaddr, p->p_memsz);
	}
	dwfl_end(o.dwfl);
	return 0;
}

Test(labels, agree_with_libdwfl_on_every_library_of_this_program)
{
	unsigned named = 0;

	dl_iterate_phdr(compare_library, &named);
	cr_assert_gt(named, ASKED);
}
