#include "profiler/attach/images.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/attach/exports.h"
#include "profiler/base/intern.h"
#include "profiler/base/vec.h"
#include "profiler/proc/maps.h"

#define PAGE	     4096ULL
#define HEADERS_MAX  64 /* program headers; more is damage */
#define SECTIONS_MAX 128
#define NOTES_MAX    4096 /* bytes of one note segment */

struct entry { /* one mapping that has a name, or may be executed */
	uint64_t start, end, offset, inode;
	uint32_t path;
	bool executable;
	bool read; /* `map` has been filled */
	struct image_map map;
};

struct images {
	struct remote there;
	char root[64];
	struct intern *paths;
	VEC(struct entry) entries; /* ascending */
};

static int add_entry(struct images *im, const struct maps_entry *e)
{
	char path[4096];
	struct entry *new;

	if (!e->path_len && !(e->prot & MAPS_EXEC))
		return 0;
	new = vec_push(&im->entries);
	if (!new)
		return -ENOMEM;
	*new = (struct entry) {
		.start = e->start,
		.end = e->end,
		.offset = e->offset,
		.inode = e->inode,
		.path = intern_id(im->paths, maps_path(e, path, sizeof(path))),
		.executable = e->prot & MAPS_EXEC,
	};
	return new->path == INTERN_NONE ? -ENOMEM : 0;
}

struct images *images_new(const char *maps, size_t len,
			  const struct remote *there, const char *root)
{
	struct images *im = calloc(1, sizeof(*im));
	struct maps_cursor c = maps_begin(maps, len);
	struct maps_entry e;
	int rc = 0;

	if (!im)
		return NULL;
	im->there = *there;
	snprintf(im->root, sizeof(im->root), "%s", root);
	im->paths = intern_new();
	while (im->paths && rc == 0 && maps_next(&c, &e))
		rc = add_entry(im, &e);
	if (!im->paths || rc < 0) {
		images_free(im);
		return NULL;
	}
	return im;
}

void images_free(struct images *im)
{
	if (!im)
		return;
	vec_free(&im->entries);
	intern_free(im->paths);
	free(im);
}

/*
 * Where the file of entry @i begins to be mapped: the last mapping of its
 * offset 0 below.  There may be several, for one library loaded twice.
 */
static const struct entry *head_of(const struct images *im, size_t i)
{
	const struct entry *of = &im->entries.at[i];

	for (size_t k = i + 1; k-- > 0;) {
		const struct entry *e = &im->entries.at[k];

		if (e->path == of->path && e->inode == of->inode &&
		    e->offset == 0)
			return e;
	}
	return NULL;
}

static void read_build_id(const struct images *im, struct image_map *m,
			  const Elf64_Phdr *notes)
{
	uint8_t bytes[NOTES_MAX];
	size_t size = notes->p_memsz < NOTES_MAX ? notes->p_memsz : NOTES_MAX;
	Elf64_Nhdr note;

	if (m->build_id_size ||
	    remote_read(&im->there, m->bias + notes->p_vaddr, bytes, size) < 0)
		return;
	for (size_t at = 0; size - at >= sizeof(note);) {
		size_t name, text;

		memcpy(&note, bytes + at, sizeof(note));
		name = at + sizeof(note);
		text = name + ((note.n_namesz + 3UL) & ~3UL);
		if (text > size || note.n_descsz > size - text)
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    note.n_descsz <= sizeof(m->build_id) &&
		    !memcmp(bytes + name, "GNU", 4)) {
			memcpy(m->build_id, bytes + text, note.n_descsz);
			m->build_id_size = note.n_descsz;
			return;
		}
		at = text + ((note.n_descsz + 3UL) & ~3UL);
		if (at > size)
			return;
	}
}

static void read_headers(const struct images *im, struct image_map *m,
			 const Elf64_Phdr *headers, size_t count, uint64_t head)
{
	for (size_t i = 0; i < count; i++)
		if (headers[i].p_type == PT_LOAD &&
		    headers[i].p_offset < PAGE) {
			m->bias = head -
				  (headers[i].p_vaddr - headers[i].p_offset);
			m->is_elf = true;
			break;
		}
	for (size_t i = 0; i < count && m->is_elf; i++) {
		if (headers[i].p_type == PT_NOTE)
			read_build_id(im, m, &headers[i]);
		if (headers[i].p_type == PT_DYNAMIC)
			m->dynamic = m->bias + headers[i].p_vaddr;
		if (headers[i].p_type != PT_GNU_EH_FRAME)
			continue;
		m->eh_frame_hdr = m->bias + headers[i].p_vaddr;
		m->eh_frame_hdr_size = headers[i].p_memsz;
	}
}

char *images_file(const struct images *im, const char *path, char *out,
		  size_t size)
{
	snprintf(out, size, "%s%s", im->root, path);
	if (access(out, R_OK) < 0)
		snprintf(out, size, "%s", path);
	return out;
}

static bool read_at(int fd, uint64_t at, void *to, size_t size)
{
	return pread(fd, to, size, (off_t)at) == (ssize_t)size;
}

/* A static program often has .eh_frame and no header for it: its linker left
 * that to the program's own start-up code.  The file's sections tell. */
static void find_eh_frame(struct image_map *m, int fd, const Elf64_Ehdr *elf)
{
	Elf64_Shdr sections[SECTIONS_MAX], names;
	char name[sizeof(".eh_frame")];

	if (elf->e_shentsize != sizeof(names) || elf->e_shnum > SECTIONS_MAX ||
	    elf->e_shstrndx >= elf->e_shnum ||
	    !read_at(fd, elf->e_shoff, sections, elf->e_shnum * sizeof(names)))
		return;
	names = sections[elf->e_shstrndx];
	for (unsigned i = 0; i < elf->e_shnum; i++) {
		if (!read_at(fd, names.sh_offset + sections[i].sh_name, name,
			     sizeof(name)) ||
		    memcmp(name, ".eh_frame", sizeof(name)) != 0)
			continue;
		m->eh_frame = m->bias + sections[i].sh_addr;
		m->eh_frame_size = sections[i].sh_size;
		return;
	}
}

static void read_sections(const struct images *im, struct image_map *m,
			  const Elf64_Ehdr *mapped)
{
	char path[4200];
	Elf64_Ehdr elf;
	int fd = open(images_file(im, m->path, path, sizeof(path)),
		      O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (read_at(fd, 0, &elf, sizeof(elf)) &&
	    memcmp(&elf, mapped, sizeof(elf)) == 0) /* it is still that file */
		find_eh_frame(m, fd, &elf);
	close(fd);
}

static void read_image(const struct images *im, size_t i)
{
	struct entry *e = &im->entries.at[i];
	const struct entry *head = head_of(im, i);
	Elf64_Phdr headers[HEADERS_MAX];
	Elf64_Ehdr elf;

	e->read = true;
	e->map.start = e->start;
	e->map.end = e->end;
	e->map.path = intern_text(im->paths, e->path);
	if (!head ||
	    remote_read(&im->there, head->start, &elf, sizeof(elf)) < 0 ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
	    elf.e_ident[EI_CLASS] != ELFCLASS64 ||
	    elf.e_phentsize != sizeof(headers[0]) ||
	    elf.e_phnum > HEADERS_MAX ||
	    remote_read(&im->there, head->start + elf.e_phoff, headers,
			elf.e_phnum * sizeof(headers[0])) < 0)
		return;
	read_headers(im, &e->map, headers, elf.e_phnum, head->start);
	if (e->map.is_elf && !e->map.eh_frame_hdr && e->map.path[0] == '/')
		read_sections(im, &e->map, &elf);
	if (elf.e_entry && e->map.is_elf)
		e->map.entry = e->map.bias + elf.e_entry;
}

const struct image_map *images_find(struct images *im, uint64_t addr)
{
	size_t low = 0, high = im->entries.count;

	while (low < high) { /* the first that ends past it */
		size_t middle = low + (high - low) / 2;

		if (im->entries.at[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == im->entries.count || addr < im->entries.at[low].start ||
	    !im->entries.at[low].executable)
		return NULL;
	if (!im->entries.at[low].read)
		read_image(im, low);
	return &im->entries.at[low].map;
}

const struct image_map *images_next(struct images *im, size_t *pos)
{
	while (*pos < im->entries.count) {
		size_t i = (*pos)++;

		if (!im->entries.at[i].executable)
			continue;
		if (!im->entries.at[i].read)
			read_image(im, i);
		return &im->entries.at[i].map;
	}
	return NULL;
}

uint64_t images_export(const struct images *im, const struct image_map *m,
		       const char *name)
{
	return m->dynamic ? exports_find(&im->there, m->bias, m->dynamic, name)
			  : 0;
}
