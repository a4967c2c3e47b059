/*
 * stack: see stack.h.
 *
 * Two passes.  From the root inwards: the words that held the return
 * addresses of the previous stack (and the saved bp's that mattered) are
 * compared with what they were, by loads that do not wait for each other;
 * this finds how many outermost frames still stand as they were.  From the
 * leaf outwards: the new frames are stepped one by one until the walk meets
 * the innermost of those, same sp and same pc.  From there every step would
 * go as before, so the outer part is kept.
 *
 * The hash of a stack is a polynomial over its pcs, H = H * K + mix(pc) from
 * the root on.  The walk runs the other way and adds mix(pc) * K^t with t
 * counted from the leaf, so no frame waits for another's hash.
 */
#include "profiler/unwind/stack.h"
#include "profiler/unwind/cfi.h"
#include "profiler/unwind/rules.h"

#define CACHE_BITS 10 /* 1024 rules, 40 KiB a thread, touched as used */
#define HASH_K	   0x9e3779b97f4a7c15ULL
#define likely(x)  __builtin_expect(!!(x), 1)

enum fast { /* what the fast loop can do by itself */
	    FAST_NO = 0,
	    FAST_SP,	/* CFA = sp + cfa, bp unchanged */
	    FAST_SP_BP, /* the same, caller's bp at CFA + bp */
};

struct cached_rule {
	uint64_t key; /* pc ^ generation */
	uint64_t mix; /* the frame's term of the hash */
	int32_t cfa, bp;
	uint32_t fast;
	uint32_t pad;
	uint64_t packed;
};

/* One side of the frames: parallel arrays keep the hot loops dense. */
struct frames {
	uint64_t pc[STACK_MAX_FRAMES];
	uint64_t sp[STACK_MAX_FRAMES];
	uint64_t bp[STACK_MAX_FRAMES];
	/*
	 * How the caller was found: 0 by the return address at its sp - 8;
	 * IRREGULAR otherwise (a signal frame); else the same as 0, and the
	 * caller's bp, loaded from this slot, mattered further out.
	 */
	uint64_t link[STACK_MAX_FRAMES];
};
#define IRREGULAR 1u

struct stack {
	unsigned count;
	unsigned hashed; /* frames from the root whose prefix is known */
	uint32_t generation;
	enum stack_end end;
	uint64_t missing_pc;
	uint64_t hash;
	struct cached_rule cache[1 << CACHE_BITS];
	struct frames kept;		   /* root first */
	struct frames fresh;		   /* leaf first */
	uint64_t prefix[STACK_MAX_FRAMES]; /* hashes of kept frames */
};

/* Where a walk stands. */
struct walk {
	struct stack_regs regs;
	const struct stack_bounds *bounds;
	const struct unwind_modules *modules;
	struct rules *rules;
	uint64_t salt; /* generation, in the key's spare bits */
	uint64_t hash, power;
	unsigned fresh;
	unsigned standing; /* outermost frames that stand unchanged */
	bool full;	   /* all registers are tracked */
	int bp_owner;	   /* fresh frame that loaded the present bp, or -1 */
	uint64_t bp_slot;  /* from where */
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
	s->count = s->hashed = 0;
}

unsigned stack_depth(const struct stack *s)
{
	return s->count;
}

uint64_t stack_hash(const struct stack *s)
{
	return s->hash;
}

enum stack_end stack_end(const struct stack *s)
{
	return s->end;
}

uint64_t stack_missing_pc(const struct stack *s)
{
	return s->end == STACK_BROKEN ? s->missing_pc : 0;
}

static inline uint64_t mix(uint64_t key)
{
	key *= 0xbf58476d1ce4e5b9ULL;
	key ^= key >> 32;
	key *= 0x94d049bb133111ebULL;
	return key ^ key >> 29;
}

static uint64_t salt_of(uint32_t generation)
{
	return (uint64_t)generation << 48;
}

/* The hash of kept frames 0 .. @index. */
static uint64_t prefix_hash(struct stack *s, unsigned index)
{
	uint64_t salt = salt_of(s->generation);

	if (!s->hashed) {
		s->prefix[0] =
			mix((uint64_t)s->end + 1) + mix(s->kept.pc[0] ^ salt);
		s->hashed = 1;
	}
	for (; s->hashed <= index; s->hashed++)
		s->prefix[s->hashed] = s->prefix[s->hashed - 1] * HASH_K +
				       mix(s->kept.pc[s->hashed] ^ salt);
	return s->prefix[index];
}

struct stack_frame stack_frame(struct stack *s, unsigned index)
{
	return (struct stack_frame) { s->kept.pc[index], s->kept.sp[index],
				      prefix_hash(s, index) };
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
	uint32_t low = 0, high = m->count;

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
static uint64_t find_rule(const struct walk *w, uint64_t pc)
{
	uint64_t key = pc ^ w->salt, packed;
	const struct unwind_module *m;
	struct cfi_rule rule;

	if (rules_get(w->rules, key, &packed))
		return packed;
	m = find_module(w->modules, pc - 1);
	if (!m)
		return 0;
	cfi_rule(m, pc - 1, &rule);
	packed = cfi_pack(&rule);
	rules_put(w->rules, key, packed);
	return packed;
}

__attribute__((cold, noinline)) static bool cache_fill(struct cached_rule *c,
						       const struct walk *w,
						       uint64_t pc)
{
	uint64_t packed = find_rule(w, pc);
	struct cfi_rule rule = cfi_unpack(packed);

	if (!packed)
		return false;
	c->key = pc ^ w->salt;
	c->mix = mix(c->key);
	c->packed = packed;
	c->cfa = rule.cfa_offset;
	c->bp = rule.bp_offset;
	c->fast = FAST_NO;
	if (rule.kind == CFI_SP && rule.bp == CFI_BP_SAME)
		c->fast = FAST_SP;
	else if (rule.kind == CFI_SP && rule.bp == CFI_BP_AT_CFA)
		c->fast = FAST_SP_BP;
	return true;
}

static inline struct cached_rule *cache_slot(struct stack *s, uint64_t key)
{
	return &s->cache[(key ^ key >> CACHE_BITS) & ((1 << CACHE_BITS) - 1)];
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
	r->pc++; /* exact: see struct stack_frame */
	w->bp_owner = -1;
	return true;
}

enum step { STEPPED, ENDED, FAILED, NEEDS_FULL };

static enum step step_full(struct walk *w)
{
	const struct unwind_module *m = find_module(w->modules, w->regs.pc - 1);
	uint64_t sp = w->regs.sp, slot = 0;

	if (!m ||
	    !cfi_step_full(m, w->regs.pc - 1, &w->regs, w->bounds, &slot) ||
	    w->regs.sp <= sp)
		return FAILED;
	return w->regs.pc ? STEPPED : ENDED;
}

/* Somebody needs the present bp: its slot must be verified from now on. */
static void bp_matters(struct stack *s, const struct walk *w)
{
	if (w->bp_owner >= 0 && s->fresh.link[w->bp_owner] != IRREGULAR)
		s->fresh.link[w->bp_owner] = w->bp_slot;
}

static bool step_bp(struct stack *s, struct walk *w,
		    const struct cfi_rule *rule, uint64_t cfa)
{
	uint64_t slot = (rule->bp == CFI_BP_AT_CFA ? cfa : w->regs.bp) +
			(uint64_t)(int64_t)rule->bp_offset;

	if (rule->bp == CFI_BP_SAME)
		return true;
	if (rule->bp == CFI_BP_AT_BP)
		bp_matters(s, w);
	if (!load(w->bounds, slot, &w->regs.bp))
		return false;
	w->bp_owner = (int)w->fresh;
	w->bp_slot = slot;
	return true;
}

/* Any rule; the frame's place in `fresh` is already filled. */
static enum step step_any(struct stack *s, struct walk *w, uint64_t packed)
{
	struct cfi_rule rule = cfi_unpack(packed);
	uint64_t cfa, sp = w->regs.sp, bp = w->regs.bp;

	switch (rule.kind) {
	case CFI_SP:
		cfa = sp + (uint64_t)(int64_t)rule.cfa_offset;
		break;
	case CFI_BP:
		cfa = bp + (uint64_t)(int64_t)rule.cfa_offset;
		bp_matters(s, w);
		break;
	case CFI_BP_LOAD:
		if (!load(w->bounds, bp + (uint64_t)(int64_t)rule.cfa_offset,
			  &cfa))
			return FAILED;
		bp_matters(s, w);
		s->fresh.link[w->fresh] = IRREGULAR; /* that word may change */
		break;
	case CFI_PLT:
		cfa = sp + 8 + (((w->regs.pc - 1) & 15) >= 11 ? 8 : 0);
		break;
	case CFI_SIGNAL:
		s->fresh.link[w->fresh] = IRREGULAR;
		return step_signal(w) && w->regs.sp > sp ? STEPPED : FAILED;
	case CFI_END:
		return ENDED;
	case CFI_FULL:
		s->fresh.link[w->fresh] = IRREGULAR;
		return w->full ? step_full(w) : NEEDS_FULL;
	default:
		return FAILED;
	}
	if (w->full) {
		s->fresh.link[w->fresh] = IRREGULAR;
		return step_full(w);
	}
	if (cfa <= sp || !load(w->bounds, cfa - 8, &w->regs.pc) ||
	    !step_bp(s, w, &rule, cfa))
		return FAILED;
	w->regs.sp = cfa;
	return w->regs.pc ? STEPPED : ENDED;
}

/*
 * How many outermost frames of the previous stack stand: what lies above
 * @sp only, and not the innermost (nothing vouches for its pc).
 */
static unsigned count_standing(const struct stack *s, uint64_t sp,
			       const struct stack_bounds *b)
{
	const struct frames *k = &s->kept;
	unsigned n = 0;

	if (s->end != STACK_ROOT || s->count < 2 || k->sp[0] > b->high)
		return 0;
	while (n + 1 < s->count && k->sp[n] > sp &&
	       *(const uint64_t *)(k->sp[n] - 8) == k->pc[n]) {
		uint64_t link = k->link[n + 1];

		if (__builtin_expect(link != 0, 0) &&
		    (link == IRREGULAR || *(const uint64_t *)link != k->bp[n]))
			break;
		n++;
	}
	return n;
}

/* Has the walk met the innermost standing frame?  Drop what it has passed. */
static inline bool meets(const struct stack *s, struct walk *w)
{
	unsigned n = w->standing;

	while (n > 0 && s->kept.sp[n - 1] < w->regs.sp)
		n--;
	w->standing = n;
	return n > 0 && s->kept.sp[n - 1] == w->regs.sp &&
	       s->kept.pc[n - 1] == w->regs.pc &&
	       s->kept.bp[n - 1] == w->regs.bp;
}

static inline void count_fresh(struct walk *w, uint64_t term)
{
	w->hash += term * w->power;
	w->power *= HASH_K;
	w->fresh++;
}

static inline void put_fresh(struct stack *s, const struct walk *w)
{
	unsigned n = w->fresh;

	s->fresh.pc[n] = w->regs.pc;
	s->fresh.sp[n] = w->regs.sp;
	s->fresh.bp[n] = w->regs.bp;
	s->fresh.link[n] = 0;
}

/*
 * Frames whose CFA is sp plus a constant, in a row: nearly all.  All that
 * changes lives in registers.  Stops at a frame it cannot do, which is not yet
 * in `fresh`, or at @boundary.  (Guessing the caller's rule from the last time
 * was tried and gains nothing: random paths mispredict it.)
 */
static inline void walk_fast(struct stack *s, struct walk *w, uint64_t boundary)
{
	const uint64_t low = w->bounds->low + 8;
	const uint64_t room = w->bounds->high - low, salt = w->salt;
	uint64_t pc = w->regs.pc, sp = w->regs.sp, bp = w->regs.bp;
	uint64_t hash = w->hash, power = w->power, bp_slot = w->bp_slot;
	struct cached_rule *c = cache_slot(s, pc ^ salt);
	unsigned n = w->fresh;
	int bp_owner = w->bp_owner;

	while (sp < boundary && c->key == (pc ^ salt) && c->fast &&
	       n < STACK_MAX_FRAMES) {
		uint64_t cfa = sp + (uint64_t)(int64_t)c->cfa;
		uint64_t caller;

		if (cfa - low > room || cfa <= sp || cfa & 7)
			break;
		caller = *(const uint64_t *)(cfa - 8);
		s->fresh.pc[n] = pc;
		s->fresh.sp[n] = sp;
		s->fresh.bp[n] = bp;
		s->fresh.link[n] = 0;
		if (c->fast == FAST_SP_BP) {
			bp_slot = cfa + (uint64_t)(int64_t)c->bp;
			if (bp_slot - low > room - 8 || bp_slot & 7)
				break;
			bp = *(const uint64_t *)bp_slot;
			bp_owner = (int)n;
		}
		hash += c->mix * power;
		power *= HASH_K;
		n++;
		c = cache_slot(s, caller ^ salt);
		pc = caller;
		sp = cfa;
	}
	w->regs.pc = pc;
	w->regs.sp = sp;
	w->regs.bp = bp;
	w->hash = hash;
	w->power = power;
	w->bp_slot = bp_slot;
	w->fresh = n;
	w->bp_owner = bp_owner;
}

/* Step outwards until the walk ends or meets what stands. */
static enum step walk_out(struct stack *s, struct walk *w, bool *met)
{
	enum step outcome;

	for (;;) {
		uint64_t boundary =
			w->standing ? s->kept.sp[w->standing - 1] : UINT64_MAX;
		struct cached_rule *c;

		if (likely(!w->full))
			walk_fast(s, w, boundary);
		if (!w->regs.pc)
			return w->fresh ? ENDED : FAILED;
		if (w->regs.sp >= boundary && meets(s, w)) {
			*met = true;
			return STEPPED;
		}
		if (w->fresh == STACK_MAX_FRAMES)
			return STEPPED; /* too deep */
		c = cache_slot(s, w->regs.pc ^ w->salt);
		put_fresh(s, w);
		if (c->key != (w->regs.pc ^ w->salt) &&
		    !cache_fill(c, w, w->regs.pc)) {
			w->missing_pc = w->regs.pc - 1;
			count_fresh(w, mix(w->regs.pc ^ w->salt));
			return FAILED;
		}
		outcome = step_any(s, w, c->packed);
		if (outcome == NEEDS_FULL)
			return NEEDS_FULL;
		count_fresh(w, c->mix);
		if (outcome != STEPPED)
			return outcome;
	}
}

/* Put the fresh frames, leaf first, after the standing ones. */
static void merge(struct stack *s, const struct walk *w, unsigned standing)
{
	struct frames *to = &s->kept, *from = &s->fresh;
	unsigned n = w->fresh;

	for (unsigned i = 0; i < n; i++) {
		unsigned k = standing + n - 1 - i;

		to->pc[k] = from->pc[i];
		to->sp[k] = from->sp[i];
		to->bp[k] = from->bp[i];
		to->link[k] = from->link[i];
	}
	s->count = standing + n;
	if (s->hashed > standing)
		s->hashed = standing;
	if (standing)
		s->hash = w->hash + w->power * prefix_hash(s, standing - 1);
	else
		s->hash = prefix_hash(s, s->count - 1);
}

static void walk_begin(struct walk *w, const struct stack_regs *regs)
{
	w->regs = *regs;
	w->hash = 0;
	w->power = 1;
	w->fresh = 0;
	w->bp_owner = -1;
	w->missing_pc = 0;
}

unsigned stack_unwind(struct stack *s, const struct stack_regs *regs,
		      const struct stack_bounds *bounds,
		      const struct unwind_modules *modules, struct rules *rules)
{
	struct walk w;
	bool met = false;
	enum step outcome;

	if (!modules || bounds->high < bounds->low + 16) {
		stack_forget(s);
		s->end = STACK_BROKEN;
		s->missing_pc = 0;
		return 0;
	}
	if (s->generation != modules->generation)
		stack_forget(s);
	s->generation = modules->generation;
	w.bounds = bounds;
	w.modules = modules;
	w.rules = rules;
	w.salt = salt_of(modules->generation);
	w.full = false;
	walk_begin(&w, regs);
	w.standing = count_standing(s, regs->sp, bounds);
	outcome = walk_out(s, &w, &met);
	if (outcome == NEEDS_FULL) { /* rare: once more, with all registers */
		walk_begin(&w, regs);
		w.standing = 0;
		w.full = true;
		outcome = walk_out(s, &w, &met);
	}
	if (met && w.standing + w.fresh <= STACK_MAX_FRAMES) {
		bp_matters(s, &w);
		merge(s, &w, w.standing);
		return w.standing;
	}
	s->hashed = 0;
	s->end = met || outcome == STEPPED ? STACK_TRUNCATED
		 : outcome == ENDED	   ? STACK_ROOT
					   : STACK_BROKEN;
	s->missing_pc = w.missing_pc;
	merge(s, &w, 0);
	return 0;
}
