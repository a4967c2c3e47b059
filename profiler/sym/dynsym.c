/*
 * dynsym: see dynsym.h.
 */
#include "profiler/sym/dynsym.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/err.h"

struct wanted {
	const char *const *names;
	uint64_t *vaddrs;
	size_t count;
	int found;
};

static void look_at(struct wanted *w, const char *name, uint64_t vaddr)
{
	for (size_t i = 0; i < w->count; i++)
		if (!w->vaddrs[i] && strcmp(w->names[i], name) == 0) {
			w->vaddrs[i] = vaddr;
			w->found += vaddr != 0;
			return;
		}
}

static void look_through(Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr,
			 struct wanted *w)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t count = shdr->sh_entsize ? shdr->sh_size / shdr->sh_entsize : 0;
	GElf_Sym symbol;

	for (size_t i = 0; data && i < count; i++) {
		const char *name;

		if (!gelf_getsym(data, (int)i, &symbol))
			return;
		if (symbol.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(elf, shdr->sh_link, symbol.st_name);
		if (name && name[0])
			look_at(w, name, symbol.st_value);
	}
}

int dynsym_find(const char *file, const char *const *names, size_t count,
		uint64_t *vaddrs, struct err *err)
{
	struct wanted w = { names, vaddrs, count, 0 };
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;
	bool is_elf;
	Elf *elf;

	memset(vaddrs, 0, count * sizeof(*vaddrs));
	if (fd < 0)
		return err_errno(err, "cannot open %s", file);
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	is_elf = elf && elf_kind(elf) == ELF_K_ELF;
	while (is_elf && (scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_DYNSYM)
			look_through(elf, scn, &shdr, &w);
	elf_end(elf);
	close(fd);
	return is_elf ? w.found
		      : err_set(err, -EBADMSG, "%s is no ELF file", file);
}
