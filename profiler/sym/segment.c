/*
 * segment: see segment.h.
 */
#include "profiler/sym/segment.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

static uint64_t shift_of(Elf *elf, uint64_t offset)
{
	size_t count = 0;
	GElf_Phdr p;

	if (!elf || elf_getphdrnum(elf, &count) < 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(elf, (int)i, &p) && p.p_type == PT_LOAD &&
		    p.p_flags & PF_X && offset >= p.p_offset &&
		    offset - p.p_offset < p.p_filesz)
			return p.p_vaddr - p.p_offset;
	return 0;
}

uint64_t segment_shift(const char *path, uint64_t offset)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint64_t shift;
	Elf *elf;

	if (fd < 0)
		return 0;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	shift = shift_of(elf, offset);
	elf_end(elf);
	close(fd);
	return shift;
}
