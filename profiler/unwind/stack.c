/*
 * stack: see stack.h.
 *
 * The previous stack is kept, root first, and a new one is found by telling
 * where it differs.  Two ways of going outwards take turns:
 *
 * - `walk` steps from a frame to its caller by the rule for its pc, into
 *   fresh[], leaf first, until a frame's sp is that of a kept frame;
 * - `follow` starts from there.  As long as every frame has the sp that the
 *   kept one had, the words that hold the return addresses are where they
 *   were, so they are loaded and compared without one waiting for another.  A
 *   word that differs is put in place if the rule of the new pc is the very
 *   rule of the old one (mostly: another call in the same function), since
 *   then every step further out is what it was; otherwise it is `walk` again.
 *
 * A step depends on sp and pc, which are compared at every frame, and
 * sometimes on bp, which is not: most functions use bp for anything.  Where a
 * frame's CFA needed bp, the slot bp was loaded from becomes a check of its
 * own, and so does any other word of the stack that decided a step.
 *
 * The hash of a stack is the sum of one term a frame, mixed from its pc and
 * its place from the root, so changed frames change it by differences.
 */
#include <emmintrin.h>

#include "profiler/unwind/stack.h"
#include "profiler/unwind/walk.h"

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
	s->count = s->hashed = s->checked = 0;
	s->steady = false;
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
	return s->missing_pc;
}

/* Even; an odd start keeps every hash odd and so never 0. */
static inline uint64_t term(uint64_t pc, unsigned index)
{
	unsigned __int128 product =
		(unsigned __int128)(pc ^ 0xa0761d6478bd642fULL) *
		((index + 1) * 0x9e3779b97f4a7c15ULL ^ 0xe7037ed1a0b428dbULL);

	return ((uint64_t)product ^ (uint64_t)(product >> 64)) << 1;
}

static uint64_t hash_begin(enum stack_end end)
{
	return ((uint64_t)end + 1) * 0x8ebc6af09c88c6e3ULL | 1;
}

struct stack_frame stack_frame(struct stack *s, unsigned index)
{
	for (unsigned i = s->hashed; i <= index; i++)
		s->prefix[i] = (i ? s->prefix[i - 1] : hash_begin(s->end)) +
			       term(s->pc[i], i);
	if (s->hashed <= index)
		s->hashed = index + 1;
	return (struct stack_frame) { s->pc[index], s->sp[index],
				      s->prefix[index] };
}

/* The innermost check, from frame @from on, that does not hold; or -1. */
static int failing_check(const struct stack *s, unsigned from)
{
	for (unsigned i = s->checked; i > 0; i--) {
		const struct check *c = &s->checks[i - 1];

		if (c->step <= from && memory_word(c->slot) != c->value)
			return (int)c->step;
	}
	return -1;
}

/* Kept frame @index has another pc now.  False: and another rule with it. */
static inline bool replace_pc(struct walk *w, unsigned index, uint64_t pc)
{
	struct stack *s = w->s;
	uint64_t rule = lookup_rule(&s->lookup, pc);

	if (rule != s->how[index].rule || cfi_unpack(rule).kind == CFI_NONE)
		return false;
	s->hash += term(pc, index) - term(s->pc[index], index);
	s->pc[index] = pc;
	w->changed = w->changed < index ? w->changed : index;
	return true;
}

/* Bits 0 and 1 are set where frame @i's return address is the same still. */
static inline uint64_t same_pair(const struct stack *s, unsigned i)
{
	__m128i now = _mm_set_epi64x((long long)memory_word(s->sp[i + 1] - 8),
				     (long long)memory_word(s->sp[i] - 8));
	__m128i then = _mm_load_si128((const __m128i *)&s->pc[i]);
	__m128 same = _mm_castsi128_ps(_mm_cmpeq_epi32(now, then));

	return (uint64_t)_mm_movemask_ps(same);
}

/*
 * Mark those of the outermost @n frames whose return address is another now,
 * frame i in bit 2 * (i % 32) of its word.  The loads do not wait for each
 * other, and no branch depends on them.
 */
static void compare(struct stack *s, unsigned n)
{
	for (unsigned from = 0; from <= n; from += 32) {
		unsigned to = n - from < 32 ? n - from : 32, i = 0;
		uint64_t same = 0;

		for (; i + 2 <= to; i += 2)
			same |= same_pair(s, from + i) << 2 * i;
		if (i < to &&
		    memory_word(s->sp[from + i] - 8) == s->pc[from + i])
			same |= (uint64_t)3 << 2 * i;
		same = ~(same & same >> 1) & 0x5555555555555555ULL;
		if (to < 32)
			same &= ((uint64_t)1 << 2 * to) - 1;
		s->differ[from / 32] = same;
	}
}

/* The outermost of @n frames that differs, or @n. */
static unsigned first_difference(const struct stack *s, unsigned n)
{
	for (unsigned from = 0; from < n; from += 32)
		if (s->differ[from / 32])
			return from +
			       (unsigned)__builtin_ctzll(s->differ[from / 32]) /
				       2;
	return n;
}

/*
 * Kept frame @from is one of this stack's, and those outside of it have been
 * compared.  Returns -1 if they all are this stack's, too, else the frame
 * whose step out differs.
 */
static int follow(struct walk *w, int from)
{
	struct stack *s = w->s;
	int stop = s->checked ? failing_check(s, (unsigned)from) : -1;
	uint64_t bits;

	bits = s->differ[from / 32] & ~(uint64_t)0 >> (62 - from % 32 * 2);
	for (int word = from / 32;;) {
		while (bits) {
			int bit = 63 - __builtin_clzll(bits);
			int i = word * 32 + bit / 2;

			if (i < stop)
				return stop;
			if (!replace_pc(w, (unsigned)i,
					memory_word(s->sp[i] - 8)))
				return i;
			bits ^= (uint64_t)1 << bit;
		}
		if (word == 0)
			return stop;
		bits = s->differ[--word];
	}
}

/* Kept frames from @from out to before @to become fresh ones. */
static bool replay(struct walk *w, int from, int to)
{
	struct stack *s = w->s;

	if (w->fresh + (unsigned)(from - to) > STACK_MAX_FRAMES)
		return false;
	for (int i = from; i > to; i--) {
		struct cfi_rule rule = cfi_unpack(s->how[i].rule);
		uint64_t offset = (uint64_t)((int64_t)rule.bp * 8);

		s->fresh[w->fresh++] = (struct fresh) {
			s->sp[i],
			s->pc[i],
			s->how[i].rule,
			s->how[i].bp,
		};
		if (rule.saved == CFI_BP_AT_CFA)
			w->bp_slot = s->sp[i - 1] + offset;
		else if (rule.saved == CFI_BP_AT_BP)
			w->bp_slot = s->how[i].bp + offset;
	}
	w->sp = s->sp[to];
	/* The innermost frame's pc is not on the stack, and is still w->pc. */
	if ((unsigned)to + 1 < s->count) {
		w->pc = memory_word(w->sp - 8);
		w->zero_slot = w->pc ? 0 : w->sp - 8;
	}
	w->meet = to - 1;
	return true;
}

static void add_check(struct stack *s, unsigned step, uint64_t slot,
		      uint64_t value)
{
	/* Below its own frame, the word may be gone before the frame is. */
	if (s->checked < STACK_MAX_FRAMES && slot % 8 == 0 &&
	    memory_inside(slot, s->sp[step], s->high))
		s->checks[s->checked++] = (struct check) { slot, value, step };
	else
		s->steady = false;
}

/*
 * What of bp matters from frame @index on, given its caller's @bp; and what
 * else its step depends on.
 */
static uint64_t needed_bp(struct stack *s, unsigned index,
			  const struct fresh *f, uint64_t bp)
{
	struct cfi_rule rule = cfi_unpack(f->rule);
	uint64_t cfa = index ? s->sp[index - 1] : 0;
	uint64_t offset = (uint64_t)((int64_t)rule.bp * 8);

	if (bp != NO_BP && rule.saved != CFI_BP_SAME) {
		add_check(s, index,
			  (rule.saved == CFI_BP_AT_CFA ? cfa : f->bp) + offset,
			  bp);
		bp = NO_BP;
	}
	if (rule.kind == CFI_DEREF_BP)
		add_check(s, index, f->bp + (uint64_t)(int64_t)rule.cfa, cfa);
	return rule.kind == CFI_DEREF_BP || rule.kind == CFI_BP ? f->bp : bp;
}

/* The hash of the first @kept frames, of those that are kept. */
static uint64_t kept_hash(const struct stack *s, unsigned kept)
{
	uint64_t hash = s->hash;

	if (s->hashed >= kept)
		return s->prefix[kept - 1];
	for (unsigned i = kept; i < s->count; i++)
		hash -= term(s->pc[i], i);
	return hash;
}

/* Nothing is kept: what is true of the whole stack. */
static void restart(struct walk *w)
{
	struct stack *s = w->s;
	const struct fresh *outermost = &s->fresh[w->fresh - 1];
	uint8_t kind = cfi_unpack(outermost->rule).kind;

	s->end = w->end;
	s->missing_pc = w->missing_pc;
	/* A bp that led nowhere was not kept, so there is no comparing it. */
	s->steady = !w->irregular && w->end != STACK_TRUNCATED &&
		    (w->end != STACK_BROKEN ||
		     (kind != CFI_BP && kind != CFI_DEREF_BP));
	s->sp[0] = outermost->sp;
	if (w->zero_slot)
		add_check(s, 0, w->zero_slot, 0);
}

/* The fresh frames take their places after the first @kept. */
static void append(struct walk *w, unsigned kept)
{
	struct stack *s = w->s;
	uint64_t hash, bp = kept ? s->how[kept - 1].bp : NO_BP;
	const struct fresh *f = &s->fresh[w->fresh];

	while (s->checked && s->checks[s->checked - 1].step >= kept)
		s->checked--;
	if (!kept)
		restart(w);
	hash = kept ? kept_hash(s, kept) : hash_begin(w->end);
	s->count = kept + w->fresh;
	if (s->hashed >= kept)
		s->hashed = s->count;
	for (unsigned i = kept; i < s->count; i++) {
		f--;
		s->sp[i] = f->sp;
		s->pc[i] = f->pc;
		if (unlikely(bp != NO_BP || cfi_unpack(f->rule).kind != CFI_SP))
			bp = needed_bp(s, i, f, bp);
		s->how[i] = (struct how) { f->rule, bp };
		hash += term(f->pc, i);
		s->prefix[i] = hash;
	}
	s->hash = hash;
}

/* Is the innermost kept frame this stack's innermost? */
static bool starts_as_before(struct walk *w)
{
	const struct stack *s = w->s;
	unsigned leaf = s->count - 1;

	return s->count && s->sp[leaf] == w->sp &&
	       (s->how[leaf].bp == NO_BP || s->how[leaf].bp == w->bp) &&
	       (s->pc[leaf] == w->pc || replace_pc(w, leaf, w->pc));
}

/*
 * Alternates following and walking; returns how many frames are kept, or more
 * than there can be.
 */
static unsigned find(struct walk *w, const struct stack_regs *regs)
{
	struct stack *s = w->s;
	unsigned n = s->count ? s->count - 1 : 0;
	enum outcome outcome;

	/*
	 * What lies below sp is compared, too, when it can be read: most often
	 * it differs, and to look where sp is would be a branch to mispredict.
	 */
	while (n && s->sp[n] < w->bounds->low)
		n--;
	compare(s, n);
	w->rest = (int)first_difference(s, n) - 1;
	while (w->rest >= 0 && s->sp[w->rest] <= w->sp)
		w->rest--;
	if (starts_as_before(w)) {
		w->meet = (int)n;
		outcome = MET;
	} else {
		w->meet = w->rest;
		outcome = walk_out(w);
	}
	while (outcome == MET) {
		int met = w->meet, at = follow(w, met);

		if (at < 0)
			return (unsigned)met + 1;
		if (!replay(w, met, at))
			return STACK_MAX_FRAMES + 1;
		if (w->zero_slot) {
			w->end = STACK_ROOT;
			return 0;
		}
		outcome = walk_out(w);
	}
	if (outcome == NEEDS_ALL)
		walk_all(w, regs);
	return 0;
}

/*
 * One by one: registers have been stored just before, and a load of two of
 * them at once, which the compiler would make of it, waits for the stores.
 */
static inline uint64_t reg(const uint64_t *from)
{
	return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static void begin(struct walk *w, struct stack *s,
		  const struct stack_regs *regs,
		  const struct stack_bounds *bounds)
{
	*w = (struct walk) {
		.s = s,
		.bounds = bounds,
		.high = bounds->high,
		.sp = reg(&regs->sp),
		.pc = reg(&regs->pc),
		.bp = reg(&regs->bp),
		.meet = -1,
		.changed = s->count,
	};
}

unsigned stack_unwind(struct stack *s, const struct stack_regs *regs,
		      const struct stack_bounds *bounds,
		      const struct unwind_modules *modules, struct rules *rules)
{
	unsigned kept = 0;
	struct walk w;

	if (!modules) {
		stack_forget(s);
		return 0;
	}
	if (!lookup_begin(&s->lookup, modules, rules) || !s->steady ||
	    s->high != bounds->high)
		stack_forget(s);
	s->high = bounds->high;
	begin(&w, s, regs, bounds);
	if (regs->sp % 8 ||
	    !memory_inside(regs->sp, bounds->low, bounds->high)) {
		s->fresh[w.fresh++] =
			(struct fresh) { .sp = regs->sp, .pc = regs->pc };
		w.end = STACK_BROKEN;
	} else {
		kept = find(&w, regs);
	}
	if (kept + w.fresh > STACK_MAX_FRAMES) {
		/* Counted from the root it is another stack: all anew. */
		stack_forget(s);
		begin(&w, s, regs, bounds);
		kept = find(&w, regs);
	}
	if (s->hashed > w.changed)
		s->hashed = w.changed;
	if (w.fresh || kept < s->count)
		append(&w, kept);
	return kept < w.changed ? kept : w.changed;
}
