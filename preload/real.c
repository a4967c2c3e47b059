/*
 * real: the definition that would have been used had we not been loaded.
 *
 * Own lookup over the loader's list of objects instead of dlsym(RTLD_NEXT):
 * dlsym allocates, takes the loader's lock and needs a newer symbol version
 * on newer libcs; we are called before libc is ready and from inside malloc.
 * Only the objects that were there at start are searched, so nothing can be
 * unloaded under our feet.
 */
#include <elf.h>
#include <link.h>

#include "preload/internal.h"
#include "preload/real.h"
#include "preload/sys.h"

/*
 * glibc's loader has it.  Weak, since programs of another libc (musl) may
 * inherit LD_PRELOAD, and must run as without us.
 */
extern struct r_debug _r_debug __attribute__((weak));
static const struct link_map *foreign; /* the objects where it is missing */

struct object {
	const ElfW(Sym) * symbols;
	const char *strings;
	const uint32_t *gnu_hash;
	const uint32_t *sysv_hash;
	const uint16_t *versions;
	uint64_t bias;
};

/* glibc relocates these pointers in place; other loaders may not. */
static uint64_t relocated(const struct link_map *map, uint64_t pointer)
{
	return pointer < map->l_addr ? pointer + map->l_addr : pointer;
}

static bool object_read(const struct link_map *map, struct object *o)
{
	*o = (struct object) { .bias = map->l_addr };
	if (!map->l_ld)
		return false;
	for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
		uint64_t at = relocated(map, d->d_un.d_ptr);

		if (d->d_tag == DT_SYMTAB)
			o->symbols = (const void *)at;
		else if (d->d_tag == DT_STRTAB)
			o->strings = (const void *)at;
		else if (d->d_tag == DT_GNU_HASH)
			o->gnu_hash = (const void *)at;
		else if (d->d_tag == DT_HASH)
			o->sysv_hash = (const void *)at;
		else if (d->d_tag == DT_VERSYM)
			o->versions = (const void *)at;
	}
	return o->symbols && o->strings && (o->gnu_hash || o->sysv_hash);
}

static bool text_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* A default-version definition of a function (bit 15 marks hidden ones). */
static void *object_try(const struct object *o, uint32_t index,
			const char *name)
{
	const ElfW(Sym) *s = &o->symbols[index];
	unsigned type = ELF64_ST_TYPE(s->st_info);

	if (s->st_shndx == SHN_UNDEF || !s->st_value ||
	    (type != STT_FUNC && type != STT_NOTYPE && type != STT_OBJECT))
		return NULL;
	if (o->versions && (o->versions[index] & 0x8000))
		return NULL;
	if (!text_equal(o->strings + s->st_name, name))
		return NULL;
	return (void *)(o->bias + s->st_value);
}

static void *find_by_gnu_hash(const struct object *o, const char *name)
{
	const uint32_t *table = o->gnu_hash;
	uint32_t nbuckets = table[0], first = table[1], nbloom = table[2];
	const uint64_t *bloom = (const uint64_t *)(table + 4);
	const uint32_t *buckets = (const uint32_t *)(bloom + nbloom);
	const uint32_t *chain = buckets + nbuckets;
	uint32_t hash = 5381;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (uint8_t)*c;
	if (!nbuckets)
		return NULL;
	for (uint32_t i = buckets[hash % nbuckets]; i >= first && i; i++) {
		uint32_t h = chain[i - first];
		void *found;

		if ((h | 1) == (hash | 1)) {
			found = object_try(o, i, name);
			if (found)
				return found;
		}
		if (h & 1)
			break;
	}
	return NULL;
}

static void *find_by_sysv_hash(const struct object *o, const char *name)
{
	uint32_t nbuckets = o->sysv_hash[0], nchains = o->sysv_hash[1];
	const uint32_t *buckets = o->sysv_hash + 2;
	const uint32_t *chain = buckets + nbuckets;
	uint32_t hash = 0;

	for (const char *c = name; *c; c++) {
		uint32_t high;

		hash = (hash << 4) + (uint8_t)*c;
		high = hash & 0xf0000000u;
		hash = (hash ^ (high >> 24)) & ~high;
	}
	if (!nbuckets)
		return NULL;
	for (uint32_t i = buckets[hash % nbuckets]; i && i < nchains;
	     i = chain[i]) {
		void *found = object_try(o, i, name);

		if (found)
			return found;
	}
	return NULL;
}

static void *object_find(const struct link_map *map, const char *name)
{
	struct object o;

	if (!object_read(map, &o))
		return NULL;
	return o.gnu_hash ? find_by_gnu_hash(&o, name)
			  : find_by_sysv_hash(&o, name);
}

const struct link_map *real_objects(void)
{
	return &_r_debug ? _r_debug.r_map : foreign;
}

bool real_objects_rest(void)
{
	return !&_r_debug || _r_debug.r_state == RT_CONSISTENT;
}

bool real_libc_is_foreign(void)
{
	return !&_r_debug;
}

/* The program's headers, from what the kernel told its loader. */
static const ElfW(Phdr) * program_headers(uint64_t *count)
{
	ElfW(auxv_t) pair;
	uint64_t at = 0;
	int fd = sys_open("/proc/self/auxv", O_RDONLY | O_CLOEXEC, 0);

	while (fd >= 0 && sys_read(fd, &pair, sizeof(pair)) == sizeof(pair) &&
	       pair.a_type != AT_NULL) {
		if (pair.a_type == AT_PHDR)
			at = pair.a_un.a_val;
		else if (pair.a_type == AT_PHNUM)
			*count = pair.a_un.a_val;
	}
	if (fd >= 0)
		sys_close(fd);
	return (const void *)at;
}

/* What a debugger would follow: every loader sets DT_DEBUG. */
static const struct link_map *find_foreign(void)
{
	uint64_t count = 0, bias = 0;
	const ElfW(Phdr) *headers = program_headers(&count);
	const ElfW(Dyn) *dynamic = NULL;

	for (uint64_t i = 0; headers && i < count; i++) {
		if (headers[i].p_type == PT_PHDR)
			bias = (uint64_t)headers - headers[i].p_vaddr;
		else if (headers[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(bias + headers[i].p_vaddr);
	}
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++)
		if (dynamic->d_tag == DT_DEBUG && dynamic->d_un.d_ptr)
			return ((const struct r_debug *)dynamic->d_un.d_ptr)
				->r_map;
	return NULL;
}

static bool is_ours(const struct link_map *map)
{
	return map->l_ld == _DYNAMIC;
}

void *real_symbol(const char *name)
{
	bool past_us = shim.late; /* nobody's search comes to us then */

	for (const struct link_map *m = real_objects(); m; m = m->l_next) {
		void *found;

		if (!past_us || is_ours(m)) {
			past_us |= is_ours(m);
			continue;
		}
		found = object_find(m, name);
		if (found)
			return found;
	}
	return NULL;
}

bool real_is_ours(const struct link_map *object)
{
	return is_ours(object);
}

void *real_export(const struct link_map *object, const char *name)
{
	return object_find(object, name);
}

/* The definition that callers use instead of ours; NULL: they use ours. */
static void *symbol_before_us(const char *name)
{
	for (const struct link_map *m = real_objects();
	     m && !is_ours(m) && !shim.late; m = m->l_next) {
		void *found = object_find(m, name);

		if (found)
			return found;
	}
	return NULL;
}

/* The object whose image @code lies in: the last that begins below it. */
static const struct link_map *object_around(const void *code)
{
	const struct link_map *best = NULL;

	for (const struct link_map *m = real_objects(); m; m = m->l_next)
		if (m->l_addr && (uint64_t)code >= m->l_addr &&
		    (!best || m->l_addr > best->l_addr))
			best = m;
	return best;
}

void *real_symbol_in(const char *name, const void *peer)
{
	const struct link_map *m = object_around(peer);

	return m ? object_find(m, name) : NULL;
}

const char *real_object_of(const void *code)
{
	const struct link_map *m = object_around(code);

	return m && m->l_name ? m->l_name : "";
}

/*
 * Starters: what `real` points at before anything was looked up.  Any of
 * them may be the first call; each looks everything up and calls on.
 */
static void *start_malloc(size_t size)
{
	shim_start();
	return real.malloc(size);
}

static void *start_calloc(size_t count, size_t size)
{
	shim_start();
	return real.calloc(count, size);
}

static void *start_realloc(void *old, size_t size)
{
	shim_start();
	return real.realloc(old, size);
}

static void start_free(void *p)
{
	shim_start();
	real.free(p);
}

static int start_posix_memalign(void **out, size_t alignment, size_t size)
{
	shim_start();
	return real.posix_memalign(out, alignment, size);
}

static void *start_aligned_alloc(size_t alignment, size_t size)
{
	shim_start();
	return real.aligned_alloc(alignment, size);
}

static void *start_memalign(size_t alignment, size_t size)
{
	shim_start();
	return real.memalign(alignment, size);
}

static void *start_mmap(void *at, size_t size, int prot, int flags, int fd,
			off_t offset)
{
	shim_start();
	return real.mmap(at, size, prot, flags, fd, offset);
}

static int start_munmap(void *at, size_t size)
{
	shim_start();
	return real.munmap(at, size);
}

static void *start_new(size_t size)
{
	shim_start();
	return real._Znwm(size);
}

static void start_delete(void *p)
{
	shim_start();
	real._ZdlPv(p);
}

struct real real = {
	.malloc = start_malloc,
	.calloc = start_calloc,
	.realloc = start_realloc,
	.free = start_free,
	.posix_memalign = start_posix_memalign,
	.aligned_alloc = start_aligned_alloc,
	.memalign = start_memalign,
	.mmap = start_mmap,
	.munmap = start_munmap,
	._Znwm = start_new,
	._ZdlPv = start_delete,
};

/*
 * A library that came by dlopen (libstdc++ under Python) is bound to our
 * exports before we have looked for its own: look again, and forget after
 * dlclose, since the next copy may lie elsewhere.  What was there at start
 * stays.
 */
static struct real at_start;

COLD void real_late(void)
{
#define LOOK_UP(type, name, params) \
	if (!real.name)             \
		real.name = real_symbol(#name);
	REAL_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
}

void real_forget_late(void)
{
#define FORGET(type, name, params) real.name = at_start.name;
	REAL_FUNCTIONS(FORGET)
#undef FORGET
}

/* Relocations that bind functions: a table by the tags of its place, size. */
static bool table_names(const struct link_map *map, int64_t at, int64_t bytes,
			bool (*wanted)(const char *name))
{
	const ElfW(Rela) *relocations = NULL;
	size_t size = 0;
	struct object o;

	if (!object_read(map, &o))
		return false;
	for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == at)
			relocations =
				(const void *)relocated(map, d->d_un.d_ptr);
		else if (d->d_tag == bytes)
			size = d->d_un.d_val;
	}
	for (size_t i = 0; relocations && i < size / sizeof(*relocations);
	     i++) {
		uint32_t index = ELF64_R_SYM(relocations[i].r_info);

		if (index && wanted(o.strings + o.symbols[index].st_name))
			return true;
	}
	return false;
}

bool real_imports(bool (*wanted)(const char *name),
		  const struct link_map *except)
{
	for (const struct link_map *m = real_objects(); m; m = m->l_next)
		if (m != except && !is_ours(m) &&
		    (table_names(m, DT_JMPREL, DT_PLTRELSZ, wanted) ||
		     table_names(m, DT_RELA, DT_RELASZ, wanted)))
			return true;
	return false;
}

static bool is_aligned_alloc(const char *name)
{
	return text_equal(name, "aligned_alloc");
}

static bool is_free(const char *name)
{
	return text_equal(name, "free");
}

/* Does the object that @code lies in call it by way of its linkage table? */
static bool calls_out(const void *code, bool (*wanted)(const char *name))
{
	const struct link_map *map = object_around(code);

	return map && table_names(map, DT_JMPREL, DT_PLTRELSZ, wanted);
}

/*
 * What an allocator brings beside malloc need not call it.  jemalloc's
 * aligned new and its plain delete do: they call the exported aligned_alloc
 * and free, which are hooked.
 */
static void judge_operators(void)
{
	const uint64_t aligned_news =
		REAL_BIT(_ZnwmSt11align_val_t) |
		REAL_BIT(_ZnamSt11align_val_t) |
		REAL_BIT(_ZnwmSt11align_val_tRKSt9nothrow_t) |
		REAL_BIT(_ZnamSt11align_val_tRKSt9nothrow_t);
	const uint64_t plain_deletes =
		REAL_BIT(_ZdlPv) | REAL_BIT(_ZdaPv) |
		REAL_BIT(_ZdlPvRKSt9nothrow_t) |
		REAL_BIT(_ZdaPvRKSt9nothrow_t) |
		REAL_BIT(_ZdlPvSt11align_val_t) |
		REAL_BIT(_ZdaPvSt11align_val_t) |
		REAL_BIT(_ZdlPvSt11align_val_tRKSt9nothrow_t) |
		REAL_BIT(_ZdaPvSt11align_val_tRKSt9nothrow_t);

#define JUDGE(type, name, params)                                            \
	if (at_start.name && object_around((void *)at_start.name) ==         \
				     object_around((void *)at_start.malloc)) \
		at_start.past_malloc |= REAL_BIT(name);
	REAL_FUNCTIONS(JUDGE)
#undef JUDGE
	if (calls_out((void *)at_start.malloc, is_aligned_alloc))
		at_start.past_malloc &= ~aligned_news;
	if (calls_out((void *)at_start.malloc, is_free))
		at_start.past_malloc &= ~plain_deletes;
}

void real_start(void)
{
	if (real_libc_is_foreign())
		foreign = find_foreign();
#define LOOK_UP(type, name, params) at_start.name = real_symbol(#name);
	REAL_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
	judge_operators();
	at_start.own_realloc = symbol_before_us("realloc");
	at_start.own_free = symbol_before_us("free");
	real = at_start;
}

void real_replace(const void *function, const void *original)
{
#define REPLACE(type, name, params)                          \
	if ((const void *)real.name == function)             \
		real.name = (__typeof__(real.name))original; \
	if ((const void *)at_start.name == function)         \
		at_start.name = (__typeof__(real.name))original;
	REAL_FUNCTIONS(REPLACE)
#undef REPLACE
}

static unsigned add_once(const void **functions, unsigned count, unsigned max,
			 const void *function)
{
	for (unsigned i = 0; i < count; i++)
		if (functions[i] == function)
			return count;
	if (count < max)
		functions[count++] = function;
	return count;
}

unsigned real_of(const struct link_map *object, const void **functions,
		 unsigned max)
{
	unsigned count = 0;

#define COLLECT(type, name, params)                                        \
	if (real.name && object_around((const void *)real.name) == object) \
		count = add_once(functions, count, max,                    \
				 (const void *)real.name);
	REAL_FUNCTIONS(COLLECT)
#undef COLLECT
	return count;
}
