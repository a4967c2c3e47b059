#include "profiler/sym/pythreads.h"

#include <errno.h>
#include <string.h>

#include "profiler/proc/remote.h"
#include "profiler/sym/pydict.h"
#include "profiler/sym/pypages.h"
#include "profiler/sym/pyrefs.h"
#include "profiler/sym/pytypes.h"

#define MODULE_DICT  16 /* module.md_dict */
#define INT_SIZE     16 /* of an int: its digits and sign */
#define INT_DIGITS   24
#define DIGIT_BITS   30
#define DIGITS_MOST  3 /* of 64 bits */
#define THREADS_MOST 100000

struct reading {
	struct pypages *pages;
	struct pytypes *types;
	uint32_t version;
	char name[128]; /* of the thread in hand; "" when it has none */
};

/* An int that is no less than 0; 0 where it is another, or too large. */
static uint64_t int_of(const struct reading *r, uint64_t object)
{
	uint64_t size, value = 0;
	uint32_t digit;

	if (!pypages_word(r->pages, object + INT_SIZE, &size))
		return 0;
	if (r->version >= 0x030c)
		size = size & 3 ? 0 : size >> 3; /* bits 0 and 1: its sign */
	for (uint64_t i = 0; size <= DIGITS_MOST && i < size; i++) {
		if (!pypages_read(r->pages, object + INT_DIGITS + 4 * i, &digit,
				  sizeof(digit)))
			return 0;
		value |= (uint64_t)digit << (DIGIT_BITS * i);
	}
	return value;
}

static void take_name(void *context, const struct pyref *ref)
{
	struct reading *r = context;
	char key[16];

	if (ref->kind != PYREF_NAME || !ref->key ||
	    !pydict_text(r->pages, r->version, ref->key, key, sizeof(key)) ||
	    strcmp(key, "_name") != 0)
		return;
	if (!pydict_text(r->pages, r->version, ref->to, r->name,
			 sizeof(r->name)))
		r->name[0] = '\0';
}

static void nothing_of_its_own(void *context, uint64_t at, const char *what)
{
	(void)context;
	(void)at;
	(void)what;
}

/* The attribute `_name` of a Thread. */
static const char *name_of(struct reading *r, uint64_t thread)
{
	const struct pytype *type = pytypes_of(r->types, thread);
	const struct pyrefs refs = {
		.pages = r->pages,
		.types = r->types,
		.version = r->version,
		.refer = take_name,
		.own = nothing_of_its_own,
		.context = r,
	};

	r->name[0] = '\0';
	if (type)
		pyrefs_of(&refs, thread, type);
	return r->name;
}

/* threading._active; 0: there is none. */
static uint64_t find_active(const struct reading *r, uint64_t modules)
{
	uint64_t module, dict;

	module = pydict_find(r->pages, r->version, modules, "threading");
	if (!module || !pypages_word(r->pages, module + MODULE_DICT, &dict))
		return 0;
	return pydict_find(r->pages, r->version, dict, "_active");
}

int pythreads_names(const struct remote *from, uint32_t version,
		    uint64_t modules,
		    void (*each)(void *context, uint64_t ident,
				 const char *name),
		    void *context)
{
	struct reading r = { .version = version };
	uint64_t key, value, active;
	struct pydict d;
	int rc = -ENOMEM;

	r.pages = pypages_new(from);
	if (!r.pages)
		return rc;
	r.types = pytypes_new(r.pages, version);
	if (!r.types)
		goto free_pages;
	rc = 0;
	active = find_active(&r, modules);
	if (!active || !pydict_open(&d, r.pages, version, active))
		goto free_types;
	for (int i = 0; i < THREADS_MOST && pydict_next(&d, &key, &value);
	     i++) {
		uint64_t ident = int_of(&r, key);

		if (ident && *name_of(&r, value))
			each(context, ident, r.name);
	}
free_types:
	pytypes_free(r.types);
free_pages:
	pypages_free(r.pages);
	return rc;
}
