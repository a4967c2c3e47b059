#include "preload/own.h"

#include "preload/internal.h"

struct own_slot own_slots[OWN_SLOTS];

/* What the hooks take: the arguments, and from the pad the slot. */
#define PARAMS                                                           \
	uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, \
		const struct own_slot *slot
#define CALL slot->original(a, b, c, d, e)

static inline uintptr_t argument(uintptr_t a, uintptr_t b, uintptr_t c,
				 unsigned at)
{
	return at == 0 ? a : at == 1 ? b : c;
}

static inline size_t product(size_t count, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes;
}

/* The credit to give back to unmute(). */
static inline int64_t mute(void)
{
	int64_t credit = self.credit;

	if (likely(credit < MUTED))
		self.credit_kept = credit;
	self.credit = 2 * MUTED;
	return credit;
}

static inline void unmute(int64_t credit)
{
	self.credit = credit;
}

/*
 * operator new throws through its hook.  The hook must not stay muted then,
 * and needs no landing pad for it: the unwinder asks each frame's personality
 * on its way, and this one only puts the credit back.
 */
#define PHASE_CLEANUP	2
#define CONTINUE_UNWIND 8

__attribute__((used, visibility("hidden"))) int own_personality(int version,
								int actions,
								uint64_t class,
								void *exception,
								void *context)
{
	(void)version;
	(void)class;
	(void)exception;
	(void)context;
	if (actions & PHASE_CLEANUP && self.credit >= MUTED)
		self.credit = self.credit_kept;
	return CONTINUE_UNWIND;
}

/* 0x1b: a distance of four bytes from where it stands. */
#define WITH_PERSONALITY \
	__asm__ volatile(".cfi_personality 0x1b, own_personality")

static inline uintptr_t allocated(uintptr_t p, size_t size, unsigned api)
{
	if (likely(p) && sample_due(size))
		return (uintptr_t)alloc_slow((void *)p, size, api);
	return p;
}

static uintptr_t own_alloc(PARAMS)
{
	size_t size = argument(a, b, c, slot->shape.at);
	int64_t credit = mute();
	uintptr_t p;

	WITH_PERSONALITY;
	p = CALL;
	unmute(credit);
	return allocated(p, size, slot->shape.api);
}

/* malloc itself: nothing but the size and the slot outlive the call. */
static uintptr_t own_malloc(PARAMS)
{
	int64_t credit = mute();
	uintptr_t p;

	WITH_PERSONALITY;
	p = CALL;
	unmute(credit);
	return allocated(p, a, slot->shape.api);
}

static uintptr_t own_array(PARAMS)
{
	size_t size = product(argument(a, b, c, slot->shape.at),
			      argument(a, b, c, slot->shape.at + 1u));
	int64_t credit = mute();
	uintptr_t p;

	WITH_PERSONALITY;
	p = CALL;
	unmute(credit);
	return allocated(p, size, slot->shape.api);
}

static uintptr_t own_store(PARAMS)
{
	int64_t credit = mute();
	uintptr_t error = CALL;

	unmute(credit);
	if ((int)error == 0)
		allocated(*(uintptr_t *)a, c, slot->shape.api);
	return error;
}

static uintptr_t own_text(PARAMS)
{
	int64_t credit = mute();
	uintptr_t p = CALL;
	size_t size = 0;

	unmute(credit);
	if (!p)
		return 0;
	while (((const char *)p)[size])
		size++;
	return allocated(p, size + 1, slot->shape.api);
}

static inline bool release(uintptr_t block)
{
	return unlikely(filter_hit((void *)block)) &&
	       record_release((void *)block);
}

/*
 * As realloc in hooks.c: the release goes on record first, a failure takes it
 * back.  NULL for size 0 is not a failure where it frees.
 */
static inline uintptr_t resize(PARAMS, uintptr_t old, size_t size)
{
	bool recorded = old && release(old);
	int64_t credit = mute();
	uintptr_t p;

	WITH_PERSONALITY;
	p = CALL;
	unmute(credit);
	if (unlikely(!p) && recorded && size && slot->shape.kind != OWN_REPLACE)
		record_unrelease((void *)old);
	return allocated(p, size, slot->shape.api);
}

static uintptr_t own_resize(PARAMS)
{
	unsigned at = slot->shape.at;

	return resize(a, b, c, d, e, slot, argument(a, b, c, at),
		      argument(a, b, c, at + 1));
}

static uintptr_t own_rearray(PARAMS)
{
	uintptr_t old = slot->shape.at ? b : a;
	size_t size = slot->shape.at ? product(c, d) : product(b, c);

	return resize(a, b, c, d, e, slot, old, size);
}

/* The block stays where it is, so its release can follow. */
static inline void resized(uintptr_t block, size_t size)
{
	release(block);
	if (sample_due(size))
		alloc_slow((void *)block, size, API_REALLOC);
}

static uintptr_t own_expand(PARAMS)
{
	int64_t credit = mute();
	uintptr_t p = CALL;

	unmute(credit);
	if (p)
		resized(a, b);
	return p;
}

static uintptr_t own_xallocx(PARAMS)
{
	int64_t credit = mute();
	size_t size = CALL, wanted;

	unmute(credit);
	if (size < b)
		return size; /* it is what it was */
	if (__builtin_add_overflow(b, c, &wanted) || wanted > size)
		wanted = size;
	resized(a, wanted);
	return size;
}

static uintptr_t own_release(PARAMS)
{
	uintptr_t nothing;
	int64_t credit;

	release(a);
	/* A sample is released once, whoever asks again: no need to mute. */
	if (likely(shim.mode == SLAB_MODE_SAMPLE))
		return CALL;
	credit = mute();
	nothing = CALL;
	unmute(credit);
	return nothing;
}

/* The hook of malloc calls the library's, which may call what is patched. */
static uintptr_t own_muted(PARAMS)
{
	int64_t credit = mute();
	uintptr_t result;

	WITH_PERSONALITY;
	result = CALL;
	unmute(credit);
	return result;
}

const void *own_hook(const struct own_shape *shape)
{
	static const void *const hooks[OWN_NKINDS] = {
		[OWN_ALLOC] = own_alloc,     [OWN_ARRAY] = own_array,
		[OWN_STORE] = own_store,     [OWN_TEXT] = own_text,
		[OWN_RESIZE] = own_resize,   [OWN_REARRAY] = own_rearray,
		[OWN_REPLACE] = own_resize,  [OWN_EXPAND] = own_expand,
		[OWN_XALLOCX] = own_xallocx, [OWN_RELEASE] = own_release,
		[OWN_MUTED] = own_muted,
	};

	if (shape->kind == OWN_ALLOC && shape->at == 0)
		return own_malloc;
	return hooks[shape->kind];
}
