#include "profiler/sym/pyattr.h"

#include <string.h>

#include "profiler/sym/pydict.h"
#include "profiler/sym/pyrefs.h"

#define MODULE_DICT 16 /* module.md_dict */
#define INT_SIZE    16 /* of an int: its digits and sign */
#define INT_DIGITS  24
#define DIGIT_BITS  30
#define DIGITS_MOST 3 /* of 64 bits */

struct wanted {
	const struct pyrefs *refs;
	const char *name;
	uint64_t value;
};

static void take(void *context, const struct pyref *ref)
{
	struct wanted *w = context;
	char key[64];

	if (ref->kind == PYREF_NAME && ref->key &&
	    pydict_text(w->refs->pages, w->refs->version, ref->key, key,
			sizeof(key)) &&
	    strcmp(key, w->name) == 0)
		w->value = ref->to;
}

static void nothing_of_its_own(void *context, uint64_t at, const char *what)
{
	(void)context;
	(void)at;
	(void)what;
}

uint64_t pyattr(struct pypages *pages, struct pytypes *types, uint32_t version,
		uint64_t object, const char *name)
{
	const struct pytype *type = pytypes_of(types, object);
	struct wanted wanted = { .name = name };
	const struct pyrefs refs = {
		.pages = pages,
		.types = types,
		.version = version,
		.refer = take,
		.own = nothing_of_its_own,
		.context = &wanted,
	};

	wanted.refs = &refs;
	if (type)
		pyrefs_of(&refs, object, type);
	return wanted.value;
}

uint64_t pyattr_global(struct pypages *pages, uint32_t version,
		       uint64_t modules, const char *module, const char *name)
{
	uint64_t at = pydict_find(pages, version, modules, module), dict;

	if (!at || !pypages_word(pages, at + MODULE_DICT, &dict))
		return 0;
	return pydict_find(pages, version, dict, name);
}

uint64_t pyattr_int(struct pypages *pages, uint32_t version, uint64_t object)
{
	uint64_t size, value = 0;
	uint32_t digit;

	if (!pypages_word(pages, object + INT_SIZE, &size))
		return 0;
	if (version >= 0x030c)
		size = size & 3 ? 0 : size >> 3; /* bits 0 and 1: its sign */
	for (uint64_t i = 0; size <= DIGITS_MOST && i < size; i++) {
		if (!pypages_read(pages, object + INT_DIGITS + 4 * i, &digit,
				  sizeof(digit)))
			return 0;
		value |= (uint64_t)digit << (DIGIT_BITS * i);
	}
	return value;
}
