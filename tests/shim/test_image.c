#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "preload/image.h"

/* An ELF file of two sections: symbols, and their names. */
struct file {
	Elf64_Ehdr head;
	Elf64_Shdr sections[3];
	Elf64_Sym symbols[4];
	char names[32];
};

static struct file *made(void)
{
	struct file *f = calloc(1, sizeof(*f));

	memcpy(f->head.e_ident, ELFMAG, SELFMAG);
	f->head.e_ident[EI_CLASS] = ELFCLASS64;
	f->head.e_machine = EM_X86_64;
	f->head.e_shentsize = sizeof(Elf64_Shdr);
	f->head.e_shnum = 3;
	f->head.e_shoff = offsetof(struct file, sections);
	f->sections[1] = (Elf64_Shdr) {
		.sh_type = SHT_SYMTAB,
		.sh_link = 2,
		.sh_offset = offsetof(struct file, symbols),
		.sh_size = sizeof(f->symbols),
	};
	f->sections[2] = (Elf64_Shdr) {
		.sh_type = SHT_STRTAB,
		.sh_offset = offsetof(struct file, names),
		.sh_size = sizeof(f->names),
	};
	memcpy(f->names, "\0malloc\0free\0data", 18);
	for (int i = 1; i < 4; i++)
		f->symbols[i] = (Elf64_Sym) {
			.st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC),
			.st_shndx = 1,
			.st_value = 0x1000u * (unsigned)i,
			.st_size = 10,
		};
	f->symbols[1].st_name = 1;
	f->symbols[2].st_name = 8;
	f->symbols[3].st_name = 13;
	f->symbols[3].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
	return f;
}

static unsigned count(struct file *f)
{
	struct image_function function;
	struct image im;
	unsigned n = 0;

	if (image_begin(&im, f, sizeof(*f)))
		while (image_next(&im, &function))
			n++;
	free(f);
	return n;
}

Test(image, functions_are_found_by_name)
{
	struct image_function f;
	struct file *file = made();
	struct image im;

	cr_assert(image_begin(&im, file, sizeof(*file)));
	cr_assert(image_next(&im, &f));
	cr_assert_str_eq(f.name, "malloc");
	cr_assert_eq(f.address, 0x1000);
	cr_assert_eq(f.size, 10);
	cr_assert(image_next(&im, &f));
	cr_assert_str_eq(f.name, "free");
	cr_assert_not(image_next(&im, &f));
	free(file);
}

Test(image, what_is_imported_is_not_defined)
{
	struct file *f = made();

	f->symbols[1].st_shndx = SHN_UNDEF;
	cr_assert_eq(count(f), 1);
}

Test(image, a_name_outside_of_the_names_is_passed_over)
{
	struct file *f = made();

	f->symbols[1].st_name = sizeof(f->names);
	cr_assert_eq(count(f), 1);
}

Test(image, names_that_do_not_end_are_refused)
{
	struct file *f = made();

	memset(f->names, 'x', sizeof(f->names));
	cr_assert_eq(count(f), 0);
}

Test(image, tables_outside_of_the_file_are_refused)
{
	struct file *f = made();

	f->sections[1].sh_size = 1u << 20;
	cr_expect_eq(count(f), 0);
	f = made();
	f->sections[2].sh_offset = UINT64_MAX - 8;
	cr_expect_eq(count(f), 0);
	f = made();
	f->head.e_shoff = UINT64_MAX - 7;
	cr_expect_eq(count(f), 0);
	f = made();
	f->sections[1].sh_link = 9;
	cr_expect_eq(count(f), 0);
}

Test(image, another_machine_s_file_is_refused)
{
	struct file *f = made();

	f->head.e_machine = EM_AARCH64;
	cr_assert_eq(count(f), 0);
}
