#include "profiler/alloc/names.h"

#include "profiler/wire/record.h"

enum { /* which families a name stands in */
       PLAIN = 1 << 0,
       JE = 1 << 1,
       TC = 1 << 2,
       MI = 1 << 3,
       HEAP = 1 << 4, /* the arguments begin with a heap */
       EVERY = PLAIN | JE | TC | MI,
};

static const struct prefix {
	const char *text;
	uint8_t bit;
	uint8_t family;
} prefixes[] = {
	{ "_rjem_", JE, NAMES_JEMALLOC },
	{ "je_arrow_", JE, NAMES_JEMALLOC }, /* Apache Arrow's */
	{ "je_", JE, NAMES_JEMALLOC },
	{ "tc_", TC, NAMES_TCMALLOC },
	{ "mi_heap_", HEAP, NAMES_MIMALLOC },
	{ "mi_", MI, NAMES_MIMALLOC },
	{ "", PLAIN, NAMES_PLAIN },
};

static const struct name {
	const char *text;
	uint8_t where;
	struct own_shape shape;
} names[] = {
	{ "malloc", EVERY | HEAP, { OWN_ALLOC, 0, API_MALLOC } },
	{ "calloc", EVERY | HEAP, { OWN_ARRAY, 0, API_CALLOC } },
	{ "realloc", EVERY | HEAP, { OWN_RESIZE, 0, API_REALLOC } },
	{ "reallocarray", EVERY, { OWN_REARRAY, 0, API_REALLOC } },
	{ "free", EVERY, { OWN_RELEASE, 0, 0 } },
	{ "cfree", EVERY, { OWN_RELEASE, 0, 0 } },
	{ "free_sized", EVERY, { OWN_RELEASE, 0, 0 } },
	{ "free_aligned_sized", EVERY, { OWN_RELEASE, 0, 0 } },
	{ "posix_memalign", EVERY, { OWN_STORE, 0, API_ALIGNED } },
	{ "aligned_alloc", EVERY, { OWN_ALLOC, 1, API_ALIGNED } },
	{ "memalign", EVERY, { OWN_ALLOC, 1, API_ALIGNED } },
	{ "valloc", EVERY, { OWN_ALLOC, 0, API_ALIGNED } },
	{ "pvalloc", EVERY, { OWN_ALLOC, 0, API_ALIGNED } },

	{ "mallocx", PLAIN | JE, { OWN_ALLOC, 0, API_OTHER } },
	{ "rallocx", PLAIN | JE, { OWN_RESIZE, 0, API_REALLOC } },
	{ "xallocx", PLAIN | JE, { OWN_XALLOCX, 0, API_REALLOC } },
	{ "dallocx", PLAIN | JE, { OWN_RELEASE, 0, 0 } },
	{ "sdallocx", PLAIN | JE, { OWN_RELEASE, 0, 0 } },

	{ "malloc_skip_new_handler", TC, { OWN_ALLOC, 0, API_MALLOC } },
	{ "new", TC | MI, { OWN_ALLOC, 0, API_NEW } },
	{ "new_nothrow", TC | MI, { OWN_ALLOC, 0, API_NEW } },
	{ "new_aligned", TC | MI, { OWN_ALLOC, 0, API_NEW } },
	{ "new_aligned_nothrow", TC | MI, { OWN_ALLOC, 0, API_NEW } },
	{ "newarray", TC, { OWN_ALLOC, 0, API_NEW } },
	{ "newarray_nothrow", TC, { OWN_ALLOC, 0, API_NEW } },
	{ "newarray_aligned", TC, { OWN_ALLOC, 0, API_NEW } },
	{ "newarray_aligned_nothrow", TC, { OWN_ALLOC, 0, API_NEW } },
	{ "delete", TC, { OWN_RELEASE, 0, 0 } },
	{ "delete_sized", TC, { OWN_RELEASE, 0, 0 } },
	{ "delete_nothrow", TC, { OWN_RELEASE, 0, 0 } },
	{ "delete_aligned", TC, { OWN_RELEASE, 0, 0 } },
	{ "delete_sized_aligned", TC, { OWN_RELEASE, 0, 0 } },
	{ "delete_aligned_nothrow", TC, { OWN_RELEASE, 0, 0 } },
	{ "deletearray", TC, { OWN_RELEASE, 0, 0 } },
	{ "deletearray_sized", TC, { OWN_RELEASE, 0, 0 } },
	{ "deletearray_nothrow", TC, { OWN_RELEASE, 0, 0 } },
	{ "deletearray_aligned", TC, { OWN_RELEASE, 0, 0 } },
	{ "deletearray_sized_aligned", TC, { OWN_RELEASE, 0, 0 } },
	{ "deletearray_aligned_nothrow", TC, { OWN_RELEASE, 0, 0 } },

	{ "malloc_small", MI | HEAP, { OWN_ALLOC, 0, API_MALLOC } },
	{ "zalloc", MI | HEAP, { OWN_ALLOC, 0, API_CALLOC } },
	{ "zalloc_small", MI, { OWN_ALLOC, 0, API_CALLOC } },
	{ "mallocn", MI | HEAP, { OWN_ARRAY, 0, API_MALLOC } },
	{ "new_n", MI, { OWN_ARRAY, 0, API_NEW } },
	{ "alloc_new", HEAP, { OWN_ALLOC, 0, API_NEW } },
	{ "alloc_new_n", HEAP, { OWN_ARRAY, 0, API_NEW } },
	{ "malloc_aligned", MI | HEAP, { OWN_ALLOC, 0, API_ALIGNED } },
	{ "malloc_aligned_at", MI | HEAP, { OWN_ALLOC, 0, API_ALIGNED } },
	{ "zalloc_aligned", MI | HEAP, { OWN_ALLOC, 0, API_ALIGNED } },
	{ "zalloc_aligned_at", MI | HEAP, { OWN_ALLOC, 0, API_ALIGNED } },
	{ "calloc_aligned", MI | HEAP, { OWN_ARRAY, 0, API_ALIGNED } },
	{ "calloc_aligned_at", MI | HEAP, { OWN_ARRAY, 0, API_ALIGNED } },
	{ "reallocn", MI | HEAP, { OWN_REARRAY, 0, API_REALLOC } },
	{ "reallocf", MI | HEAP, { OWN_REPLACE, 0, API_REALLOC } },
	{ "rezalloc", MI | HEAP, { OWN_RESIZE, 0, API_REALLOC } },
	{ "recalloc", MI | HEAP, { OWN_REARRAY, 0, API_REALLOC } },
	{ "realloc_aligned", MI | HEAP, { OWN_RESIZE, 0, API_REALLOC } },
	{ "realloc_aligned_at", MI | HEAP, { OWN_RESIZE, 0, API_REALLOC } },
	{ "rezalloc_aligned", MI | HEAP, { OWN_RESIZE, 0, API_REALLOC } },
	{ "rezalloc_aligned_at", MI | HEAP, { OWN_RESIZE, 0, API_REALLOC } },
	{ "recalloc_aligned", MI | HEAP, { OWN_REARRAY, 0, API_REALLOC } },
	{ "recalloc_aligned_at", MI, { OWN_REARRAY, 0, API_REALLOC } },
	{ "aligned_recalloc", MI, { OWN_REARRAY, 0, API_REALLOC } },
	{ "aligned_offset_recalloc", MI, { OWN_REARRAY, 0, API_REALLOC } },
	{ "new_realloc", MI, { OWN_RESIZE, 0, API_REALLOC } },
	{ "new_reallocn", MI, { OWN_REARRAY, 0, API_REALLOC } },
	{ "expand", MI, { OWN_EXPAND, 0, API_REALLOC } },
	{ "_expand", MI, { OWN_EXPAND, 0, API_REALLOC } },
	{ "free_size", MI, { OWN_RELEASE, 0, 0 } },
	{ "free_size_aligned", MI, { OWN_RELEASE, 0, 0 } },
	{ "free_aligned", MI, { OWN_RELEASE, 0, 0 } },
	{ "strdup", MI | HEAP, { OWN_TEXT, 0, API_OTHER } },
	{ "strndup", MI | HEAP, { OWN_TEXT, 0, API_OTHER } },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

bool names_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* @text past @prefix, or NULL. */
static const char *past(const char *text, const char *prefix)
{
	while (*prefix && *text == *prefix)
		text++, prefix++;
	return *prefix ? NULL : text;
}

/* By the whole name: a placement form begins the same. */
static bool find_operator(const char *symbol, struct names_entry *entry)
{
	static const char *const news[] = {
		"",
		"RKSt9nothrow_t",
		"St11align_val_t",
		"St11align_val_tRKSt9nothrow_t",
	};
	static const char *const deletes[] = {
		"",
		"m",
		"RKSt9nothrow_t",
		"St11align_val_t",
		"mSt11align_val_t",
		"St11align_val_tRKSt9nothrow_t",
	};
	const char *rest = past(symbol, "_Znwm");

	if (!rest)
		rest = past(symbol, "_Znam");
	for (unsigned i = 0; rest && i < COUNT(news); i++)
		if (names_equal(rest, news[i])) {
			*entry = (struct names_entry) {
				NAMES_OPERATOR, { OWN_ALLOC, 0, API_NEW }
			};
			return true;
		}
	rest = past(symbol, "_ZdlPv");
	if (!rest)
		rest = past(symbol, "_ZdaPv");
	for (unsigned i = 0; rest && i < COUNT(deletes); i++)
		if (names_equal(rest, deletes[i])) {
			*entry = (struct names_entry) { NAMES_OPERATOR,
							{ OWN_RELEASE, 0, 0 } };
			return true;
		}
	return false;
}

static struct names_entry entry_of(const struct prefix *p, const struct name *n)
{
	struct names_entry entry = { p->family, n->shape };

	entry.shape.at += p->bit == HEAP;
	return entry;
}

static bool find_in(const struct prefix *p, const char *name,
		    struct names_entry *entry)
{
	for (unsigned i = 0; i < COUNT(names); i++) {
		const struct name *n = &names[i];

		if (n->text[0] != name[0] || !(n->where & p->bit) ||
		    !names_equal(n->text, name))
			continue;
		*entry = entry_of(p, n);
		return true;
	}
	return false;
}

bool names_is_more(const char *symbol, const struct names_entry *entry)
{
	size_t last = 0;

	while (symbol[last] && symbol[last + 1])
		last++;
	return entry->family > NAMES_OPERATOR ||
	       (entry->family == NAMES_PLAIN && symbol[last] == 'x');
}

void names_each(void (*visit)(void *context, const char *symbol), void *context)
{
	for (unsigned i = 0; i < COUNT(prefixes) * COUNT(names); i++) {
		const struct prefix *p = &prefixes[i / COUNT(names)];
		const struct name *n = &names[i % COUNT(names)];
		char symbol[64], *at = symbol;

		if (!(n->where & p->bit) ||
		    (p->bit == PLAIN && (n->where & EVERY) == EVERY))
			continue;
		for (const char *c = p->text; *c; c++)
			*at++ = *c;
		for (const char *c = n->text; *c; c++)
			*at++ = *c;
		*at = 0;
		visit(context, symbol);
	}
}

bool names_find(const char *symbol, struct names_entry *entry)
{
	if (symbol[0] == '_' && symbol[1] == 'Z')
		return find_operator(symbol, entry);
	for (unsigned i = 0; i < COUNT(prefixes); i++) {
		const char *name = past(symbol, prefixes[i].text);

		if (name && find_in(&prefixes[i], name, entry))
			return true;
	}
	return false;
}

const char *names_past_prefix(const char *symbol)
{
	for (unsigned i = 0; i + 1 < COUNT(prefixes); i++) {
		const char *name = past(symbol, prefixes[i].text);

		if (name)
			return name;
	}
	return NULL;
}
