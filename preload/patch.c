#include "preload/patch.h"

#include <link.h>

#include "preload/code.h"
#include "preload/image.h"
#include "preload/internal.h"
#include "preload/names.h"
#include "preload/own.h"
#include "preload/prologue.h"
#include "preload/real.h"
#include "preload/sys.h"

#define MAX_FOUND 256
#define PAD_ROOM  80 /* the way to the hook, then the moved prologue */
#define PAD_MOVED 32

struct found {
	char name[48];
	uint64_t address;
	size_t size;
	struct names_entry entry;
	struct prologue prologue;
	enum wire_patch_state state;
	const struct found *same; /* whose code it shares, NULL: its own */
};

static struct {
	struct found at[MAX_FOUND];
	unsigned count;
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
	for (unsigned i = 0; i < found.count; i++)
		if (found.at[i].address == address &&
		    names_equal(found.at[i].name, name))
			return true;
	return false;
}

static void add(const struct image_function *f, uint64_t bias)
{
	uint64_t address = bias + f->address;
	struct names_entry entry;
	struct found *to;

	note_marker(f->name, address);
	if (!names_find(f->name, &entry) || is_there(f->name, address) ||
	    found.count >= MAX_FOUND || length(f->name) >= sizeof(to->name))
		return;
	to = &found.at[found.count++];
	*to = (struct found) {
		.address = address,
		.size = f->size,
		.entry = entry,
	};
	for (size_t i = 0; f->name[i]; i++)
		to->name[i] = f->name[i];
}

static const struct found *find(const char *name)
{
	for (unsigned i = 0; i < found.count; i++)
		if (names_equal(found.at[i].name, name))
			return &found.at[i];
	return NULL;
}

static void drop_family(enum names_family family)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < found.count; i++)
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
	for (unsigned i = 0; i < found.count; i++) {
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
	for (struct found *g = found.at; g < f; g++) {
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
	for (unsigned i = 0; i < found.count; i++)
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

	for (unsigned i = 0; i < found.count; i++) {
		const struct found *f = &found.at[i];

		if (releases(f) && state_of(f) != PATCH_DONE)
			return false;
		if (f->entry.shape.kind == OWN_RELEASE)
			complete[f->entry.family] = true;
	}
	for (unsigned i = 0; i < found.count; i++)
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

static void measure(void)
{
	for (unsigned i = 0; i < found.count; i++) {
		struct found *f = &found.at[i];

		if (is_due(f))
			f->state = prologue_measure((const void *)f->address,
						    f->size, &f->prologue);
	}
}

static uint8_t *put64(uint8_t *at, const void *value)
{
	uint64_t bits = (uint64_t)value;

	for (int i = 0; i < 8; i++)
		*at++ = (uint8_t)(bits >> 8 * i);
	return at;
}

/* movabs $slot, %r9; or push $number of it; then jmp *(%rip) to where. */
static void write_way(uint8_t *pad, unsigned slot, bool careful)
{
	static const uint8_t jump[] = { 0xff, 0x25, 0, 0, 0, 0 };
	const void *to = own_slots[slot].hook;

	if (careful) {
		*pad++ = 0x68;
		*pad++ = (uint8_t)slot;
		for (int i = 0; i < 3; i++)
			*pad++ = 0;
		to = (const void *)own_careful;
	} else {
		*pad++ = 0x49;
		*pad++ = 0xb9;
		pad = put64(pad, &own_slots[slot]);
	}
	for (size_t i = 0; i < sizeof(jump); i++)
		*pad++ = jump[i];
	put64(pad, to);
}

static bool write_pad(uint8_t *pad, unsigned slot, const struct found *f)
{
	uint8_t *moved = pad + PAD_MOVED;

	own_slots[slot].shape = f->entry.shape;
	own_slots[slot].hook = own_hook(f->entry.shape.kind);
	own_slots[slot].original = (own_function *)moved;
	write_way(pad, slot, !found.known[f->entry.family]);
	return prologue_move(&f->prologue, (const void *)f->address, f->address,
			     moved, (uint64_t)moved) != 0;
}

/* What is due, in order of its slots. */
struct plan {
	struct found *functions[OWN_SLOTS];
	struct code_site sites[OWN_SLOTS];
	unsigned count;
	uint8_t *pads;
	size_t size;
};

static enum wire_patch_state plan_sites(struct plan *p)
{
	uint64_t room;

	for (unsigned i = 0; i < found.count; i++) {
		struct found *f = &found.at[i];

		if (!is_due(f))
			continue;
		if (p->count == OWN_SLOTS)
			return PATCH_NO_ROOM;
		p->functions[p->count] = f;
		p->sites[p->count++] = (struct code_site) {
			.address = f->address + f->prologue.kept,
			.size = PROLOGUE_JUMP,
		};
	}
	p->size = ((size_t)p->count * PAD_ROOM + 4095) & ~(size_t)4095;
	room = code_survey(p->sites, p->count, p->size);
	for (unsigned i = 0; i < p->count; i++)
		if (!p->sites[i].sound)
			return PATCH_FORBIDDEN;
	p->pads = room ? code_pages(room, p->size) : NULL;
	return p->pads ? PATCH_DONE : PATCH_NO_ROOM;
}

static enum wire_patch_state plan_pads(struct plan *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (!write_pad(p->pads + (size_t)i * PAD_ROOM, i,
			       p->functions[i]))
			return PATCH_NO_ROOM;
	return code_pages_finish(p->pads, p->size) ? PATCH_DONE
						   : PATCH_FORBIDDEN;
}

static void plan_take_back(struct plan *p, unsigned written)
{
	while (written-- > 0) {
		uint8_t bytes[PROLOGUE_JUMP];

		for (int i = 0; i < PROLOGUE_JUMP; i++)
			bytes[i] = p->sites[written].before[i];
		code_write(&p->sites[written], bytes);
	}
}

/* All entries or none. */
static enum wire_patch_state plan_carry_out(struct plan *p)
{
	uint8_t jump[PROLOGUE_JUMP];

	for (unsigned i = 0; i < p->count; i++) {
		uint64_t pad = (uint64_t)p->pads + (uint64_t)i * PAD_ROOM;

		if (prologue_jump(jump, p->sites[i].address, pad) &&
		    code_write(&p->sites[i], jump))
			continue;
		plan_take_back(p, i);
		return PATCH_FORBIDDEN;
	}
	return PATCH_DONE;
}

static enum wire_patch_state patch(void)
{
	static struct plan plan; /* early stacks can be small */
	enum wire_patch_state state = plan_sites(&plan);

	if (state == PATCH_DONE)
		state = plan_pads(&plan);
	if (state == PATCH_DONE)
		state = plan_carry_out(&plan);
	if (state != PATCH_DONE && plan.pads)
		sys_munmap(plan.pads, plan.size);
	return state;
}

static void collect(void)
{
	struct image_function f;
	struct image image;

	if (!image_open(&image, "/proc/self/exe"))
		return;
	while (image_next(&image, &f))
		add(&f, real_objects()->l_addr);
	image_close(&image);
}

void patch_start(bool wanted)
{
	enum wire_patch_state state;

	if (!real_objects())
		return;
	collect();
	judge();
	if (!found.count)
		return;
	for (unsigned i = 0; i < found.count; i++)
		resolve(&found.at[i]);
	measure();
	if (!wanted)
		state = PATCH_OFF;
	else if (!single_threaded())
		state = PATCH_THREADS;
	else if (has_text_relocations(real_objects()))
		state = PATCH_FORBIDDEN;
	else if (!is_complete())
		state = PATCH_INCOMPLETE;
	else
		state = patch();
	if (state != PATCH_DONE)
		refuse_due(state);
}

void patch_tell(void)
{
	for (unsigned i = 0; i < found.count; i++)
		modules_tell_patch(found.at[i].name, state_of(&found.at[i]));
}

enum slab_allocator patch_allocator(void)
{
	if (!found.count)
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
