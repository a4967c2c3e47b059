#include "preload/got.h"

#include <elf.h>
#include <link.h>

#include "preload/internal.h"
#include "preload/maps.h"
#include "preload/real.h"
#include "preload/sys.h"
#include "profiler/alloc/names.h"

#define MAX_HOOKS    192
#define BUCKETS	     256 /* of hooks by the hash of their name */
#define MAX_SLOTS    (64u << 10)
#define MAX_MODULES  2048
#define MAX_SEGMENTS 16
#define PAGE	     4096ULL
/* One that is still being relocated is looked at again. */
#define LOOKS 2

struct hook {
	const char *name;
	uint64_t ours, real; /* real 0: nobody has defined it yet */
	uint16_t next;	     /* in its bucket, + 1 */
};

struct slot {
	uint64_t at;
	uint64_t before;
	uint64_t ours;
};

struct seen {
	uint64_t start, inode;
	uint32_t looks;
};

static struct {
	struct hook hooks[MAX_HOOKS];
	uint16_t buckets[BUCKETS];
	uint16_t nhooks;
	struct slot *slots;
	uint32_t nslots;
	struct seen seen[MAX_MODULES];
	uint32_t nseen;
	uint64_t loader; /* where ld.so begins */
	uint32_t busy;
	const void *modules; /* shim.modules at the last look */
} got;

/* A module as its mappings say, then as its own headers do. */
struct module {
	uint64_t start, inode, bias;
	uint64_t symbols, strings, strings_size;
	uint64_t tables[2], sizes[2]; /* DT_JMPREL, DT_RELA */
	struct segment {
		uint64_t start, end;
		bool writable, executable;
	} segments[MAX_SEGMENTS];
	unsigned nsegments;
	struct {
		uint8_t *bytes; /* our copies: symbols, strings */
		size_t size;
	} copy;
};

static unsigned hash_of(const char *name)
{
	uint32_t hash = 5381;

	while (*name)
		hash = hash * 33 + (uint8_t)*name++;
	return (hash ^ hash >> 8) % BUCKETS;
}

static struct hook *find_hook(const char *name)
{
	for (uint16_t i = got.buckets[hash_of(name)]; i;
	     i = got.hooks[i - 1].next)
		if (names_equal(got.hooks[i - 1].name, name))
			return &got.hooks[i - 1];
	return NULL;
}

/*
 * What the program defines itself its own code calls directly: libraries'
 * calls alone would be half of the story, releases without allocations.
 */
static uint64_t find_real(const char *name)
{
	const struct link_map *program = real_objects();

	if (program && real_export(program, name))
		return 0;
	return (uint64_t)real_symbol(name);
}

static void add_hook(const char *name, uint64_t ours)
{
	unsigned bucket = hash_of(name);
	struct hook *h;

	if (got.nhooks == MAX_HOOKS)
		return;
	h = &got.hooks[got.nhooks++];
	*h = (struct hook) {
		.name = name,
		.ours = ours,
		.real = find_real(name),
		.next = got.buckets[bucket],
	};
	got.buckets[bucket] = got.nhooks;
}

void got_lead(const char *name, const void *to)
{
	if (!find_hook(name))
		add_hook(name, (uint64_t)to);
}

/* Every function that we export is a hook for its name. */
static void add_exports(void)
{
	const ElfW(Sym) *symbols = NULL;
	const char *strings = NULL;
	const uint32_t *table = NULL, *buckets, *chain;
	const uint64_t *bloom;
	uint64_t bias = 0;

	for (const struct link_map *m = real_objects(); m; m = m->l_next)
		if (real_is_ours(m))
			bias = m->l_addr;
	for (const ElfW(Dyn) *d = _DYNAMIC; d->d_tag != DT_NULL; d++) {
		uint64_t at = d->d_un.d_ptr;

		at += at < bias ? bias : 0;
		if (d->d_tag == DT_SYMTAB)
			symbols = (const void *)at;
		else if (d->d_tag == DT_STRTAB)
			strings = (const void *)at;
		else if (d->d_tag == DT_GNU_HASH)
			table = (const void *)at;
	}
	if (!symbols || !strings || !table)
		return;
	bloom = (const uint64_t *)(table + 4);
	buckets = (const uint32_t *)(bloom + table[2]);
	chain = buckets + table[0];
	for (uint32_t b = 0; b < table[0]; b++) {
		uint32_t i = buckets[b];

		for (; i >= table[1] && i; i++) {
			if (ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC)
				got_lead(strings + symbols[i].st_name,
					 (void *)(bias + symbols[i].st_value));
			if (chain[i - table[1]] & 1)
				break;
		}
	}
}

/* AT_BASE, as the kernel told the loader. */
static uint64_t loader_base(void)
{
	ElfW(auxv_t) pair;
	uint64_t base = 0;
	int fd = sys_open("/proc/self/auxv", O_RDONLY | O_CLOEXEC, 0);

	while (fd >= 0 && sys_read(fd, &pair, sizeof(pair)) == sizeof(pair) &&
	       pair.a_type != AT_NULL)
		if (pair.a_type == AT_BASE)
			base = pair.a_un.a_val;
	if (fd >= 0)
		sys_close(fd);
	return base;
}

void got_start(void)
{
	if (got.nhooks)
		return;
	got.loader = loader_base();
	add_exports();
}

static bool read_dynamic(struct module *m, uint64_t at, uint64_t size)
{
	ElfW(Dyn) d[128];
	bool rela = true;

	if (size > sizeof(d))
		size = sizeof(d);
	if (sys_peek(d, at, size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(d[0]); i++) {
		uint64_t value = d[i].d_un.d_ptr;
		/* The loader has relocated these in place, as a rule. */
		uint64_t addr = value < m->bias ? value + m->bias : value;

		switch (d[i].d_tag) {
		case DT_NULL:
			size = 0;
			break;
		case DT_SYMTAB:
			m->symbols = addr;
			break;
		case DT_STRTAB:
			m->strings = addr;
			break;
		case DT_STRSZ:
			m->strings_size = value;
			break;
		case DT_JMPREL:
			m->tables[0] = addr;
			break;
		case DT_PLTRELSZ:
			m->sizes[0] = value;
			break;
		case DT_RELA:
			m->tables[1] = addr;
			break;
		case DT_RELASZ:
			m->sizes[1] = value;
			break;
		case DT_PLTREL:
			rela = value == DT_RELA;
			break;
		}
	}
	return rela && m->symbols && m->strings && m->strings_size;
}

static bool read_module(struct module *m)
{
	Elf64_Phdr headers[64];
	uint64_t first = UINT64_MAX;
	Elf64_Ehdr eh;

	if (sys_peek(&eh, m->start, sizeof(eh)) < 0 ||
	    *(uint32_t *)eh.e_ident != 0x464c457f ||
	    eh.e_machine != EM_X86_64 || eh.e_phentsize != sizeof(Elf64_Phdr) ||
	    eh.e_phnum > 64 ||
	    sys_peek(headers, m->start + eh.e_phoff,
		     eh.e_phnum * sizeof(Elf64_Phdr)) < 0)
		return false;
	for (int i = 0; i < eh.e_phnum; i++)
		if (headers[i].p_type == PT_LOAD && headers[i].p_vaddr < first)
			first = headers[i].p_vaddr & ~(PAGE - 1);
	m->bias = m->start - first;
	for (int i = 0; i < eh.e_phnum; i++)
		if (headers[i].p_type == PT_DYNAMIC)
			return read_dynamic(m, m->bias + headers[i].p_vaddr,
					    headers[i].p_memsz);
	return false;
}

static const struct segment *segment_of(const struct module *m, uint64_t addr)
{
	for (unsigned i = 0; i < m->nsegments; i++)
		if (addr >= m->segments[i].start && addr < m->segments[i].end)
			return &m->segments[i];
	return NULL;
}

/* What @h's name leads to here; or the module's own stub, not yet bound. */
static bool is_ours_to_change(const struct module *m, const struct hook *h,
			      unsigned type, uint64_t value)
{
	const struct segment *s;

	if (h->real && value == h->real)
		return true;
	if (!h->real || type != R_X86_64_JUMP_SLOT)
		return false;
	s = segment_of(m, value);
	return s && s->executable;
}

static bool protect(uint64_t at, int prot)
{
	return sys3(SYS_mprotect, (long)(at & ~(PAGE - 1)), PAGE, prot) == 0;
}

/* @read_only: of its page. */
static bool store(uint64_t at, uint64_t value, bool read_only)
{
	if (read_only && !protect(at, PROT_READ | PROT_WRITE))
		return false;
	__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
	if (read_only)
		protect(at, PROT_READ);
	return true;
}

static void change(const struct module *m, const struct hook *h,
		   const ElfW(Rela) * r, struct got_counts *counts)
{
	uint64_t at = m->bias + r->r_offset, value;
	const struct segment *s = segment_of(m, at);
	struct slot *slot;

	if (!s || s->executable || at % 8 || got.nslots == MAX_SLOTS ||
	    sys_peek(&value, at, sizeof(value)) < 0 ||
	    !is_ours_to_change(m, h, (unsigned)ELF64_R_TYPE(r->r_info), value))
		return;
	slot = &got.slots[got.nslots];
	*slot = (struct slot) { at, value, h->ours };
	if (!store(at, h->ours, !s->writable)) {
		counts->refused++;
		return;
	}
	got.nslots++;
	counts->slots++;
}

/* Symbols and strings, copied at once: a look at each would cost a call. */
static bool copy_names(struct module *m, uint64_t highest)
{
	size_t symbols = (highest + 1) * sizeof(ElfW(Sym));

	m->copy.size = symbols + m->strings_size + 1;
	if (m->strings_size > 64u << 20 || highest > 16u << 20)
		return false;
	m->copy.bytes = sys_mmap(m->copy.size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!m->copy.bytes)
		return false;
	if (sys_peek(m->copy.bytes, m->symbols, symbols) == 0 &&
	    sys_peek(m->copy.bytes + symbols, m->strings, m->strings_size) == 0)
		return true;
	sys_munmap(m->copy.bytes, m->copy.size);
	return false;
}

static bool may_bind(const ElfW(Rela) * r)
{
	switch (ELF64_R_TYPE(r->r_info)) {
	case R_X86_64_JUMP_SLOT:
	case R_X86_64_GLOB_DAT:
		return true;
	case R_X86_64_64:
		return r->r_addend == 0;
	default:
		return false;
	}
}

/* Call @each with the relocations that bind a name to a word. */
static void each_binding(struct module *m, struct got_counts *counts,
			 uint64_t *highest)
{
	ElfW(Rela) some[128];

	for (int t = 0; t < 2; t++) {
		uint64_t left = m->sizes[t] / sizeof(some[0]);
		uint64_t at = m->tables[t];

		while (left) {
			uint64_t n = left < 128 ? left : 128;

			if (sys_peek(some, at, n * sizeof(some[0])) < 0)
				break;
			for (uint64_t i = 0; i < n; i++) {
				uint64_t index = ELF64_R_SYM(some[i].r_info);
				const ElfW(Sym) *s = (void *)m->copy.bytes;
				const struct hook *h;

				if (!may_bind(&some[i]) || !index)
					continue;
				if (highest) {
					if (index > *highest)
						*highest = index;
					continue;
				}
				s += index;
				if (s->st_name >= m->strings_size)
					continue;
				h = find_hook((char *)m->copy.bytes +
					      m->copy.size - 1 -
					      m->strings_size + s->st_name);
				if (h)
					change(m, h, &some[i], counts);
			}
			left -= n;
			at += n * sizeof(some[0]);
		}
	}
}

static void patch_module(struct module *m, struct got_counts *counts)
{
	uint64_t highest = 0;

	if (!read_module(m))
		return;
	each_binding(m, counts, &highest);
	if (!highest || !copy_names(m, highest))
		return;
	each_binding(m, counts, NULL);
	sys_munmap(m->copy.bytes, m->copy.size);
}

static bool is_due(const struct module *m)
{
	uint64_t here = (uint64_t)&got_patch;
	struct seen *s = got.seen;
	uint32_t magic;

	if (!m->nsegments || m->start == got.loader ||
	    (here >= m->segments[0].start &&
	     here < m->segments[m->nsegments - 1].end) ||
	    sys_peek(&magic, m->start, sizeof(magic)) < 0 ||
	    magic != 0x464c457f)
		return false;
	while (s < got.seen + got.nseen &&
	       (s->start != m->start || s->inode != m->inode))
		s++;
	if (s == got.seen + MAX_MODULES)
		return false;
	if (s == got.seen + got.nseen) {
		*s = (struct seen) { m->start, m->inode, 0 };
		got.nseen++;
	}
	return s->looks < LOOKS && ++s->looks;
}

static void add_segment(struct module *m, const struct maps_line *line)
{
	if (m->nsegments < MAX_SEGMENTS)
		m->segments[m->nsegments++] = (struct segment) {
			line->start,
			line->end,
			line->writable,
			line->executable,
		};
}

/* A name that nobody defined may be defined by what was loaded since. */
static void look_up_again(void)
{
	for (uint16_t i = 0; i < got.nhooks; i++)
		if (!got.hooks[i].real)
			got.hooks[i].real = find_real(got.hooks[i].name);
}

/* The mappings of a module follow each other; the first holds its headers. */
static void patch_all(struct got_counts *counts)
{
	struct module m = { 0 };
	struct maps_line line;
	struct maps_text text;
	size_t at = 0;

	if (!maps_read(&text))
		return;
	while (maps_next(&text, &at, &line)) {
		if (!line.inode)
			continue;
		if (line.inode != m.inode || line.offset == 0) {
			if (is_due(&m))
				patch_module(&m, counts);
			m = (struct module) {
				.start = line.offset ? 0 : line.start,
				.inode = line.inode,
			};
		}
		if (m.start)
			add_segment(&m, &line);
	}
	if (is_due(&m))
		patch_module(&m, counts);
	maps_free(&text);
}

void got_patch(struct got_counts *counts)
{
	*counts = (struct got_counts) { 0 };
	if (__atomic_exchange_n(&got.busy, 1, __ATOMIC_ACQUIRE))
		return;
	if (!got.slots)
		got.slots = shim_memory(MAX_SLOTS * sizeof(struct slot));
	got.modules = __atomic_load_n(&shim.modules, __ATOMIC_ACQUIRE);
	if (got.slots) {
		look_up_again();
		patch_all(counts);
	}
	__atomic_store_n(&got.busy, 0, __ATOMIC_RELEASE);
}

bool got_stale(void)
{
	return got.nslots &&
	       got.modules != __atomic_load_n(&shim.modules, __ATOMIC_RELAXED);
}

static void restore_in(const struct maps_line *line)
{
	for (uint32_t i = 0; i < got.nslots; i++) {
		const struct slot *s = &got.slots[i];
		uint64_t value;

		if (s->at < line->start || s->at >= line->end ||
		    sys_peek(&value, s->at, sizeof(value)) < 0 ||
		    value != s->ours)
			continue;
		store(s->at, s->before, !line->writable);
	}
}

void got_restore(void)
{
	struct maps_line line;
	struct maps_text text;
	size_t at = 0;

	while (__atomic_exchange_n(&got.busy, 1, __ATOMIC_ACQUIRE))
		sys3(SYS_sched_yield, 0, 0, 0);
	if (got.nslots && maps_read(&text)) {
		while (maps_next(&text, &at, &line))
			restore_in(&line);
		maps_free(&text);
	}
	got.nslots = 0;
	got.nseen = 0;
	__atomic_store_n(&got.busy, 0, __ATOMIC_RELEASE);
}

void got_fork_child(void)
{
	__atomic_store_n(&got.busy, 0, __ATOMIC_RELEASE);
}
