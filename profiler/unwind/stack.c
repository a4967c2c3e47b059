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
#include "profiler/unwind/stack.h"
#include "profiler/unwind/lookup.h"
#include "profiler/unwind/memory.h"
#include "profiler/unwind/step.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define COLD	    __attribute__((cold, noinline))

/* Instead of a bp that no step from here on depends on; bp's are aligned. */
#define NO_BP 1

/* Offsets in the ucontext that the kernel leaves at a signal's sp. */
#define UCONTEXT_RBP 120
#define UCONTEXT_RSP 160
#define UCONTEXT_RIP 168

struct place {
	uint64_t sp, pc;
};

struct how {
	struct cfi_rule rule;
	uint64_t bp; /* in the frame, if it or a caller depends on it */
};

struct fresh {
	uint64_t sp, pc;
	struct cfi_rule rule;
	uint64_t bp; /* in the frame, if its own rule depends on it */
};

/* The step out of frame @step was decided by @slot holding @value, too. */
struct check {
	uint64_t slot, value;
	uint64_t step;
};

struct stack {
	unsigned count;
	unsigned hashed; /* prefix[] is right for so many frames */
	unsigned checked;
	bool steady; /* made of plain steps: may be followed */
	enum stack_end end;
	uint64_t missing_pc;
	uint64_t high;
	uint64_t hash;
	struct place at[STACK_MAX_FRAMES]; /* root first */
	struct how how[STACK_MAX_FRAMES];
	struct lookup lookup;
	struct fresh fresh[STACK_MAX_FRAMES]; /* leaf first */
	struct check checks[STACK_MAX_FRAMES];
	uint64_t prefix[STACK_MAX_FRAMES]; /* hash up to here */
};

struct walk {
	struct stack *s;
	const struct stack_bounds *bounds;
	uint64_t high;	    /* of the stack that sp is in */
	uint64_t sp, pc;    /* of the next frame */
	uint64_t bp;	    /* its bp, unless it lies in bp_slot */
	uint64_t bp_slot;   /* 0: in none */
	unsigned fresh;	    /* frames in s->fresh */
	int meet;	    /* innermost kept frame further out, or -1 */
	unsigned changed;   /* outermost kept frame with a new pc */
	bool irregular;	    /* not all steps are plain */
	enum stack_end end; /* when it has ended */
	uint64_t missing_pc;
	uint64_t zero_slot; /* a return address of 0 ended it */
};

enum outcome {
	ENDED,	   /* w->end says how */
	MET,	   /* at sp of kept frame w->meet */
	NEEDS_ALL, /* a rule that needs more registers */
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
			       term(s->at[i].pc, i);
	if (s->hashed <= index)
		s->hashed = index + 1;
	return (struct stack_frame) { s->at[index].pc, s->at[index].sp,
				      s->prefix[index] };
}

static inline bool same_rule(struct cfi_rule a, struct cfi_rule b)
{
	return a.cfa == b.cfa && a.bp == b.bp && a.kind == b.kind &&
	       a.saved == b.saved;
}

/* The bp of the frame that the walk has come to. */
static bool present_bp(struct walk *w, uint64_t *bp)
{
	if (w->bp_slot && !memory_load(w->bounds, w->bp_slot, &w->bp))
		return false;
	*bp = w->bp;
	return true;
}

static bool ended(struct walk *w, enum stack_end how)
{
	w->end = how;
	return false;
}

/* Into the ucontext: sp, pc and bp of the interrupted frame. */
COLD static bool step_signal(struct walk *w)
{
	const struct stack_bounds *b = w->bounds;
	uint64_t at = w->sp;

	w->irregular = true;
	w->meet = -1;
	w->bp_slot = at + UCONTEXT_RBP;
	if (!memory_load(b, at + UCONTEXT_RIP, &w->pc) ||
	    !memory_load(b, at + UCONTEXT_RSP, &w->sp) || w->sp % 8)
		return ended(w, STACK_BROKEN);
	w->pc++; /* exact: see struct stack_frame */
	if (memory_inside(w->sp, b->low, b->high) && w->high == b->high &&
	    w->sp > at)
		return true;
	w->high = b->beyond_high;
	return memory_inside(w->sp, b->beyond_low, b->beyond_high) ||
	       ended(w, STACK_BROKEN);
}

/* By a rule that needs bp, to *@cfa; @f is the frame. */
static bool step_bp(struct walk *w, struct fresh *f, uint64_t *cfa)
{
	uint64_t bp;

	if (!present_bp(w, &bp))
		return ended(w, STACK_BROKEN);
	f->bp = bp;
	*cfa = bp + (uint64_t)(int64_t)f->rule.cfa;
	if (f->rule.kind == CFI_DEREF_BP && !memory_load(w->bounds, *cfa, cfa))
		return ended(w, STACK_BROKEN);
	if (*cfa % 8 || *cfa <= w->sp)
		return ended(w, STACK_BROKEN);
	if (f->rule.saved == CFI_BP_AT_BP)
		w->bp_slot = bp + (uint64_t)(int64_t)f->rule.bp * 8;
	return true;
}

/* No rule, the usual end of a damaged stack or of made-up code. */
COLD static bool step_nowhere(struct walk *w, const struct fresh *f)
{
	if (!lookup_module(&w->s->lookup, f->pc - 1))
		w->missing_pc = f->pc - 1;
	return ended(w, STACK_BROKEN);
}

/* Has the walk come to a kept frame?  Passes by those it has not met. */
static bool meets(struct walk *w)
{
	const struct stack *s = w->s;
	int i = w->meet;
	uint64_t bp;

	while (i >= 0 && s->at[i].sp < w->sp)
		i--;
	w->meet = i;
	if (i < 0 || s->at[i].sp != w->sp)
		return false;
	if (likely(s->how[i].bp == NO_BP) ||
	    (present_bp(w, &bp) && bp == s->how[i].bp))
		return true;
	w->meet--;
	return false;
}

static enum outcome walk(struct walk *w)
{
	struct stack *s = w->s;

	for (;;) {
		struct fresh *f = &s->fresh[w->fresh];
		struct cfi_rule rule;
		uint64_t cfa;

		if (w->fresh == STACK_MAX_FRAMES) {
			ended(w, STACK_TRUNCATED);
			return ENDED;
		}
		w->fresh++;
		rule = lookup_rule(&s->lookup, w->pc);
		f->pc = w->pc;
		f->sp = w->sp;
		f->rule = rule;
		switch (rule.kind) {
		case CFI_SP:
			cfa = w->sp + (uint64_t)(int64_t)rule.cfa;
			break;
		case CFI_BP:
		case CFI_DEREF_BP:
			if (!step_bp(w, f, &cfa))
				return ENDED;
			break;
		case CFI_SIGNAL:
			if (!step_signal(w))
				return ENDED;
			continue;
		case CFI_ROOT:
			ended(w, STACK_ROOT);
			return ENDED;
		case CFI_GENERIC:
			return NEEDS_ALL;
		default:
			step_nowhere(w, f);
			return ENDED;
		}
		if (cfa > w->high) {
			ended(w, STACK_BROKEN);
			return ENDED;
		}
		if (rule.saved == CFI_BP_AT_CFA)
			w->bp_slot = cfa + (uint64_t)(int64_t)rule.bp * 8;
		w->sp = cfa;
		if (w->meet >= 0 && cfa >= s->at[w->meet].sp && meets(w))
			return MET;
		w->pc = memory_word(cfa - 8);
		if (unlikely(!w->pc)) {
			w->zero_slot = cfa - 8;
			ended(w, STACK_ROOT);
			return ENDED;
		}
	}
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
static bool replace_pc(struct walk *w, unsigned index, uint64_t pc)
{
	struct stack *s = w->s;
	struct cfi_rule rule = lookup_rule(&s->lookup, pc);

	if (!same_rule(rule, s->how[index].rule) || rule.kind == CFI_NONE)
		return false;
	s->hash += term(pc, index) - term(s->at[index].pc, index);
	s->at[index].pc = pc;
	if (w->changed > index)
		w->changed = index;
	return true;
}

/*
 * Kept frame @from is one of this stack's.  Returns -1 if so are all frames
 * further out, else the one whose step differs.
 */
static int follow(struct walk *w, int from)
{
	struct stack *s = w->s;
	int stop = failing_check(s, (unsigned)from);

	for (int i = from; i >= 0; i--) {
		if ((unsigned)i + 1 < s->count) {
			uint64_t pc = memory_word(s->at[i].sp - 8);

			if (pc != s->at[i].pc &&
			    !replace_pc(w, (unsigned)i, pc))
				return i;
		}
		if (i == stop)
			return i;
	}
	return -1;
}

/* Kept frames from @from out to before @to become fresh ones. */
static bool replay(struct walk *w, int from, int to)
{
	struct stack *s = w->s;

	if (w->fresh + (unsigned)(from - to) > STACK_MAX_FRAMES)
		return ended(w, STACK_TRUNCATED);
	for (int i = from; i > to; i--) {
		const struct how *how = &s->how[i];
		int64_t offset = (int64_t)how->rule.bp * 8;

		s->fresh[w->fresh++] = (struct fresh) {
			s->at[i].sp,
			s->at[i].pc,
			how->rule,
			how->bp,
		};
		if (how->rule.saved == CFI_BP_AT_CFA)
			w->bp_slot = s->at[i - 1].sp + (uint64_t)offset;
		else if (how->rule.saved == CFI_BP_AT_BP)
			w->bp_slot = how->bp + (uint64_t)offset;
	}
	w->sp = s->at[to].sp;
	w->pc = (unsigned)to + 1 < s->count ? memory_word(w->sp - 8) : w->pc;
	w->meet = to - 1;
	return true;
}

static void add_check(struct stack *s, unsigned step, uint64_t slot,
		      uint64_t value)
{
	/* Below its own frame, the word may be gone before the frame is. */
	if (s->checked < STACK_MAX_FRAMES && slot >= s->at[step].sp)
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
	uint64_t cfa = index ? s->at[index - 1].sp : 0;
	uint64_t offset = (uint64_t)(int64_t)f->rule.bp * 8;

	if (bp != NO_BP && f->rule.saved == CFI_BP_AT_CFA) {
		add_check(s, index, cfa + offset, bp);
		bp = NO_BP;
	} else if (bp != NO_BP && f->rule.saved == CFI_BP_AT_BP) {
		add_check(s, index, f->bp + offset, bp);
		bp = NO_BP;
	}
	if (f->rule.kind == CFI_DEREF_BP)
		add_check(s, index, f->bp + (uint64_t)(int64_t)f->rule.cfa,
			  cfa);
	if (f->rule.kind == CFI_DEREF_BP || f->rule.kind == CFI_BP)
		bp = f->bp;
	return bp;
}

/* The fresh frames take their places after the first @kept. */
static void append(struct walk *w, unsigned kept)
{
	struct stack *s = w->s;
	uint64_t hash = s->hash, bp = kept ? s->how[kept - 1].bp : NO_BP;

	while (s->checked && s->checks[s->checked - 1].step >= kept)
		s->checked--;
	if (kept) {
		for (unsigned i = kept; i < s->count; i++)
			hash -= term(s->at[i].pc, i);
	} else {
		hash = hash_begin(w->end);
		s->end = w->end;
		s->missing_pc = w->missing_pc;
		s->steady = !w->irregular && w->end != STACK_TRUNCATED;
		if (w->zero_slot)
			add_check(s, 0, w->zero_slot, 0);
	}
	s->count = kept + w->fresh;
	for (unsigned i = kept; i < s->count; i++) {
		const struct fresh *f = &s->fresh[s->count - 1 - i];

		s->at[i] = (struct place) { f->sp, f->pc };
		bp = needed_bp(s, i, f, bp);
		s->how[i] = (struct how) { f->rule, bp };
		hash += term(f->pc, i);
	}
	s->hash = hash;
}

/* All frames, with all registers: slow, and seldom needed. */
COLD static void walk_all(struct walk *w, const struct stack_regs *from)
{
	struct stack *s = w->s;
	struct step_regs regs;
	struct cfi_row row;

	step_begin(&regs, from);
	w->irregular = true;
	w->fresh = 0;
	w->end = STACK_TRUNCATED;
	while (w->fresh < STACK_MAX_FRAMES) {
		uint64_t sp = regs.at[CFI_RSP], pc = regs.at[CFI_RA];
		const struct unwind_module *m =
			lookup_module(&s->lookup, pc - 1);
		struct fresh *f = &s->fresh[w->fresh++];
		struct image image;
		enum step_end stepped;

		*f = (struct fresh) { sp, pc, { .kind = CFI_GENERIC }, 0 };
		if (!m) {
			step_nowhere(w, f);
			return;
		}
		image = lookup_image(m);
		if (!cfi_row(&image, pc - 1, &row)) {
			ended(w, STACK_BROKEN);
			return;
		}
		stepped = step_caller(&image, &row, w->bounds, &regs);
		if (stepped != STEP_CALLER || !regs.at[CFI_RA]) {
			ended(w, stepped == STEP_FAILED ? STACK_BROKEN
							: STACK_ROOT);
			return;
		}
		if (row.signal)
			regs.at[CFI_RA]++;
		else if (regs.at[CFI_RSP] <= sp) {
			ended(w, STACK_BROKEN);
			return;
		}
	}
}

/* Is the innermost kept frame this stack's innermost? */
static bool starts_as_before(const struct walk *w)
{
	const struct stack *s = w->s;
	unsigned leaf = s->count - 1;

	return s->count && s->at[leaf].sp == w->sp &&
	       (s->how[leaf].bp == NO_BP || s->how[leaf].bp == w->bp) &&
	       (s->at[leaf].pc == w->pc ||
		replace_pc((struct walk *)w, leaf, w->pc));
}

/* Alternates following and walking; returns how many frames are kept. */
static unsigned find(struct walk *w, const struct stack_regs *regs)
{
	enum outcome outcome = MET;
	int at;

	if (starts_as_before(w)) {
		w->meet = (int)w->s->count - 1;
	} else {
		w->meet = (int)w->s->count - 2;
		while (w->meet >= 0 && w->s->at[w->meet].sp <= w->sp)
			w->meet--;
		outcome = walk(w);
	}
	while (outcome == MET) {
		int met = w->meet;

		at = follow(w, met);
		if (at < 0)
			return (unsigned)met + 1;
		if (!replay(w, met, at))
			return 0;
		outcome = walk(w);
	}
	if (outcome == NEEDS_ALL)
		walk_all(w, regs);
	return 0;
}

static void begin(struct walk *w, struct stack *s,
		  const struct stack_regs *regs,
		  const struct stack_bounds *bounds)
{
	*w = (struct walk) {
		.s = s,
		.bounds = bounds,
		.high = bounds->high,
		.sp = regs->sp,
		.pc = regs->pc,
		.bp = regs->bp,
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
	if (w.fresh || kept < s->count)
		append(&w, kept);
	if (kept > w.changed)
		kept = w.changed;
	if (s->hashed > kept)
		s->hashed = kept;
	return kept;
}
