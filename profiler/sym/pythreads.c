#include "profiler/sym/pythreads.h"

#include <errno.h>
#include <stdbool.h>

#include "profiler/proc/remote.h"
#include "profiler/sym/pyattr.h"
#include "profiler/sym/pydict.h"
#include "profiler/sym/pypages.h"
#include "profiler/sym/pytypes.h"

#define THREADS_MOST 100000

struct reading {
	struct pypages *pages;
	struct pytypes *types;
	uint32_t version;
};

/* The attribute `_name` of a Thread; false: it has none. */
static bool name_of(const struct reading *r, uint64_t thread, char *to,
		    size_t size)
{
	uint64_t name = pyattr(r->pages, r->types, r->version, thread, "_name");

	return name && pydict_text(r->pages, r->version, name, to, size);
}

/* What it was told by the kernel as it began. */
static int32_t tid_of(const struct reading *r, uint64_t thread)
{
	uint64_t tid =
		pyattr(r->pages, r->types, r->version, thread, "_native_id");

	return tid ? (int32_t)pyattr_int(r->pages, r->version, tid) : 0;
}

int pythreads_names(const struct remote *from, uint32_t version,
		    uint64_t modules,
		    void (*each)(void *context, uint64_t ident, int32_t tid,
				 const char *name),
		    void *context)
{
	struct reading r = { .version = version };
	uint64_t key, value, active;
	struct pydict d;
	char name[128];
	int rc = -ENOMEM;

	r.pages = pypages_new(from);
	if (!r.pages)
		return rc;
	r.types = pytypes_new(r.pages, version);
	if (!r.types)
		goto free_pages;
	rc = 0;
	active = pyattr_global(r.pages, version, modules, "threading",
			       "_active");
	if (!active || !pydict_open(&d, r.pages, version, active))
		goto free_types;
	for (int i = 0; i < THREADS_MOST && pydict_next(&d, &key, &value);
	     i++) {
		uint64_t ident = pyattr_int(r.pages, version, key);

		if (ident && name_of(&r, value, name, sizeof(name)))
			each(context, ident, tid_of(&r, value), name);
	}
free_types:
	pytypes_free(r.types);
free_pages:
	pypages_free(r.pages);
	return rc;
}
