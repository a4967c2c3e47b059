/* CFI as it is in the wild: libc's, mapped and as a file. */
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/unwind/cfi.h"
#include "profiler/unwind/fde.h"

#include <criterion/criterion.h>

struct library {
	char path[4096];
	uint64_t bias;
	struct image mapped, file;
};

static void fill(struct image *out, const ElfW(Phdr) * headers, size_t n,
		 uint64_t bias, const uint8_t *file)
{
	for (size_t i = 0; i < n; i++) {
		if (headers[i].p_type == PT_GNU_EH_FRAME) {
			out->eh_frame_hdr = bias + headers[i].p_vaddr;
			out->eh_frame_hdr_size = headers[i].p_memsz;
		}
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t from = bias + headers[i].p_vaddr;

		if (headers[i].p_type != PT_LOAD || out->eh_frame_hdr < from ||
		    out->eh_frame_hdr >= from + headers[i].p_filesz)
			continue;
		out->address = from;
		out->size = headers[i].p_filesz;
		out->bytes = file ? file + headers[i].p_offset
				  : (const uint8_t *)from;
	}
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct library *l = arg;

	(void)size;
	if (!strstr(info->dlpi_name, "/libc.so"))
		return 0;
	strncpy(l->path, info->dlpi_name, sizeof(l->path) - 1);
	l->bias = info->dlpi_addr;
	fill(&l->mapped, info->dlpi_phdr, info->dlpi_phnum, l->bias, NULL);
	return 1;
}

static struct library libc;

static void open_libc(void)
{
	const ElfW(Ehdr) * header;
	struct stat sb;
	uint8_t *file;
	int fd;

	dl_iterate_phdr(find_libc, &libc);
	cr_assert_neq(libc.path[0], 0);
	fd = open(libc.path, O_RDONLY | O_CLOEXEC);
	cr_assert_eq(fstat(fd, &sb), 0);
	file = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	cr_assert_neq(file, MAP_FAILED);
	close(fd);
	header = (const void *)file;
	fill(&libc.file, (const void *)(file + header->e_phoff),
	     header->e_phnum, 0, file);
}

TestSuite(cfi_libc, .init = open_libc);

/* A sum over all rows, by addresses in the file. */
struct sum {
	uint64_t bias, rows, hash, usual;
	const struct image *image;
};

static bool add(void *context, uint64_t start, uint64_t end,
		struct cfi_rule rule)
{
	struct sum *s = context;

	s->rows++;
	s->usual += rule.kind == CFI_SP || rule.kind == CFI_BP;
	s->hash = s->hash * 31 + (start - s->bias);
	s->hash = s->hash * 31 + (end - s->bias);
	s->hash = s->hash * 31 + cfi_pack(rule);
	return true;
}

Test(cfi_libc, the_file_gives_the_rows_that_the_mapping_gives)
{
	struct sum mapped = { .bias = libc.bias }, file = { 0 };

	cfi_each(&libc.mapped, add, &mapped);
	cfi_each(&libc.file, add, &file);
	cr_assert_gt(file.rows, 10000);
	cr_assert_eq(mapped.rows, file.rows);
	cr_assert_eq(mapped.hash, file.hash);
	cr_assert_gt(file.usual, file.rows * 99 / 100);
}

static bool look_up(void *context, uint64_t start, uint64_t end,
		    struct cfi_rule rule)
{
	struct sum *s = context;
	struct cfi_rule first = cfi_find(s->image, start);
	struct cfi_rule last = cfi_find(s->image, end - 1);

	if (rule.kind == CFI_PLT) /* resolved by find: another for each pc */
		return true;
	s->rows++;
	s->usual += cfi_pack(first) == cfi_pack(rule) &&
		    cfi_pack(last) == cfi_pack(rule);
	return true;
}

Test(cfi_libc, a_look_up_gives_the_row_that_covers_it)
{
	struct sum sum = { .image = &libc.file };

	cfi_each(&libc.file, look_up, &sum);
	cr_assert_gt(sum.rows, 10000);
	cr_assert_eq(sum.usual, sum.rows);
}

static bool is_300th(void *context, uint64_t start, uint64_t end,
		     struct cfi_rule rule)
{
	struct sum *s = context;

	(void)end;
	s->hash = start;
	s->usual = cfi_pack(rule);
	return ++s->rows < 300;
}

Test(cfi_libc, reading_all_entries_finds_what_the_table_finds)
{
	struct image all = libc.file;
	struct sum sum = { 0 };

	cfi_each(&libc.file, is_300th, &sum);
	all.eh_frame = fde_first(&libc.file);
	all.eh_frame_hdr = 0;
	cr_assert_eq(cfi_pack(cfi_find(&libc.file, sum.hash)), sum.usual);
	cr_assert_eq(cfi_pack(cfi_find(&all, sum.hash)), sum.usual);
}
