/*
 * allocator: see allocator.h.
 */
#include "profiler/probe/allocator.h"

#include <string.h>

#include "bpf/heap.h"
#include "profiler/alloc/names.h"
#include "profiler/base/err.h"
#include "profiler/probe/place.h"
#include "profiler/sym/function.h"
#include "profiler/unwind/insn.h"

#define MOST_TARGETS   64
#define SMALL_OPERATOR 64  /* bytes; larger ones do the work themselves */
#define SMALL_FUNCTION 256 /* the same of others */

struct candidate {
	uint64_t vaddr, size;
	struct names_entry entry;
	int kind; /* enum heap_kind */
};

struct search {
	struct candidate found[ALLOCATOR_FUNCTIONS_MOST];
	size_t count;
};

/* What the kernel's program knows it as; -1: its parts are seen anyway. */
static int kind_of(enum own_kind kind)
{
	static const int8_t kinds[OWN_NKINDS] = {
		[OWN_ALLOC] = HEAP_ALLOC,
		[OWN_ARRAY] = HEAP_ARRAY,
		[OWN_STORE] = HEAP_STORE,
		[OWN_TEXT] = -1,
		[OWN_RESIZE] = HEAP_RESIZE,
		[OWN_REARRAY] = HEAP_REARRAY,
		[OWN_REPLACE] = HEAP_REPLACE,
		[OWN_EXPAND] = -1,
		[OWN_XALLOCX] = -1,
		[OWN_RELEASE] = HEAP_RELEASE,
		[OWN_MUTED] = -1,
	};

	return kinds[kind];
}

static void look_at(void *context, const char *linkage, uint64_t vaddr,
		    uint64_t size)
{
	struct search *s = context;
	struct candidate c = { .vaddr = vaddr, .size = size };

	/* mimalloc's own functions go by way of those that take a heap. */
	if (s->count == ALLOCATOR_FUNCTIONS_MOST ||
	    strncmp(linkage, "mi_heap_", 8) == 0 ||
	    !names_find(linkage, &c.entry))
		return;
	c.kind = kind_of(c.entry.shape.kind);
	if (c.kind < 0)
		return;
	for (size_t i = 0; i < s->count; i++)
		if (s->found[i].vaddr == vaddr)
			return;
	s->found[s->count++] = c;
}

/* Operators alone are those of a library that calls malloc(). */
static bool is_allocator(const struct search *s)
{
	bool allocates = false, releases = false;

	for (size_t i = 0; i < s->count; i++) {
		const struct candidate *c = &s->found[i];

		if (c->entry.family == NAMES_OPERATOR)
			continue;
		allocates |= c->kind == HEAP_ALLOC;
		releases |= c->kind == HEAP_RELEASE;
	}
	return allocates && releases;
}

static bool is_other(const struct search *s, const struct candidate *c,
		     uint64_t vaddr)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->found[i].vaddr == vaddr && vaddr != c->vaddr &&
		    s->found[i].kind != HEAP_RELEASE)
			return true;
	return false;
}

static bool begins_with_jump(const struct function *f)
{
	struct insn i;
	size_t n = 0;

	while (insn_decode(f->code + n, f->code_size - n, &i) &&
	       (i.kind == INSN_ENDBR || i.kind == INSN_NOP))
		n += i.size;
	return n < f->code_size &&
	       insn_decode(f->code + n, f->code_size - n, &i) &&
	       i.kind == INSN_JUMP && insn_target(&i, n) >= f->code_size;
}

/* Does it go to one that is watched too? */
static bool calls_other(const struct search *s, const struct candidate *c,
			const struct function *f)
{
	int64_t to[MOST_TARGETS];
	size_t count = place_targets(f->code, f->code_size, to, MOST_TARGETS);

	if (c->entry.family == NAMES_OPERATOR &&
	    f->code_size <= SMALL_OPERATOR && count)
		return true;
	for (size_t i = 0; i < count && i < MOST_TARGETS; i++)
		if (is_other(s, c, c->vaddr + (uint64_t)to[i]))
			return true;
	return false;
}

static bool resizes(const struct candidate *c)
{
	return c->kind >= HEAP_RESIZE && c->kind <= HEAP_REPLACE;
}

/* Does it leave all of its work to that one? */
static bool passes_on(const struct search *s, const struct candidate *c,
		      const struct function *f)
{
	if (begins_with_jump(f))
		return true;
	return c->kind != HEAP_RELEASE && !resizes(c) &&
	       f->code_size <= SMALL_FUNCTION && calls_other(s, c, f);
}

/* The registers that must still hold what the program reads. */
static unsigned wanted(const struct candidate *c)
{
	static const uint8_t arguments[HEAP_NKINDS] = {
		[HEAP_ALLOC] = 1,   [HEAP_ARRAY] = 2,	[HEAP_STORE] = 3,
		[HEAP_RESIZE] = 2,  [HEAP_REARRAY] = 3, [HEAP_REPLACE] = 2,
		[HEAP_RELEASE] = 1,
	};
	unsigned keep = c->kind == HEAP_RELEASE ? 0 : PLACE_RSP;

	for (unsigned n = 0; n < arguments[c->kind]; n++)
		keep |= place_argument(c->entry.shape.at + n);
	return keep;
}

static bool put(const char *file, const struct search *s,
		const struct candidate *c, struct allocator_function *out)
{
	struct err why = ERR_INIT;
	struct function f;
	struct place at;
	bool found;

	if (function_at(file, c->vaddr, &f, &why) < 0)
		return false;
	if (c->size && c->size < f.code_size)
		f.code_size = c->size;
	found = !passes_on(s, c, &f) &&
		place_keeping(f.code, f.code_size, wanted(c), &at);
	if (found)
		*out = (struct allocator_function) {
			.offset = f.offset + at.offset,
			.kind = (uint8_t)c->kind,
			.at = c->entry.shape.at,
			.api = c->entry.shape.api,
			.stepped = at.stepped,
			.passes_new = resizes(c) && calls_other(s, c, &f),
		};
	function_fini(&f);
	return found;
}

size_t allocator_functions(const char *file, struct allocator_function *out)
{
	struct search s = { .count = 0 };
	struct err why = ERR_INIT;
	size_t count = 0;

	if (function_each(file, look_at, &s, &why) < 0 || !is_allocator(&s))
		return 0;
	for (size_t i = 0; i < s.count; i++)
		count += put(file, &s, &s.found[i], &out[count]);
	return count;
}
