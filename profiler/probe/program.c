/*
 * program: what probes need of an ELF file.
 */
#include "profiler/probe/program.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/unwind/image.h"

/* The code of libLLVM is 100 MB; more than this is no program. */
#define SEGMENT_MOST (2ULL << 30)

struct parts {
	GElf_Phdr eh_frame_hdr, notes[4];
	unsigned note_count;
};

static void read_headers(struct program *program, Elf *elf, struct parts *parts)
{
	size_t count;

	if (elf_getphdrnum(elf, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, (int)i, &ph))
			continue;
		if (ph.p_type == PT_LOAD &&
		    program->segment_count < PROGRAM_SEGMENTS_MOST)
			program->segments[program->segment_count++] =
				(struct program_segment) { ph.p_offset,
							   ph.p_vaddr,
							   ph.p_filesz };
		else if (ph.p_type == PT_GNU_EH_FRAME)
			parts->eh_frame_hdr = ph;
		else if (ph.p_type == PT_NOTE && parts->note_count < 4)
			parts->notes[parts->note_count++] = ph;
	}
}

static void read_build_id(struct program *program, Elf *elf,
			  const GElf_Phdr *note)
{
	Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)note->p_offset,
					      note->p_filesz, ELF_T_NHDR);
	size_t at = 0, name, desc;
	GElf_Nhdr head;

	while (data && (at = gelf_getnote(data, at, &head, &name, &desc))) {
		if (head.n_type != NT_GNU_BUILD_ID || head.n_namesz != 4 ||
		    head.n_descsz > sizeof(program->build_id) ||
		    memcmp((char *)data->d_buf + name, "GNU", 4) != 0)
			continue;
		memcpy(program->build_id, (char *)data->d_buf + desc,
		       head.n_descsz);
		program->build_id_size = head.n_descsz;
		return;
	}
}

/* The rules, out of the segment that holds .eh_frame_hdr (and .eh_frame). */
static int read_rules(struct program *program, Elf *elf, const GElf_Phdr *hdr)
{
	const struct program_segment *s = program->segments;
	const struct program_segment *end = s + program->segment_count;
	struct tree_rows rows = { 0 };
	struct image image = { 0 };
	Elf_Data *data;
	int rc;

	while (s < end &&
	       (hdr->p_vaddr < s->vaddr || hdr->p_vaddr - s->vaddr >= s->size))
		s++;
	if (hdr->p_type != PT_GNU_EH_FRAME || s == end ||
	    s->size > SEGMENT_MOST)
		return 0;
	data = elf_getdata_rawchunk(elf, (int64_t)s->offset, s->size,
				    ELF_T_BYTE);
	if (!data)
		return 0;
	image.bytes = data->d_buf;
	image.address = s->vaddr;
	image.size = data->d_size;
	image.eh_frame_hdr = hdr->p_vaddr;
	image.eh_frame_hdr_size = hdr->p_memsz;
	cfi_each(&image, tree_visit, &rows);
	rc = tree_build(&program->tree, &rows);
	vec_free(&rows.rows);
	return rc == -E2BIG ? 0 : rc;
}

static int parse(struct program *program, Elf *elf)
{
	struct parts parts = { 0 };
	GElf_Ehdr head;

	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &head) ||
	    gelf_getclass(elf) != ELFCLASS64 || head.e_machine != EM_X86_64)
		return -ENOEXEC;
	read_headers(program, elf, &parts);
	for (unsigned i = 0; i < parts.note_count && !program->build_id_size;
	     i++)
		read_build_id(program, elf, &parts.notes[i]);
	return read_rules(program, elf, &parts.eh_frame_hdr);
}

int program_read(struct program *program, int fd)
{
	Elf *elf;
	int rc;

	*program = (struct program) { 0 };
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	rc = parse(program, elf);
	elf_end(elf);
	if (rc < 0)
		program_fini(program);
	return rc;
}

int program_parse(struct program *program, const void *bytes, size_t size)
{
	char *copy = malloc(size + 1); /* libelf wants to write */
	Elf *elf;
	int rc;

	*program = (struct program) { 0 };
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, size);
	elf_version(EV_CURRENT);
	elf = elf_memory(copy, size);
	rc = parse(program, elf);
	elf_end(elf);
	free(copy);
	if (rc < 0)
		program_fini(program);
	return rc;
}

void program_fini(struct program *program)
{
	tree_fini(&program->tree);
}

bool program_vaddr(const struct program *program, uint64_t offset,
		   uint64_t *vaddr)
{
	for (unsigned i = 0; i < program->segment_count; i++) {
		const struct program_segment *s = &program->segments[i];
		uint64_t first = s->offset & ~(uint64_t)4095;

		if (offset < first || offset >= s->offset + s->size)
			continue;
		*vaddr = s->vaddr - s->offset + offset;
		return true;
	}
	return false;
}
