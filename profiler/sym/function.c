/*
 * function: see function.h.
 */
#include "profiler/sym/function.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/sym/demangle.h"

struct file {
	const char *path;
	int fd;
	Elf *elf;
};

static int open_file(struct file *f, const char *path, struct err *err)
{
	*f = (struct file) { .path = path };
	elf_version(EV_CURRENT);
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0)
		return err_errno(err, "cannot open %s", path);
	f->elf = elf_begin(f->fd, ELF_C_READ, NULL);
	if (f->elf && elf_kind(f->elf) == ELF_K_ELF)
		return 0;
	elf_end(f->elf);
	close(f->fd);
	return err_set(err, -EBADMSG, "%s is no ELF file", path);
}

static void close_file(struct file *f)
{
	elf_end(f->elf);
	close(f->fd);
}

/* The segment that holds @vaddr; false: none that is in the file. */
static bool segment_of(const struct file *f, uint64_t vaddr, GElf_Phdr *phdr)
{
	size_t count = 0;

	if (elf_getphdrnum(f->elf, &count) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(f->elf, (int)i, phdr) &&
		    phdr->p_type == PT_LOAD && phdr->p_flags & PF_X &&
		    vaddr >= phdr->p_vaddr &&
		    vaddr - phdr->p_vaddr < phdr->p_filesz)
			return true;
	return false;
}

/* Place and code of what lies at out->vaddr. */
static int fill(const struct file *f, struct function *out)
{
	GElf_Phdr phdr;
	uint64_t room;
	ssize_t got;

	if (!segment_of(f, out->vaddr, &phdr))
		return -ENOENT;
	out->offset = out->vaddr - phdr.p_vaddr + phdr.p_offset;
	room = phdr.p_vaddr + phdr.p_filesz - out->vaddr;
	if (out->size && out->size < room)
		room = out->size;
	if (room > FUNCTION_CODE_MAX)
		room = FUNCTION_CODE_MAX;
	out->code = malloc(room);
	if (!out->code)
		return -ENOMEM;
	got = pread(f->fd, out->code, room, (off_t)out->offset);
	out->code_size = got > 0 ? (size_t)got : 0;
	return 0;
}

/* "ns::f(int)" is called "ns::f", too; "f" is not "ns::f". */
static bool is_called(const char *readable, const char *name)
{
	size_t len = strlen(name);

	return strncmp(readable, name, len) == 0 &&
	       (!readable[len] || readable[len] == '(');
}

struct search {
	const char *name;
	struct buf readable;
	struct function *out;
	size_t count, max;
};

static bool is_known(const struct search *s, uint64_t vaddr)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->out[i].vaddr == vaddr)
			return true;
	return false;
}

static int look_at(const struct file *f, void *context, const GElf_Sym *symbol,
		   const char *linkage)
{
	struct search *s = context;
	struct function *to = &s->out[s->count];
	size_t plain = strcspn(linkage, "@");
	bool mangled;
	int rc;

	if (s->count == s->max || is_known(s, symbol->st_value))
		return 0;
	mangled = linkage[0] == '_' && (linkage[1] == 'Z' || linkage[1] == 'R');
	buf_clear(&s->readable);
	if (mangled)
		demangle(&s->readable, linkage);
	else
		buf_write(&s->readable, linkage, plain);
	if (buf_status(&s->readable) < 0)
		return -ENOMEM;
	if (strcmp(linkage, s->name) != 0 &&
	    !is_called(s->readable.bytes, s->name))
		return 0;
	*to = (struct function) {
		.name = strdup(s->readable.bytes),
		.mangled = mangled,
		.vaddr = symbol->st_value,
		.size = symbol->st_size,
	};
	rc = to->name ? fill(f, to) : -ENOMEM;
	if (rc < 0)
		function_fini(to);
	else
		s->count++;
	return rc == -ENOENT ? 0 : rc;
}

/* Of a function that is defined here; < 0 ends the walk. */
typedef int visit_symbol(const struct file *f, void *context,
			 const GElf_Sym *symbol, const char *linkage);

static int look_through(const struct file *f, Elf_Scn *scn,
			const GElf_Shdr *shdr, visit_symbol *visit,
			void *context)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t count = shdr->sh_entsize ? shdr->sh_size / shdr->sh_entsize : 0;
	GElf_Sym symbol;
	int rc = 0;

	for (size_t i = 0; data && i < count && rc == 0; i++) {
		const char *linkage;

		if (!gelf_getsym(data, (int)i, &symbol))
			break;
		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC ||
		    symbol.st_shndx == SHN_UNDEF)
			continue;
		linkage = elf_strptr(f->elf, shdr->sh_link, symbol.st_name);
		if (linkage && linkage[0])
			rc = visit(f, context, &symbol, linkage);
	}
	return rc;
}

static int each_symbol(const struct file *f, visit_symbol *visit, void *context)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;
	int rc = 0;

	while (rc == 0 && (scn = elf_nextscn(f->elf, scn)))
		if (gelf_getshdr(scn, &shdr) &&
		    (shdr.sh_type == SHT_SYMTAB || shdr.sh_type == SHT_DYNSYM))
			rc = look_through(f, scn, &shdr, visit, context);
	return rc;
}

int function_find(const char *file, const char *name, struct function *out,
		  size_t max, struct err *err)
{
	struct search s = { .name = name, .out = out, .max = max };
	struct file f;
	int rc = open_file(&f, file, err);

	if (rc < 0)
		return rc;
	rc = each_symbol(&f, look_at, &s);
	buf_free(&s.readable);
	close_file(&f);
	if (rc == 0)
		return (int)s.count;
	while (s.count)
		function_fini(&out[--s.count]);
	return err_set(err, rc, "out of memory looking for %s", name);
}

struct each {
	void (*visit)(void *context, const char *linkage, uint64_t vaddr,
		      uint64_t size);
	void *context;
};

static int pass_on(const struct file *f, void *context, const GElf_Sym *symbol,
		   const char *linkage)
{
	const struct each *each = context;

	(void)f;
	each->visit(each->context, linkage, symbol->st_value, symbol->st_size);
	return 0;
}

int function_each(const char *file,
		  void (*visit)(void *context, const char *linkage,
				uint64_t vaddr, uint64_t size),
		  void *context, struct err *err)
{
	struct each each = { visit, context };
	struct file f;
	int rc = open_file(&f, file, err);

	if (rc < 0)
		return rc;
	rc = each_symbol(&f, pass_on, &each);
	close_file(&f);
	return rc;
}

int function_at(const char *file, uint64_t vaddr, struct function *out,
		struct err *err)
{
	struct file f;
	int rc = open_file(&f, file, err);

	*out = (struct function) { .vaddr = vaddr };
	if (rc < 0)
		return rc;
	rc = fill(&f, out);
	close_file(&f);
	return rc < 0 ? err_set(err, rc, "%s has no code at 0x%llx", file,
				(unsigned long long)vaddr)
		      : 0;
}

void function_fini(struct function *f)
{
	free(f->name);
	free(f->code);
	f->name = NULL;
	f->code = NULL;
}
