#include "profiler/sym/pytypes.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/sym/pydict.h"

enum { /* offsets of PyTypeObject */
       TYPE_META = 8,
       TYPE_NAME = 24,
       TYPE_SIZE = 32,
       TYPE_ITEM_SIZE = 40,
       TYPE_FLAGS = 168,
       TYPE_DICT = 264,
       TYPE_DICT_OFFSET = 288,
       TYPE_END = 296,
};

#define FLAG_INLINE_VALUES (1u << 2) /* 3.13 and later, as the two below */
#define FLAG_MANAGED_WEAK  (1u << 3) /* 3.12 */
#define FLAG_MANAGED_DICT  (1u << 4) /* 3.11 */
#define FLAG_HEAP	   (1u << 9)
#define FLAG_READY	   (1u << 12)
#define FLAG_COLLECTED	   (1u << 14)
#define FLAG_LONG	   (1u << 24)
#define FLAG_LIST	   (1u << 25)
#define FLAG_TUPLE	   (1u << 26)
#define FLAG_BYTES	   (1u << 27)
#define FLAG_UNICODE	   (1u << 28)
#define FLAG_DICT	   (1u << 29)
#define FLAG_TYPE	   (1u << 31)

#define SIZE_MAX_SANE (1 << 20)
#define GC_HEAD	      16u
#define DICT_HEAD     16u
#define NAME_MAX_     256u

struct pytypes {
	struct pypages *pages;
	uint32_t version;
	struct hash *known; /* address -> index + 1; 0: it is no type */
	VEC(struct pytype *) types;
};

struct pytypes *pytypes_new(struct pypages *pages, uint32_t version)
{
	struct pytypes *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->pages = pages;
	t->version = version;
	t->known = hash_new();
	if (t->known)
		return t;
	free(t);
	return NULL;
}

void pytypes_free(struct pytypes *t)
{
	struct pytype **at;

	if (!t)
		return;
	vec_foreach (&t->types, at) {
		free((char *)(*at)->name);
		free(*at);
	}
	vec_free(&t->types);
	hash_free(t->known);
	free(t);
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' ||
	       c == '<' || c == '>' || c == '[' || c == ']' ||
	       (unsigned char)c >= 0x80;
}

static bool read_name(struct pytypes *t, uint64_t at, char *to)
{
	for (size_t i = 0; i < NAME_MAX_ - 1; i++) {
		if (!pypages_read(t->pages, at + i, to + i, 1))
			return false;
		if (!to[i])
			return i > 0;
		if (!is_word(to[i]))
			return false;
	}
	to[NAME_MAX_ - 1] = '\0';
	return true;
}

static uint64_t field(const char *fields, size_t at)
{
	uint64_t value;

	memcpy(&value, fields + at, sizeof(value));
	return value;
}

/* `type` is its own; others' metatypes descend from it. */
static bool is_metatype(struct pytypes *t, uint64_t at)
{
	for (int depth = 0; depth < 4; depth++) {
		uint64_t meta, flags;

		if (at % 8 || !pypages_word(t->pages, at + TYPE_META, &meta) ||
		    !pypages_word(t->pages, at + TYPE_FLAGS, &flags) ||
		    !(flags & FLAG_READY) || !(flags & FLAG_TYPE))
			return false;
		if (meta == at)
			return true;
		at = meta;
	}
	return false;
}

static enum pytype_kind kind_of(const char *name, uint64_t flags)
{
	static const struct {
		const char *name;
		enum pytype_kind kind;
	} named[] = {
		{ "set", PYTYPE_SET },
		{ "frozenset", PYTYPE_SET },
		{ "module", PYTYPE_MODULE },
		{ "collections.deque", PYTYPE_DEQUE },
		{ "float", PYTYPE_ATOM },
		{ "complex", PYTYPE_ATOM },
		{ "NoneType", PYTYPE_ATOM },
		{ "code", PYTYPE_ATOM },
		{ "weakref", PYTYPE_WEAK },
		{ "weakref.ReferenceType", PYTYPE_WEAK },
		{ "weakproxy", PYTYPE_WEAK },
		{ "KeyedRef", PYTYPE_WEAK },
	};

	if (flags & FLAG_UNICODE)
		return PYTYPE_TEXT;
	if (flags & (FLAG_LONG | FLAG_BYTES))
		return PYTYPE_ATOM;
	if (flags & FLAG_DICT)
		return PYTYPE_DICT;
	if (flags & FLAG_LIST)
		return PYTYPE_LIST;
	if (flags & FLAG_TUPLE)
		return PYTYPE_TUPLE;
	if (flags & FLAG_TYPE)
		return PYTYPE_TYPE;
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (strcmp(name, named[i].name) == 0)
			return named[i].kind;
	return PYTYPE_PLAIN;
}

/* A class's own name lacks its module, which its dict has. */
static char *full_name(struct pytypes *t, const char *fields, const char *name)
{
	char module[128], *full;
	uint64_t text = 0;

	if (field(fields, TYPE_FLAGS) & FLAG_HEAP && !strchr(name, '.'))
		text = pydict_find(t->pages, t->version,
				   field(fields, TYPE_DICT), "__module__");
	if (!text ||
	    !pydict_text(t->pages, t->version, text, module, sizeof(module)) ||
	    strcmp(module, "builtins") == 0)
		return strdup(name);
	full = malloc(strlen(module) + strlen(name) + 2);
	if (full)
		stpcpy(stpcpy(stpcpy(full, module), "."), name);
	return full;
}

/* Where PyHeapTypeObject has ht_cached_keys. */
static uint64_t cached_keys(struct pytypes *t, uint64_t at, uint64_t flags)
{
	uint64_t keys = 0, offset = t->version < 0x030a	  ? 864
				    : t->version < 0x030c ? 872
							  : 880;

	if (!(flags & FLAG_HEAP) || !pypages_word(t->pages, at + offset, &keys))
		return 0;
	return keys;
}

static uint32_t head_of(const struct pytypes *t, uint64_t flags)
{
	uint32_t head = flags & FLAG_COLLECTED ? GC_HEAD : 0;

	if (t->version >= 0x030b && flags & FLAG_MANAGED_DICT)
		head += DICT_HEAD;
	else if (t->version >= 0x030c && flags & FLAG_MANAGED_WEAK)
		head += DICT_HEAD;
	return head;
}

static struct pytype *read_type(struct pytypes *t, uint64_t at)
{
	char fields[TYPE_END], name[NAME_MAX_];
	int64_t size, item_size;
	struct pytype *type;
	uint64_t flags;

	if (at % 8 || !pypages_read(t->pages, at, fields, sizeof(fields)))
		return NULL;
	flags = field(fields, TYPE_FLAGS);
	size = (int64_t)field(fields, TYPE_SIZE);
	item_size = (int64_t)field(fields, TYPE_ITEM_SIZE);
	if (!(flags & FLAG_READY) || size < 16 || size > SIZE_MAX_SANE ||
	    item_size < 0 || item_size > SIZE_MAX_SANE ||
	    !is_metatype(t, field(fields, TYPE_META)) ||
	    !read_name(t, field(fields, TYPE_NAME), name))
		return NULL;
	type = calloc(1, sizeof(*type));
	if (!type)
		return NULL;
	*type = (struct pytype) {
		.at = at,
		.name = full_name(t, fields, name),
		.flags = flags,
		.size = size,
		.item_size = item_size,
		.dict_offset = (int64_t)field(fields, TYPE_DICT_OFFSET),
		.kind = kind_of(name, flags),
		.collected = flags & FLAG_COLLECTED,
		.managed_dict =
			t->version >= 0x030b && flags & FLAG_MANAGED_DICT,
		.inline_values =
			t->version >= 0x030d && flags & FLAG_INLINE_VALUES,
		.head = head_of(t, flags),
		.cached_keys = cached_keys(t, at, flags),
	};
	if (type->name)
		return type;
	free(type);
	return NULL;
}

const struct pytype *pytypes_at(struct pytypes *t, uint64_t at)
{
	uint64_t *index = hash_find(t->known, at), found = 0;
	struct pytype *type, **slot;

	if (index)
		return *index ? t->types.at[*index - 1] : NULL;
	type = read_type(t, at);
	slot = type ? vec_push(&t->types) : NULL;
	if (slot) {
		*slot = type;
		found = t->types.count;
	} else if (type) {
		free((char *)type->name);
		free(type);
		return NULL;
	}
	if (hash_set(t->known, at, found) < 0 && !found)
		return NULL; /* it will be judged once more */
	return found ? type : NULL;
}

const struct pytype *pytypes_of(struct pytypes *t, uint64_t object)
{
	uint64_t head[2]; /* references, type */

	if (object % 8 || !pypages_read(t->pages, object, head, sizeof(head)) ||
	    !head[0] || head[1] < 4096 || head[1] % 8)
		return NULL;
	return pytypes_at(t, head[1]);
}

/* What an object of it takes at least. */
static uint64_t least_size(const struct pytype *type)
{
	/* A str of ASCII has only the first part of one. */
	return type->kind == PYTYPE_TEXT ? 40 : (uint64_t)type->size;
}

uint64_t pytypes_in_block(struct pytypes *t, uint64_t at, uint64_t size,
			  const struct pytype **type)
{
	static const uint32_t heads[] = { 0, GC_HEAD, GC_HEAD + DICT_HEAD };

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		uint32_t head = heads[i];

		if (head + 16 > size)
			break;
		*type = pytypes_of(t, at + head);
		if (*type && (*type)->head == head &&
		    least_size(*type) + head <= size)
			return at + head;
	}
	*type = NULL;
	return 0;
}
