#include "preload/patch.h"

#include <link.h>

#include "preload/image.h"
#include "preload/internal.h"
#include "preload/own.h"
#include "preload/pads.h"
#include "preload/prologue.h"
#include "preload/real.h"
#include "preload/sys.h"
#include "profiler/alloc/names.h"

#define MAX_FOUND 256

struct found {
	char name[48];
	uint64_t address;
	size_t size;
	struct names_entry entry;
	struct prologue prologue;
	enum wire_patch_state state;
	const struct found *same; /* whose code it shares, NULL: its own */
	const char *library;	  /* its file, NULL: the program's */
};

static struct {
	struct found at[MAX_FOUND];
	unsigned first, count; /* of the object in hand; of all */
	bool program;	       /* it has functions of its own */
	bool exports;	       /* the library in hand has some */
	void *mallctl, *tcmalloc_property;
	/* Of these it is known that a compiler takes them for any function. */
	bool known[NAMES_NFAMILIES];
} found;

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

static void note_marker(const char *name, uint64_t address)
{
	const char *bare = names_past_prefix(name);

	if (names_equal(name, "mallctl") ||
	    (bare && names_equal(bare, "mallctl")))
		found.mallctl = (void *)address;
	else if (names_equal(name, "MallocExtension_GetNumericProperty"))
		found.tcmalloc_property = (void *)address;
}

/* The symbol tables repeat each other: each function once. */
static bool is_there(const char *name, uint64_t address)
{
	for (unsigned i = found.first; i < found.count; i++)
		if (found.at[i].address == address &&
		    names_equal(found.at[i].name, name))
			return true;
	return false;
}

static void add(const struct image_function *f, uint64_t address,
		const char *library)
{
	struct names_entry entry;
	struct found *to;

	if (!names_find(f->name, &entry) || is_there(f->name, address) ||
	    found.count >= MAX_FOUND || length(f->name) >= sizeof(to->name))
		return;
	to = &found.at[found.count++];
	*to = (struct found) {
		.address = address,
		.size = f->size,
		.entry = entry,
		.library = library,
	};
	for (size_t i = 0; f->name[i]; i++)
		to->name[i] = f->name[i];
}

static const struct found *find(const char *name)
{
	for (unsigned i = found.first; i < found.count; i++)
		if (names_equal(found.at[i].name, name))
			return &found.at[i];
	return NULL;
}

static void drop_family(enum names_family family)
{
	unsigned kept = found.first;

	for (unsigned i = found.first; i < found.count; i++)
		if (found.at[i].entry.family != family)
			found.at[kept++] = found.at[i];
	found.count = kept;
}

/*
 * A function called free may be anything; with malloc and realloc beside it,
 * it is an allocator's.  Without an allocator operator new calls a malloc
 * that is interposed.
 */
static void judge(void)
{
	unsigned others = 0;

	if (!find("malloc") || !find("free") || !find("realloc"))
		drop_family(NAMES_PLAIN);
	for (unsigned i = found.first; i < found.count; i++) {
		enum names_family family = found.at[i].entry.family;

		others += family != NAMES_OPERATOR;
		if (family > NAMES_OPERATOR)
			found.known[family] = true;
	}
	if (!others)
		drop_family(NAMES_OPERATOR);
	if (found.mallctl || found.known[NAMES_TCMALLOC] ||
	    found.known[NAMES_MIMALLOC])
		found.known[NAMES_PLAIN] = found.known[NAMES_OPERATOR] = true;
}

static bool same_shape(const struct own_shape *a, const struct own_shape *b)
{
	return a->kind == b->kind && a->at == b->at;
}

/* One function of several names is patched once; one name, one function. */
static void resolve(struct found *f)
{
	for (struct found *g = found.at + found.first; g < f; g++) {
		if (g->address == f->address && !g->same) {
			f->same = g;
			if (!same_shape(&g->entry.shape, &f->entry.shape))
				g->state = PATCH_AMBIGUOUS;
			return;
		}
		if (names_equal(g->name, f->name))
			f->state = g->state = PATCH_AMBIGUOUS;
	}
}

static enum wire_patch_state state_of(const struct found *f)
{
	return f->same ? f->same->state : f->state;
}

static bool is_due(const struct found *f)
{
	return f->state == PATCH_DONE && !f->same;
}

static void refuse_due(enum wire_patch_state state)
{
	for (unsigned i = found.first; i < found.count; i++)
		if (is_due(&found.at[i]))
			found.at[i].state = state;
}

static bool releases(const struct found *f)
{
	enum own_kind kind = f->entry.shape.kind;

	return kind == OWN_RELEASE || kind == OWN_RESIZE ||
	       kind == OWN_REARRAY || kind == OWN_REPLACE;
}

/* Blocks whose release nobody sees would all look leaked. */
static bool is_complete(void)
{
	bool complete[NAMES_NFAMILIES] = { 0 };

	for (unsigned i = found.first; i < found.count; i++) {
		const struct found *f = &found.at[i];

		if (releases(f) && state_of(f) != PATCH_DONE)
			return false;
		if (f->entry.shape.kind == OWN_RELEASE)
			complete[f->entry.family] = true;
	}
	for (unsigned i = found.first; i < found.count; i++)
		if (!complete[found.at[i].entry.family])
			return false;
	return true;
}

/* "Threads:\t1" of /proc/self/status. */
static bool single_threaded(void)
{
	static const char key[] = "\nThreads:\t1\n";
	char text[4096];
	int fd = sys_open("/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
	long size = fd < 0 ? 0 : sys_read(fd, text, sizeof(text));

	if (fd >= 0)
		sys_close(fd);
	for (long at = 0; at + (long)sizeof(key) - 1 <= size; at++) {
		size_t i = 0;

		while (key[i] && text[at + (long)i] == key[i])
			i++;
		if (!key[i])
			return true;
	}
	return false;
}

static bool has_text_relocations(const struct link_map *map)
{
	for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_TEXTREL ||
		    (d->d_tag == DT_FLAGS && d->d_un.d_val & DF_TEXTREL))
			return true;
	return false;
}

/* A moved call returns to where no call stands: a shadow stack objects. */
static bool has_shadow_stack(void)
{
	uint64_t features = 0;

	return sys3(SYS_arch_prctl, 0x5005 /* ARCH_SHSTK_STATUS */,
		    (long)&features, 0) == 0 &&
	       features;
}

static void measure(void)
{
	for (unsigned i = found.first; i < found.count; i++) {
		struct found *f = &found.at[i];

		if (is_due(f))
			f->state = prologue_measure((const void *)f->address,
						    f->size, &f->prologue);
	}
}

/* What the exported hooks call of a library whose functions are patched. */
static unsigned add_muted(struct pads_entry *entries, unsigned count,
			  const struct link_map *library)
{
	const void *functions[64];
	unsigned n = real_of(library, functions, 64);

	for (unsigned i = 0; i < n && count < OWN_SLOTS; i++)
		entries[count++] = (struct pads_entry) {
			.address = (uint64_t)functions[i],
			.shape = { .kind = OWN_MUTED },
		};
	return count;
}

/* A tool came, and writes what is to be written. */
static bool by_tool(void)
{
	return shim.late && !shim.idle;
}

static enum wire_patch_state redirect(const struct link_map *map,
				      const char *path)
{
	static struct pads_entry entries[OWN_SLOTS]; /* early stacks */
	enum wire_patch_state state;
	bool prefixed = false;
	unsigned count = 0;

	for (unsigned i = found.first; i < found.count; i++) {
		const struct found *f = &found.at[i];

		if (!is_due(f))
			continue;
		prefixed |= f->entry.family > NAMES_OPERATOR;
		if (count == OWN_SLOTS)
			return PATCH_NO_ROOM;
		entries[count++] = (struct pads_entry) {
			.address = f->address,
			.prologue = f->prologue,
			.shape = f->entry.shape,
			.careful = !f->library && !found.known[f->entry.family],
		};
	}
	if (!count)
		return PATCH_DONE;
	if (prefixed) /* jemalloc's malloc does not call mallocx */
		count = add_muted(entries, count, map);
	state = pads_redirect(entries, count, path, by_tool());
	for (unsigned i = 0; i < count && state == PATCH_DONE; i++)
		if (entries[i].shape.kind == OWN_MUTED)
			real_replace((const void *)entries[i].address,
				     entries[i].original);
	return state;
}

/* What was found in one object, whose file is @path. */
static void patch(const struct link_map *map, const char *path, bool wanted)
{
	enum wire_patch_state state;

	for (unsigned i = found.first; i < found.count; i++)
		resolve(&found.at[i]);
	measure();
	if (!wanted)
		state = PATCH_OFF;
	else if (!by_tool() && !single_threaded())
		state = PATCH_THREADS;
	else if (has_text_relocations(map) || has_shadow_stack())
		state = PATCH_FORBIDDEN;
	else if (!is_complete())
		state = PATCH_INCOMPLETE;
	else
		state = redirect(map, path);
	if (state != PATCH_DONE)
		refuse_due(state);
}

static void patch_program(bool wanted)
{
	static const char path[] = "/proc/self/exe";
	const struct link_map *map = real_objects();
	struct image_function f;
	struct image image;

	if (!map || !image_open(&image, path))
		return;
	while (image_next(&image, &f)) {
		note_marker(f.name, map->l_addr + f.address);
		add(&f, map->l_addr + f.address, NULL);
	}
	image_close(&image);
	judge();
	found.program = found.count > 0;
	if (found.program)
		patch(map, path, wanted);
}

/* Not interposed, since a program that finds mallocx takes it for jemalloc. */
static bool is_more(const char *name)
{
	struct names_entry entry;

	return names_find(name, &entry) && names_is_more(name, &entry);
}

static void any_export(void *map, const char *name)
{
	found.exports |= real_export(map, name) != NULL;
}

/*
 * An allocator's library exports more than malloc.  Where another object
 * calls that, its entries are patched, too.
 */
static void patch_library(const struct link_map *map, bool wanted)
{
	struct image_function f;
	struct image image;

	found.exports = false;
	names_each(any_export, (void *)map);
	if (!found.exports || !real_imports(is_more, map) ||
	    !image_open(&image, map->l_name))
		return;
	found.first = found.count;
	while (image_next(&image, &f)) {
		uint64_t address = map->l_addr + f.address;

		/* The file may have been replaced since it was loaded. */
		if (is_more(f.name) &&
		    (uint64_t)real_export(map, f.name) == address)
			add(&f, address, map->l_name);
	}
	image_close(&image);
	if (found.count > found.first)
		patch(map, map->l_name, wanted);
}

static void patch_libraries(bool wanted)
{
	for (const struct link_map *map = real_objects(); map;
	     map = map->l_next)
		if (!real_is_ours(map) && map->l_name && map->l_name[0] == '/')
			patch_library(map, wanted);
}

void patch_start(bool wanted)
{
	if (by_tool() || found.count)
		return;
	patch_program(wanted);
	patch_libraries(wanted);
}

void patch_find_program(void)
{
	if (!found.count)
		patch_program(true);
}

void patch_find_libraries(void)
{
	static bool looked;

	if (!looked)
		patch_libraries(true);
	looked = true;
}

void patch_settle(bool written)
{
	for (unsigned i = 0; i < found.count; i++) {
		struct found *f = &found.at[i];

		if (!f->same &&
		    (f->state == PATCH_DONE || f->state == PATCH_BUSY))
			f->state = written ? PATCH_DONE : PATCH_BUSY;
	}
}

void patch_tell(void)
{
	for (unsigned i = 0; i < found.count; i++) {
		const struct found *f = &found.at[i];

		modules_tell_patch(f->name,
				   f->library ? f->library : shim.file->exe,
				   state_of(f));
	}
}

enum slab_allocator patch_allocator(void)
{
	if (!found.program)
		return SLAB_ALLOCATOR_UNKNOWN;
	if (found.mallctl)
		return SLAB_ALLOCATOR_JEMALLOC;
	if (found.known[NAMES_TCMALLOC])
		return SLAB_ALLOCATOR_TCMALLOC;
	return found.known[NAMES_MIMALLOC] ? SLAB_ALLOCATOR_MIMALLOC
					   : SLAB_ALLOCATOR_OTHER;
}

void *patch_allocator_function(const char *name)
{
	if (names_equal(name, "mallctl"))
		return found.mallctl;
	return names_equal(name, "MallocExtension_GetNumericProperty")
		       ? found.tcmalloc_property
		       : NULL;
}
