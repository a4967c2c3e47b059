/*
 * python_codes: names of code objects, put on record while they are alive.
 *
 * Two steps.  A cache of one word a place goes from a code object's address
 * and looks (the addresses and hashes of its names, its first line) to its
 * id; so one that takes the place of another is not taken for it.  Where that
 * misses, its names and line table are hashed, and the tree's index (nodes.h)
 * tells whether such a one is on record: code that is made over and over is
 * written once, and nothing grows with it.
 */
#include "preload/internal.h"
#include "preload/nodes.h"
#include "preload/python.h"
#include "preload/sys.h"

#define CACHE_BITS 14
#define CACHE_SIZE (1u << CACHE_BITS)
#define CODES_MAX  WIRE_NODE_MODULE_MASK
#define PART_MAX   32768u /* bytes of a line table in one record */
#define TURNS_MAX  4096	  /* of waiting for another thread that writes */

static struct {
	uint64_t *cache; /* hash of the looks << 24 | id; one load, one store */
	uint32_t busy;	 /* somebody writes names */
	uint32_t count;	 /* ids handed out */
	struct slab_head *meta;
	uint32_t meta_number;
	struct cpython_code scratch; /* whose busy it is */
} codes;

static uint64_t word(uint64_t at)
{
	return *(const volatile uint64_t *)at;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	unsigned __int128 product =
		(unsigned __int128)(h ^ v) * 0xa0761d6478bd642fULL;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t spread(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

/*
 * What tells a code object from the one that was at its address before: a sum,
 * so that no load and no product waits for another one.
 */
static inline uint64_t looks(uint64_t code)
{
	const struct cpython *py = &python.layout;
	uint64_t name = word(code + py->in_code.qualname);
	uint64_t file = word(code + py->in_code.file);
	uint64_t lines = word(code + py->in_code.lines);
	uint32_t line =
		*(const volatile uint32_t *)(code + py->in_code.first_line);
	uint64_t h =
		code * 0x9e3779b97f4a7c15ULL + name * 0xd6e8feb86659fd93ULL +
		file * 0xa0761d6478bd642fULL + lines * 0xe7037ed1a0b428dbULL +
		(line + 1) * 0x8ebc6af09c88c6e3ULL;

	/* Words 2 and 3 of a str: its length and its hash, if it has one. */
	h += word(name + 24) ^ spread(word(name + 16), 48);
	h += spread(word(file + 24), 21) ^ spread(word(file + 16), 40);
	return mix(h, spread(word(lines + 16), 32));
}

void python_code_fetch(uint64_t code)
{
	const struct cpython *py = &python.layout;

	__builtin_prefetch((const void *)code);
	__builtin_prefetch((const void *)(code + py->in_code.first_line));
	__builtin_prefetch((const void *)(code + py->in_code.lines));
}

void python_code_fetch_names(uint64_t code)
{
	const struct cpython *py = &python.layout;

	__builtin_prefetch(
		(const void *)(word(code + py->in_code.qualname) + 16));
	__builtin_prefetch((const void *)(word(code + py->in_code.file) + 16));
	__builtin_prefetch((const void *)(word(code + py->in_code.lines) + 16));
}

static void copy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((char *)to)[i] = ((const char *)from)[i];
}

/* Our own memory, kept by the frame that runs it. */
static bool read_own(void *context, uint64_t at, void *to, size_t size)
{
	(void)context;
	copy(to, (const void *)at, size);
	return true;
}

static uint64_t hash_text(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ULL;
	return mix(h, 0x3b);
}

static uint64_t content(const struct cpython_code *c)
{
	uint64_t h = hash_text(0xcbf29ce484222325ULL, c->qualname);

	h = mix(hash_text(h, c->file), c->first_line);
	for (uint32_t i = 0; i < c->lines_size; i++)
		h = (h ^ ((const uint8_t *)c->lines)[i]) * 0x100000001b3ULL;
	return mix(h, c->lines_size) | 1;
}

static void *meta_room(size_t size)
{
	if (codes.meta && codes.meta->used + size > SLAB_ROOM) {
		codes.meta->sealed = 1;
		sys_munmap(codes.meta, SLAB_SIZE);
		codes.meta = NULL;
	}
	if (!codes.meta && shim.file)
		codes.meta = slab_take(SLAB_META, 0, 0, ticks_now(), SLAB_STEP,
				       &codes.meta_number);
	if (!codes.meta || !slab_extend(codes.meta, codes.meta_number,
					(uint32_t)(sizeof(*codes.meta) +
						   codes.meta->used + size)))
		return NULL;
	return (uint8_t *)(codes.meta + 1) + codes.meta->used;
}

static void meta_commit(size_t size)
{
	__atomic_store_n(&codes.meta->used, codes.meta->used + (uint32_t)size,
			 __ATOMIC_RELEASE);
}

static size_t text_size(const char *text)
{
	size_t size = 1;

	while (text[size - 1])
		size++;
	return size;
}

/* One part of it, from byte @at of the line table on. */
static bool write_part(uint32_t id, const struct cpython_code *c, uint32_t at,
		       uint32_t count)
{
	size_t name = text_size(c->qualname), file = text_size(c->file);
	size_t size = (sizeof(struct wire_code) + name + file + count + 7) &
		      ~(size_t)7;
	struct wire_code *w = meta_room(size);

	if (!w)
		return false;
	*w = (struct wire_code) {
		.head = { .type = WIRE_CODE, .size = (uint32_t)size },
		.id = id,
		.first_line = c->first_line,
		.version = python.layout.version,
		.lines_size = c->lines_size,
		.lines_at = at,
		.lines_here = count,
	};
	copy(w->text, c->qualname, name);
	copy(w->text + name, c->file, file);
	copy(w->text + name + file, (const char *)c->lines + at, count);
	meta_commit(size);
	return true;
}

static bool write_code(uint32_t id, const struct cpython_code *c)
{
	uint32_t at = 0;

	do {
		uint32_t count = c->lines_size - at < PART_MAX
					 ? c->lines_size - at
					 : PART_MAX;

		if (!write_part(id, c, at, count))
			return false;
		at += count;
	} while (at < c->lines_size);
	return true;
}

/* The id of what @code says, which may be on record; 0: cannot be kept. */
static uint32_t id_of_content(uint64_t code)
{
	static const struct cpython_reader own = { .read = read_own };
	struct cpython_code *c = &codes.scratch;
	uint64_t hash;
	uint32_t id;

	if (!cpython_code(&python.layout, &own, code, c))
		return 0;
	hash = content(c);
	id = node_find(hash);
	if (id)
		return id;
	if (codes.count >= CODES_MAX || !write_code(codes.count + 1, c))
		return 0;
	node_keep(hash, ++codes.count);
	return codes.count;
}

/*
 * Whoever holds it is not delayed by us, nor we for long by a thread that has
 * lost its CPU meanwhile.
 */
static bool enter(void)
{
	for (int i = 0; i < TURNS_MAX; i++) {
		if (!__atomic_exchange_n(&codes.busy, 1, __ATOMIC_ACQUIRE))
			return true;
		__builtin_ia32_pause();
	}
	return false;
}

COLD static uint32_t learn(uint64_t code, uint64_t *place, uint64_t seen)
{
	uint32_t id;

	if (!enter())
		return 0;
	id = id_of_content(code);
	__atomic_store_n(&codes.busy, 0, __ATOMIC_RELEASE);
	if (id)
		__atomic_store_n(place, seen << 24 | id, __ATOMIC_RELAXED);
	return id;
}

uint32_t python_code_id(uint64_t code)
{
	uint64_t seen = looks(code), have;
	uint64_t *place = &codes.cache[seen >> (64 - CACHE_BITS)];

	have = __atomic_load_n(place, __ATOMIC_RELAXED);
	if (likely(have >> 24 == (seen & 0xffffffffffULL)))
		return (uint32_t)have & WIRE_NODE_MODULE_MASK;
	return learn(code, place, seen);
}

bool python_codes_start(void)
{
	if (!codes.cache)
		codes.cache = shim_memory(CACHE_SIZE * sizeof(*codes.cache));
	return codes.cache != NULL;
}

/* The folder that the process is in, into the scratch; its size. */
static size_t folder(const char **text)
{
	char *to = codes.scratch.file;
	long got = sys3(SYS_getcwd, (long)to, sizeof(codes.scratch.file), 0);

	to[got > 0 ? got - 1 : 0] = 0;
	*text = to;
	return text_size(to);
}

static void write_python(void)
{
	const char *reason = cpython_reason(python.verdict), *cwd;
	size_t length, cwd_size = folder(&cwd), size;
	struct wire_python *w;

	reason = reason ? reason : "";
	length = text_size(reason);
	size = (sizeof(*w) + length + cwd_size + 7) & ~(size_t)7;
	w = meta_room(size);
	if (!w)
		return;
	*w = (struct wire_python) {
		.head = { .type = WIRE_PYTHON, .size = (uint32_t)size },
		.version = python.layout.version,
		.readable = python.verdict == CPYTHON_OK,
	};
	copy(w->text, reason, length);
	copy(w->text + length, cwd, cwd_size);
	meta_commit(size);
}

void python_tell(void)
{
	if (!enter())
		return;
	write_python();
	__atomic_store_n(&codes.busy, 0, __ATOMIC_RELEASE);
}

/* Ids begin anew with the file. */
void python_codes_forget(void)
{
	codes.busy = 0;
	codes.count = 0;
	if (codes.meta)
		sys_munmap(codes.meta, SLAB_SIZE);
	codes.meta = NULL;
	if (codes.cache)
		sys_madvise(codes.cache, CACHE_SIZE * sizeof(*codes.cache),
			    MADV_DONTNEED);
}
