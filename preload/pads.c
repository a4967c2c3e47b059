#include "preload/pads.h"

#include "preload/code.h"
#include "preload/sys.h"
#include "profiler/wire/late.h"

#define PAD_ROOM  80 /* the way to the hook, then the moved prologue */
#define PAD_MOVED 32

static unsigned slots; /* of own_slots in use */

/* What is done at once: sites[i] is of entries[i]. */
static struct {
	struct code_site sites[OWN_SLOTS];
	uint8_t *pads;
	size_t size;
} work; /* early stacks can be small */

static struct {
	struct late_code codes[LATE_CODES];
	const char *paths[LATE_CODES];
	unsigned count;
} later;
_Static_assert(LATE_CODES >= OWN_SLOTS, "no more can be noted");

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

/* How to call a function that is to be muted: it may be patched as well. */
static const void *way_to(const struct pads_entry *muted,
			  const struct pads_entry *entries)
{
	for (const struct pads_entry *e = entries; e < muted; e++)
		if (e->address == muted->address)
			return e->original;
	return (const void *)muted->address;
}

static bool write_pad(uint8_t *pad, unsigned slot, struct pads_entry *e,
		      const struct pads_entry *entries)
{
	uint8_t *moved = pad + PAD_MOVED;

	own_slots[slot].shape = e->shape;
	own_slots[slot].hook = own_hook(&e->shape);
	write_way(pad, slot, e->careful);
	if (e->shape.kind == OWN_MUTED) {
		own_slots[slot].original = (own_function *)way_to(e, entries);
		e->original = pad;
		return true;
	}
	own_slots[slot].original = (own_function *)moved;
	e->original = moved;
	return prologue_move(&e->prologue, (const void *)e->address, e->address,
			     moved, (uint64_t)moved) != 0;
}

static enum wire_patch_state find_room(const struct pads_entry *entries,
				       unsigned count, const char *path)
{
	uint64_t room;

	for (unsigned i = 0; i < count; i++)
		work.sites[i] = (struct code_site) {
			.address =
				entries[i].address + entries[i].prologue.kept,
			.size = PROLOGUE_JUMP,
			.path = path,
		};
	work.size = ((size_t)count * PAD_ROOM + 4095) & ~(size_t)4095;
	room = code_survey(work.sites, count, work.size);
	for (unsigned i = 0; i < count; i++)
		if (!work.sites[i].sound)
			return PATCH_FORBIDDEN;
	work.pads = room ? code_pages(room, work.size) : NULL;
	return work.pads ? PATCH_DONE : PATCH_NO_ROOM;
}

static enum wire_patch_state write_pads(struct pads_entry *entries,
					unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!write_pad(work.pads + (size_t)i * PAD_ROOM, slots + i,
			       &entries[i], entries))
			return PATCH_NO_ROOM;
	return code_pages_finish(work.pads, work.size) ? PATCH_DONE
						       : PATCH_FORBIDDEN;
}

static void take_back(const struct pads_entry *entries, unsigned written)
{
	while (written-- > 0) {
		uint8_t bytes[PROLOGUE_JUMP];

		if (entries[written].shape.kind == OWN_MUTED)
			continue;
		for (int i = 0; i < PROLOGUE_JUMP; i++)
			bytes[i] = work.sites[written].before[i];
		code_write(&work.sites[written], bytes);
	}
}

static enum wire_patch_state write_entries(const struct pads_entry *entries,
					   unsigned count)
{
	uint8_t jump[PROLOGUE_JUMP];

	for (unsigned i = 0; i < count; i++) {
		uint64_t pad = (uint64_t)work.pads + (uint64_t)i * PAD_ROOM;

		if (entries[i].shape.kind == OWN_MUTED ||
		    (prologue_jump(jump, work.sites[i].address, pad) &&
		     code_write(&work.sites[i], jump)))
			continue;
		take_back(entries, i);
		return PATCH_FORBIDDEN;
	}
	return PATCH_DONE;
}

static enum wire_patch_state note_entries(const struct pads_entry *entries,
					  unsigned count)
{
	unsigned first = later.count;

	for (unsigned i = 0; i < count; i++) {
		const struct code_site *site = &work.sites[i];
		uint64_t pad = (uint64_t)work.pads + (uint64_t)i * PAD_ROOM;
		struct late_code *c = &later.codes[later.count];

		if (entries[i].shape.kind == OWN_MUTED)
			continue;
		*c = (struct late_code) {
			.address = site->address,
			.size = PROLOGUE_JUMP,
			.moved = entries[i].prologue.moved,
		};
		for (int b = 0; b < PROLOGUE_JUMP; b++)
			c->before[b] = ((const uint8_t *)site->address)[b];
		if (!prologue_jump(c->after, site->address, pad)) {
			later.count = first;
			return PATCH_NO_ROOM;
		}
		later.paths[later.count++] = site->path;
	}
	return PATCH_DONE;
}

const struct late_code *pads_later(unsigned *count)
{
	*count = later.count;
	return later.codes;
}

static bool is_written(const struct late_code *c)
{
	uint8_t now[PROLOGUE_JUMP];
	bool same = sys_peek(now, c->address, sizeof(now)) == 0;

	for (int b = 0; b < PROLOGUE_JUMP; b++)
		same &= now[b] == c->after[b];
	return same;
}

void pads_restore(void)
{
	for (unsigned i = 0; i < later.count; i++) {
		const struct late_code *c = &later.codes[i];
		struct code_site site = {
			.address = c->address,
			.size = c->size,
			.path = later.paths[i],
		};

		if (code_survey(&site, 1, 0), site.sound && is_written(c))
			code_write(&site, c->before);
	}
}

enum wire_patch_state pads_redirect(struct pads_entry *entries, unsigned count,
				    const char *path, bool wait)
{
	enum wire_patch_state state;

	if (slots + count > OWN_SLOTS)
		return PATCH_NO_ROOM;
	work.pads = NULL;
	state = find_room(entries, count, path);
	if (state == PATCH_DONE)
		state = write_pads(entries, count);
	if (state == PATCH_DONE)
		state = wait ? note_entries(entries, count)
			     : write_entries(entries, count);
	if (state == PATCH_DONE)
		slots += count;
	else if (work.pads)
		sys_munmap(work.pads, work.size);
	return state;
}
