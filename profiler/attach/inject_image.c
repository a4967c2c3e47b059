#include "profiler/attach/inject_image.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "profiler/attach/inject.h"
#include "profiler/attach/module.h"
#include "profiler/base/err.h"
#include "profiler/wire/late.h"

static const uint8_t *segment(const struct buf *image, uint64_t at, size_t size,
			      size_t *offset)
{
	const Elf64_Ehdr *eh = (const void *)image->bytes;
	const Elf64_Phdr *p = (const void *)(image->bytes + eh->e_phoff);

	for (int i = 0; i < eh->e_phnum; i++, p++) {
		if (p->p_type != PT_LOAD || at < p->p_vaddr ||
		    at + size > p->p_vaddr + p->p_filesz)
			continue;
		*offset = at - p->p_vaddr + p->p_offset;
		return (const uint8_t *)image->bytes + *offset;
	}
	return NULL;
}

static bool is_elf(const struct buf *image)
{
	const Elf64_Ehdr *eh = (const void *)image->bytes;

	return image->len > sizeof(*eh) &&
	       memcmp(eh->e_ident, ELFMAG, SELFMAG) == 0 &&
	       eh->e_phoff + eh->e_phnum * sizeof(Elf64_Phdr) <= image->len;
}

#define MOST_SEGMENTS 16

/* The file, laid out as it would be in memory; @ranges is the layout. */
static bool lay_out(const struct buf *image, struct remote_range *ranges,
		    struct module *m)
{
	const Elf64_Ehdr *eh = (const void *)image->bytes;
	const Elf64_Phdr *p = (const void *)(image->bytes + eh->e_phoff);
	struct remote memory;
	size_t count = 0;

	for (int i = 0; i < eh->e_phnum && count < MOST_SEGMENTS; i++, p++)
		if (p->p_type == PT_LOAD &&
		    p->p_offset + p->p_filesz <= image->len)
			ranges[count++] = (struct remote_range) {
				p->p_vaddr,
				image->bytes + p->p_offset,
				p->p_filesz,
			};
	memory = remote_fake(ranges, count);
	return module_read(m, &memory, 0);
}

static uint64_t symbol_of(const struct buf *image, const char *name)
{
	struct remote_range ranges[MOST_SEGMENTS];
	struct module m;

	return lay_out(image, ranges, &m) ? module_symbol(&m, name) : 0;
}

size_t inject_image_build_id(const struct buf *image,
			     uint8_t id[MODULE_BUILD_ID_MAX])
{
	struct remote_range ranges[MOST_SEGMENTS];
	struct module m;

	if (!lay_out(image, ranges, &m))
		return 0;
	memcpy(id, m.build_id, MODULE_BUILD_ID_MAX);
	return m.build_id_size;
}

struct static_tls_need inject_image_tls(const struct buf *image)
{
	const Elf64_Ehdr *eh = (const void *)image->bytes;
	const Elf64_Phdr *p = (const void *)(image->bytes + eh->e_phoff);

	for (int i = 0; i < eh->e_phnum; i++, p++)
		if (p->p_type == PT_TLS)
			return (struct static_tls_need) {
				.size = p->p_memsz,
				.align = p->p_align,
				.address = p->p_vaddr,
			};
	return (struct static_tls_need) { 0 };
}

int inject_image(struct buf *image, const char *path, struct err *err)
{
	const uint32_t one = 1;
	uint64_t at;
	size_t offset;
	int rc = buf_read_file(image, path, err);

	if (rc < 0)
		return rc;
	at = is_elf(image) ? symbol_of(image, LATE_IMAGE) : 0;
	if (!at || !segment(image, at, sizeof(one), &offset) ||
	    !symbol_of(image, LATE_SYMBOL))
		return err_set(err, -ENOEXEC,
			       "%s is not a recorder that can be sent into a "
			       "process; install strandline anew",
			       path);
	memcpy(image->bytes + offset, &one, sizeof(one));
	return 0;
}

uint64_t inject_image_entry(const struct buf *image)
{
	return symbol_of(image, LATE_SYMBOL);
}
