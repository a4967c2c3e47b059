/*
 * stack: see stack.h.
 *
 * The walk goes from the leaf outwards into `fresh`.  At every frame it looks
 * whether the previous stack had the same activation there: same sp, same pc,
 * same bp.  If so, the words that held the return addresses further out (and
 * the saved bp's that mattered) are compared with what they were; when none
 * has changed, every step from here would go as before, so the outer part is
 * kept as it is.  When one has changed, the walk goes on to just there.
 */
#include "profiler/unwind/stack.h"
#include "profiler/unwind/cfi.h"
#include "profiler/unwind/rules.h"

#define CACHE_BITS 9 /* 512 rules, 8 KiB a thread */

struct cached_rule {
	uint64_t pc; /* looked up, ^ generation */
	uint64_t packed;
};

/* What the next unwind needs to know of a frame besides its public part. */
struct activation {
	uint64_t bp;
	uint64_t ra_slot; /* where its return address lies; 0 at the root */
	uint64_t bp_slot; /* where its caller's bp lies, if that mattered */
};

struct stack {
	struct stack_frame frames[STACK_MAX_FRAMES]; /* root first */
	struct activation kept[STACK_MAX_FRAMES];    /* of frames[] */
	struct stack_frame fresh[STACK_MAX_FRAMES];  /* leaf first */
	struct activation fresh_kept[STACK_MAX_FRAMES];
	unsigned count;
	uint32_t generation;
	enum stack_end end;
	uint64_t missing_pc;
	struct cached_rule cache[1 << CACHE_BITS];
};

/* Where a walk stands. */
struct walk {
	struct stack_regs regs;
	const struct stack_bounds *bounds;
	const struct unwind_modules *modules;
	struct rules *rules;
	bool exact;   /* pc is not a return address */
	bool full;    /* all registers are tracked */
	int bp_owner; /* fresh frame that loaded the present bp, or -1 */
	uint64_t missing_pc;
};

size_t stack_size(void)
{
	return sizeof(struct stack);
}

struct stack *stack_init(void *memory)
{
	return memory;
}

void stack_forget(struct stack *s)
{
	s->count = 0;
}

struct stack_frame *stack_frames(struct stack *s, unsigned *count)
{
	*count = s->count;
	return s->frames;
}

enum stack_end stack_end(const struct stack *s)
{
	return s->end;
}

uint64_t stack_missing_pc(const struct stack *s)
{
	return s->end == STACK_BROKEN ? s->missing_pc : 0;
}

static inline bool load(const struct stack_bounds *b, uint64_t at,
			uint64_t *value)
{
	if (at < b->low || at > b->high - 8 || at & 7)
		return false;
	*value = *(const uint64_t *)at;
	return true;
}

static const struct unwind_module *find_module(const struct unwind_modules *m,
					       uint64_t pc)
{
	uint32_t low = 0, high = m ? m->count : 0;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (pc < m->at[middle].start)
			high = middle;
		else if (pc >= m->at[middle].end)
			low = middle + 1;
		else
			return &m->at[middle];
	}
	return 0;
}

/* 0: no module covers @pc; such answers are not cached. */
__attribute__((cold, noinline)) static uint64_t rule_slow(const struct walk *w,
							  uint64_t pc,
							  uint64_t key)
{
	const struct unwind_module *m = find_module(w->modules, pc);
	struct cfi_rule rule;
	uint64_t packed;

	if (!m)
		return 0;
	cfi_rule(m, pc, &rule);
	packed = cfi_pack(&rule);
	rules_put(w->rules, key, packed);
	return packed;
}

static inline uint64_t rule_of(struct stack *s, const struct walk *w,
			       uint64_t pc)
{
	uint64_t key = pc ^ (uint64_t)w->modules->generation << 48;
	struct cached_rule *c =
		&s->cache[(key * 0x9e3779b97f4a7c15ULL) >> (64 - CACHE_BITS)];
	uint64_t packed;

	if (__builtin_expect(c->pc == key, 1))
		return c->packed;
	if (!rules_get(w->rules, key, &packed)) {
		packed = rule_slow(w, pc, key);
		if (!packed)
			return 0;
	}
	c->pc = key;
	c->packed = packed;
	return packed;
}

/* Offsets in the kernel's struct ucontext, which lies at sp (x86-64 ABI). */
#define UCONTEXT_R12 72
#define UCONTEXT_RBP 120
#define UCONTEXT_RBX 128
#define UCONTEXT_RSP 160
#define UCONTEXT_RIP 168

static bool step_signal(struct walk *w)
{
	struct stack_regs *r = &w->regs;
	uint64_t at = r->sp;

	if (!load(w->bounds, at + UCONTEXT_RIP, &r->pc) ||
	    !load(w->bounds, at + UCONTEXT_RBP, &r->bp) ||
	    !load(w->bounds, at + UCONTEXT_RBX, &r->bx) ||
	    !load(w->bounds, at + UCONTEXT_R12, &r->r12) ||
	    !load(w->bounds, at + UCONTEXT_R12 + 8, &r->r13) ||
	    !load(w->bounds, at + UCONTEXT_R12 + 16, &r->r14) ||
	    !load(w->bounds, at + UCONTEXT_R12 + 24, &r->r15) ||
	    !load(w->bounds, at + UCONTEXT_RSP, &r->sp))
		return false;
	w->exact = true;
	return true;
}

enum step { STEPPED, ENDED, FAILED, NEEDS_FULL };

static enum step step_full(struct walk *w, uint64_t pc, uint64_t *ra_slot)
{
	const struct unwind_module *m = find_module(w->modules, pc);
	uint64_t sp = w->regs.sp;

	if (!m || !cfi_step_full(m, pc, &w->regs, w->bounds, ra_slot) ||
	    w->regs.sp <= sp)
		return FAILED;
	return STEPPED;
}

/* CFI_SP and CFI_BP are nearly all; kept small for the inliner. */
static inline enum step step(struct stack *s, struct walk *w, unsigned depth)
{
	uint64_t pc = w->exact ? w->regs.pc : w->regs.pc - 1;
	uint64_t packed = rule_of(s, w, pc);
	struct activation *a = &s->fresh_kept[depth];
	struct cfi_rule rule = cfi_unpack(packed);
	uint64_t cfa, sp = w->regs.sp, bp = w->regs.bp;

	if (__builtin_expect(!packed, 0)) {
		w->missing_pc = pc;
		return FAILED;
	}
	w->exact = false;
	switch (rule.kind) {
	case CFI_SP:
		cfa = sp + (uint64_t)(int64_t)rule.cfa_offset;
		break;
	case CFI_BP:
		cfa = bp + (uint64_t)(int64_t)rule.cfa_offset;
		if (w->bp_owner >= 0)
			s->fresh_kept[w->bp_owner].bp_slot |= 1;
		break;
	case CFI_BP_LOAD:
		if (!load(w->bounds, bp + (uint64_t)(int64_t)rule.cfa_offset,
			  &cfa))
			return FAILED;
		if (w->bp_owner >= 0)
			s->fresh_kept[w->bp_owner].bp_slot |= 1;
		break;
	case CFI_PLT:
		cfa = sp + 8 + ((pc & 15) >= 11 ? 8 : 0);
		break;
	case CFI_SIGNAL:
		return step_signal(w) && w->regs.sp > sp ? STEPPED : FAILED;
	case CFI_END:
		return ENDED;
	case CFI_FULL:
		return w->full ? step_full(w, pc, &a->ra_slot) : NEEDS_FULL;
	default:
		return FAILED;
	}
	if (w->full)
		return step_full(w, pc, &a->ra_slot);
	a->ra_slot = cfa - 8;
	if (cfa <= sp || !load(w->bounds, cfa - 8, &w->regs.pc))
		return FAILED;
	if (rule.bp != CFI_BP_SAME) {
		uint64_t slot = (rule.bp == CFI_BP_AT_CFA ? cfa : bp) +
				(uint64_t)(int64_t)rule.bp_offset;

		if (!load(w->bounds, slot, &w->regs.bp))
			return FAILED;
		a->bp_slot = slot; /* aligned; bit 0: it mattered */
		w->bp_owner = (int)depth;
	}
	w->regs.sp = cfa;
	return w->regs.pc ? STEPPED : ENDED;
}

/*
 * Frame @j of the previous stack is the activation we are at.  True when all
 * that it was unwound by still stands; else *@from is the outermost frame
 * whose callers have changed.
 */
static bool outer_unchanged(const struct stack *s, int j, int *from)
{
	for (int k = j; k > 0; k--) {
		const struct activation *a = &s->kept[k];

		if (!a->ra_slot ||
		    *(const uint64_t *)a->ra_slot != s->frames[k - 1].pc ||
		    (a->bp_slot &&
		     *(const uint64_t *)a->bp_slot != s->kept[k - 1].bp)) {
			*from = k;
			return false;
		}
	}
	return true;
}

/*
 * The index of the previous stack's frame that is the same activation as
 * @regs, outer part verified; -1 when there is none.  *@cursor only moves
 * outwards.
 */
static inline int join(const struct stack *s, const struct walk *w, int *cursor)
{
	const struct stack_regs *regs = &w->regs;
	int j = *cursor, from;

	while (j >= 0 && s->frames[j].sp < regs->sp)
		j--;
	*cursor = j;
	if (j < 0 || s->frames[j].sp != regs->sp ||
	    s->frames[j].pc != regs->pc || s->kept[j].bp != regs->bp ||
	    (s->frames[j].flags & STACK_EXACT_PC) != (w->exact ? 1u : 0u))
		return -1;
	if (outer_unchanged(s, j, &from))
		return j;
	*cursor = from - 1;
	return -1;
}

static inline uint64_t mix(uint64_t hash, const struct stack_frame *f)
{
	uint64_t x = (hash ^ (f->pc << 1 | f->flags)) * 0x9e3779b97f4a7c15ULL;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 32;
	return x ? x : 1;
}

/* Put the fresh frames, leaf first, after the @joined kept ones. */
static void merge(struct stack *s, unsigned joined, unsigned fresh,
		  uint64_t seed)
{
	uint64_t hash = joined ? s->frames[joined - 1].hash : seed;

	for (unsigned i = 0; i < fresh; i++) {
		struct stack_frame *to = &s->frames[joined + i];
		unsigned from = fresh - 1 - i;

		*to = s->fresh[from];
		hash = mix(hash, to);
		to->hash = hash;
		s->kept[joined + i] = s->fresh_kept[from];
		/* bit 0: somebody further out relied on this bp */
		if (s->kept[joined + i].bp_slot & 1)
			s->kept[joined + i].bp_slot &= ~1ULL;
		else
			s->kept[joined + i].bp_slot = 0;
	}
	s->count = joined + fresh;
}

/* Frames kept from before rely on bp's that the join found unchanged. */
static unsigned walk_out(struct stack *s, struct walk *w, unsigned *fresh)
{
	int cursor = (int)s->count - 1, joined;
	unsigned n = 0;

	for (;;) {
		enum step outcome;

		joined = join(s, w, &cursor);
		if (joined >= 0)
			break;
		if (n == STACK_MAX_FRAMES) {
			s->end = STACK_TRUNCATED;
			break;
		}
		s->fresh[n] = (struct stack_frame) {
			.pc = w->regs.pc,
			.sp = w->regs.sp,
			.flags = w->exact ? STACK_EXACT_PC : 0,
		};
		s->fresh_kept[n] = (struct activation) { w->regs.bp, 0, 0 };
		outcome = step(s, w, n);
		if (outcome == NEEDS_FULL) {
			*fresh = n;
			return UINT32_MAX;
		}
		n++;
		if (outcome == STEPPED)
			continue;
		s->end = outcome == ENDED ? STACK_ROOT : STACK_BROKEN;
		s->missing_pc = w->missing_pc;
		break;
	}
	*fresh = n;
	/* The bp's loaded inside are what the kept part stands on. */
	if (joined >= 0 && w->bp_owner >= 0)
		s->fresh_kept[w->bp_owner].bp_slot |= 1;
	return joined >= 0 ? (unsigned)joined + 1 : 0;
}

unsigned stack_unwind(struct stack *s, const struct stack_regs *regs,
		      const struct stack_bounds *bounds,
		      const struct unwind_modules *modules, struct rules *rules)
{
	struct walk w = {
		.regs = *regs,
		.bounds = bounds,
		.modules = modules,
		.rules = rules,
		.exact = true,
		.bp_owner = -1,
	};
	unsigned fresh, joined;

	if (!modules || bounds->high < bounds->low + 8) {
		s->count = 0;
		s->end = STACK_BROKEN;
		s->missing_pc = 0;
		return 0;
	}
	if (s->end != STACK_ROOT || s->generation != modules->generation)
		s->count = 0;
	s->generation = modules->generation;
	joined = walk_out(s, &w, &fresh);
	if (joined == UINT32_MAX) { /* rare: once more, with all registers */
		w.regs = *regs;
		w.exact = w.full = true;
		w.bp_owner = -1;
		s->count = 0;
		joined = walk_out(s, &w, &fresh);
	}
	if (joined + fresh > STACK_MAX_FRAMES) { /* keep the leaf-most */
		s->end = STACK_TRUNCATED;
		fresh = fresh < STACK_MAX_FRAMES ? fresh : STACK_MAX_FRAMES;
		joined = 0;
	}
	if (!joined)
		s->count = 0;
	merge(s, joined, fresh, (uint64_t)s->end + modules->generation);
	return joined;
}
