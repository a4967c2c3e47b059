/*
 * walk: see walk.h.
 */
#include "profiler/unwind/walk.h"
#include "profiler/unwind/step.h"

/* Offsets in the ucontext that the kernel leaves at a signal's sp. */
#define UCONTEXT_RBP 120
#define UCONTEXT_RSP 160
#define UCONTEXT_RIP 168

static enum outcome ended(struct walk *w, enum stack_end how)
{
	w->end = how;
	return ENDED;
}

/* The bp of the frame that the walk has come to. */
static inline bool present_bp(struct walk *w, uint64_t *bp)
{
	if (w->bp_slot && !memory_load(w->bounds, w->bp_slot, &w->bp))
		return false;
	*bp = w->bp;
	return true;
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
		return false;
	w->pc++; /* exact: see struct stack_frame */
	if (memory_inside(w->sp, b->low, b->high) && w->high == b->high &&
	    w->sp > at)
		return true;
	w->high = b->beyond_high;
	return memory_inside(w->sp, b->beyond_low, b->beyond_high);
}

/* By a rule that needs bp; @f is the frame.  The CFA, or 0. */
static inline uint64_t step_bp(struct walk *w, struct fresh *f)
{
	struct cfi_rule rule = cfi_unpack(f->rule);
	uint64_t bp, cfa;

	if (!present_bp(w, &bp))
		return 0;
	f->bp = bp;
	cfa = bp + (uint64_t)(int64_t)rule.cfa;
	if (rule.kind == CFI_DEREF_BP && !memory_load(w->bounds, cfa, &cfa))
		return 0;
	if (rule.saved == CFI_BP_AT_BP)
		w->bp_slot = bp + (uint64_t)(int64_t)rule.bp * 8;
	return cfa % 8 || cfa <= w->sp ? 0 : cfa;
}

/* No rule: a damaged stack, code made at run time, or without CFI. */
COLD static enum outcome step_nowhere(struct walk *w, uint64_t pc)
{
	if (!lookup_module(&w->s->lookup, pc - 1))
		w->missing_pc = pc - 1;
	return ended(w, STACK_BROKEN);
}

/* The walk is at or past kept frame w->meet: is it there? */
static bool meets(struct walk *w)
{
	const struct stack *s = w->s;
	int i = w->meet;
	uint64_t bp;

	if (s->sp[i] < w->sp && i > w->rest)
		i = w->rest;
	while (i >= 0 && s->sp[i] < w->sp)
		i--;
	w->meet = i;
	if (i < 0 || s->sp[i] != w->sp)
		return false;
	if (likely(s->how[i].bp == NO_BP) ||
	    (present_bp(w, &bp) && bp == s->how[i].bp))
		return true;
	w->meet--;
	return false;
}

/* The next sp at which there is more to do than to step. */
static uint64_t next_limit(const struct walk *w)
{
	return w->meet >= 0 ? w->s->sp[w->meet] : w->high + 1;
}

enum step { STEPPED, LEAPT, STOPPED };

/* Any other rule than the usual one.  STEPPED: to *@cfa; LEAPT: to w->sp. */
static enum step step_other(struct walk *w, struct fresh *f, uint64_t *cfa,
			    enum outcome *outcome)
{
	switch (cfi_unpack(f->rule).kind) {
	case CFI_BP:
	case CFI_DEREF_BP:
		*cfa = step_bp(w, f);
		if (*cfa)
			return STEPPED;
		*outcome = ended(w, STACK_BROKEN);
		return STOPPED;
	case CFI_SIGNAL:
		if (step_signal(w))
			return LEAPT;
		*outcome = ended(w, STACK_BROKEN);
		return STOPPED;
	case CFI_ROOT:
		*outcome = ended(w, STACK_ROOT);
		return STOPPED;
	case CFI_GENERIC:
		*outcome = NEEDS_ALL;
		return STOPPED;
	default:
		*outcome = step_nowhere(w, f->pc);
		return STOPPED;
	}
}

/*
 * A frame of the usual kind takes one pass through this loop, in registers;
 * everything else is kept out of it.
 */
enum outcome walk_out(struct walk *w)
{
	struct lookup *lookup = &w->s->lookup;
	struct fresh *f = &w->s->fresh[w->fresh];
	struct fresh *const f_end = &w->s->fresh[STACK_MAX_FRAMES];
	uint64_t sp = w->sp, pc = w->pc, bp_slot = w->bp_slot, cfa;
	uint64_t limit = next_limit(w);
	unsigned at = lookup_set(pc);
	enum outcome outcome;

	for (;; f++) {
		struct cfi_rule rule;

		if (unlikely(f == f_end)) {
			outcome = ended(w, STACK_TRUNCATED);
			break;
		}
		f->sp = sp;
		f->pc = pc;
		f->rule = lookup_next(lookup, pc, &at);
		rule = cfi_unpack(f->rule);
		cfa = sp + (uint64_t)(int64_t)rule.cfa;
		if (unlikely(rule.kind != CFI_SP)) {
			enum step step;

			w->sp = sp;
			w->bp_slot = bp_slot;
			step = step_other(w, f, &cfa, &outcome);
			bp_slot = w->bp_slot;
			if (step == STOPPED) {
				f++;
				break;
			}
			if (step == LEAPT) {
				sp = w->sp;
				pc = w->pc;
				limit = next_limit(w);
				continue;
			}
		}
		if (rule.saved == CFI_BP_AT_CFA)
			bp_slot = cfa + (uint64_t)(int64_t)rule.bp * 8;
		sp = cfa;
		if (unlikely(sp >= limit)) {
			w->sp = sp;
			w->bp_slot = bp_slot;
			if (sp > w->high || (w->meet >= 0 && meets(w))) {
				outcome = sp > w->high ? ended(w, STACK_BROKEN)
						       : MET;
				f++;
				break;
			}
			limit = next_limit(w);
		}
		pc = memory_word(sp - 8);
		if (unlikely(!pc)) {
			w->zero_slot = sp - 8;
			outcome = ended(w, STACK_ROOT);
			f++;
			break;
		}
	}
	w->fresh = (unsigned)(f - w->s->fresh);
	return outcome;
}

/* One frame.  False: it was the last. */
static bool step_all(struct walk *w, struct step_regs *regs)
{
	uint64_t sp = regs->at[CFI_RSP], pc = regs->at[CFI_RA];
	const struct unwind_module *m = lookup_module(&w->s->lookup, pc - 1);
	struct image image;
	struct cfi_row row;

	w->s->fresh[w->fresh++] = (struct fresh) { .sp = sp, .pc = pc };
	if (!m) {
		step_nowhere(w, pc);
		return false;
	}
	image = lookup_image(m);
	w->end = STACK_BROKEN;
	if (!m->eh_frame_hdr || !cfi_row(&image, pc - 1, &row))
		return false;
	switch (step_caller(&image, &row, w->bounds, regs)) {
	case STEP_FAILED:
		return false;
	case STEP_ROOT:
		w->end = STACK_ROOT;
		return false;
	case STEP_CALLER:
		break;
	}
	if (row.signal) {
		regs->at[CFI_RA]++; /* exact: see struct stack_frame */
		return true;
	}
	if (!regs->at[CFI_RA])
		w->end = STACK_ROOT;
	return regs->at[CFI_RA] && regs->at[CFI_RSP] > sp;
}

COLD void walk_all(struct walk *w, const struct stack_regs *from)
{
	struct step_regs regs;

	step_begin(&regs, from);
	w->irregular = true;
	w->fresh = 0;
	while (step_all(w, &regs)) {
		if (w->fresh == STACK_MAX_FRAMES) {
			w->end = STACK_TRUNCATED;
			return;
		}
	}
}
