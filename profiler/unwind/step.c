/*
 * step: see step.h.
 */
#include "profiler/unwind/step.h"
#include "profiler/unwind/memory.h"

/* What a called function may clobber: unknown in its caller. */
#define CALLER_SAVED                                                     \
	(1u << CFI_RAX | 1u << CFI_RDX | 1u << CFI_RCX | 1u << CFI_RSI | \
	 1u << CFI_RDI | 0xfu << CFI_R8)

/* One step under way: @from are the callee's registers, @to the caller's. */
struct stepping {
	const struct image *image;
	const struct stack_bounds *bounds;
	const struct step_regs *from;
	struct step_regs *to;
	uint64_t cfa;
};

static bool get(const struct step_regs *regs, uint64_t reg, uint64_t *value)
{
	if (reg >= CFI_REGISTERS || !(regs->known >> reg & 1))
		return false;
	*value = regs->at[reg];
	return true;
}

static void put(struct step_regs *regs, unsigned reg, uint64_t value)
{
	regs->at[reg] = value;
	regs->known |= 1u << reg;
}

void step_begin(struct step_regs *regs, const struct stack_regs *from)
{
	regs->known = 0;
	put(regs, CFI_RBX, from->bx);
	put(regs, CFI_RBP, from->bp);
	put(regs, CFI_RSP, from->sp);
	put(regs, CFI_R12, from->r12);
	put(regs, CFI_R13, from->r13);
	put(regs, CFI_R14, from->r14);
	put(regs, CFI_R15, from->r15);
	put(regs, CFI_RA, from->pc);
}

static bool find_cfa(struct stepping *s, const struct cfi_row *row)
{
	if (row->cfa.how == CFI_EXPR_VALUE)
		return step_expression(s->image,
				       s->image->address + row->cfa.value,
				       s->from, s->bounds, 0, &s->cfa);
	if (!get(s->from, row->cfa_register, &s->cfa))
		return false;
	s->cfa += (uint64_t)(int64_t)(int32_t)row->cfa.value;
	return true;
}

static bool find_register(struct stepping *s, struct cfi_place place,
			  uint64_t *value)
{
	uint64_t offset = (uint64_t)(int64_t)(int32_t)place.value;

	switch (place.how) {
	case CFI_AT:
		return memory_load(s->bounds, s->cfa + offset, value);
	case CFI_VALUE:
		*value = s->cfa + offset;
		return true;
	case CFI_REGISTER:
		return get(s->from, place.value, value);
	case CFI_EXPR_AT:
	case CFI_EXPR_VALUE:
		if (!step_expression(s->image, s->image->address + place.value,
				     s->from, s->bounds, &s->cfa, value))
			return false;
		return place.how == CFI_EXPR_VALUE ||
		       memory_load(s->bounds, *value, value);
	default:
		return false;
	}
}

/* A register that cannot be found is unknown, which may never matter. */
static void step_register(struct stepping *s, const struct cfi_row *row,
			  unsigned reg)
{
	bool clobbered = !row->signal && (CALLER_SAVED >> reg & 1);
	uint64_t value;

	if (row->at[reg].how == CFI_SAME) {
		if (clobbered)
			s->to->known &= ~(1u << reg);
	} else if (find_register(s, row->at[reg], &value)) {
		put(s->to, reg, value);
	} else {
		s->to->known &= ~(1u << reg);
	}
}

enum step_end step_caller(const struct image *image, const struct cfi_row *row,
			  const struct stack_bounds *bounds,
			  struct step_regs *regs)
{
	const struct step_regs from = *regs;
	struct stepping s = { image, bounds, &from, regs, 0 };

	if (row->at[CFI_RA].how == CFI_UNDEFINED)
		return STEP_ROOT;
	if (!find_cfa(&s, row))
		return STEP_FAILED;
	put(regs, CFI_RSP, s.cfa);
	regs->known &= ~(1u << CFI_RA);
	for (unsigned reg = 0; reg < CFI_REGISTERS; reg++)
		if (reg != CFI_RSP || row->at[reg].how != CFI_SAME)
			step_register(&s, row, reg);
	return regs->known & 1u << CFI_RA && regs->known & 1u << CFI_RSP
		       ? STEP_CALLER
		       : STEP_FAILED;
}
