#include "preload/image.h"
#include "preload/sys.h"

static bool inside(const struct image *im, uint64_t at, uint64_t size)
{
	return at <= im->size && size <= im->size - at;
}

static const Elf64_Shdr *section(const struct image *im, size_t index)
{
	const Elf64_Ehdr *eh = (const void *)im->bytes;
	uint64_t at = eh->e_shoff + index * sizeof(Elf64_Shdr);

	if (index >= eh->e_shnum || at % 8 || !inside(im, eh->e_shoff, 1) ||
	    !inside(im, at, sizeof(Elf64_Shdr)))
		return NULL;
	return (const void *)(im->bytes + at);
}

bool image_begin(struct image *im, const void *bytes, size_t size)
{
	const Elf64_Ehdr *eh = bytes;

	*im = (struct image) { .bytes = bytes, .size = size };
	return size >= sizeof(*eh) &&
	       *(const uint32_t *)eh->e_ident == 0x464c457f &&
	       eh->e_ident[EI_CLASS] == ELFCLASS64 &&
	       eh->e_machine == EM_X86_64 &&
	       eh->e_shentsize == sizeof(Elf64_Shdr);
}

bool image_open(struct image *im, const char *path)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	void *bytes = NULL;
	struct stat sb;

	if (fd < 0)
		return false;
	if (sys_fstat(fd, &sb) == 0 && sb.st_size > 0)
		bytes = sys_mmap((size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd,
				 0);
	sys_close(fd);
	if (!bytes)
		return false;
	if (image_begin(im, bytes, (size_t)sb.st_size))
		return true;
	image_close(im);
	return false;
}

void image_close(struct image *im)
{
	sys_munmap((void *)im->bytes, im->size);
}

/* A section of symbols, if its strings are sound. */
static bool begin_table(struct image *im, const Elf64_Shdr *s)
{
	const Elf64_Shdr *strings = section(im, s->sh_link);

	if ((s->sh_type != SHT_SYMTAB && s->sh_type != SHT_DYNSYM) ||
	    !strings || strings->sh_type != SHT_STRTAB || s->sh_offset % 8 ||
	    !inside(im, s->sh_offset, s->sh_size) ||
	    !inside(im, strings->sh_offset, strings->sh_size) ||
	    !strings->sh_size ||
	    im->bytes[strings->sh_offset + strings->sh_size - 1])
		return false;
	im->table.at = (const void *)(im->bytes + s->sh_offset);
	im->table.count = s->sh_size / sizeof(Elf64_Sym);
	im->table.next = 0;
	im->table.names = im->bytes + strings->sh_offset;
	im->table.names_size = strings->sh_size;
	return true;
}

static bool next_table(struct image *im)
{
	const Elf64_Shdr *s;

	while ((s = section(im, im->section))) {
		im->section++;
		if (begin_table(im, s))
			return true;
	}
	return false;
}

bool image_next(struct image *im, struct image_function *f)
{
	do {
		while (im->table.next < im->table.count) {
			const Elf64_Sym *s = &im->table.at[im->table.next++];

			if (ELF64_ST_TYPE(s->st_info) != STT_FUNC ||
			    s->st_shndx == SHN_UNDEF ||
			    s->st_shndx >= SHN_LORESERVE ||
			    s->st_name >= im->table.names_size)
				continue;
			f->name = im->table.names + s->st_name;
			f->address = s->st_value;
			f->size = s->st_size;
			return true;
		}
	} while (next_table(im));
	return false;
}
