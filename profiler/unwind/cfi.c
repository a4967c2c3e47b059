/*
 * cfi: see cfi.h.  DWARF 5, section 6.4.2, and GNU's additions.
 */
#include "profiler/unwind/cfi.h"
#include "profiler/unwind/fde.h"

/* GCC and clang nest them two deep at most. */
#define REMEMBER_DEPTH 6

/* Where the kernel's ucontext keeps the interrupted registers. */
#define UCONTEXT_RBP 120
#define UCONTEXT_RSP 160
#define UCONTEXT_RIP 168

enum cfa_op {
	CFA_NOP = 0x00,
	CFA_ADVANCE1 = 0x02,
	CFA_ADVANCE2 = 0x03,
	CFA_ADVANCE4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
	/* in the upper two bits, with an operand in the lower six */
	CFA_ADVANCE = 0x40,
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
};

/* A CFA program at work. */
struct program {
	const struct fde *fde;
	struct cursor c;
	uint64_t location;
	struct cfi_row now;
	struct cfi_row initial; /* after the CIE's part: what restore means */
	struct cfi_row remembered[REMEMBER_DEPTH];
	unsigned depth;
};

static void set(struct program *p, uint64_t reg, uint32_t how, int64_t value)
{
	if (value != (int32_t)value)
		p->c.failed = true;
	else if (reg < CFI_REGISTERS) /* vector registers do not matter */
		p->now.at[reg] = (struct cfi_place) { how, (uint32_t)value };
}

static int64_t factored(struct program *p, int64_t offset)
{
	int64_t value;

	if (__builtin_mul_overflow(offset, p->fde->data_align, &value))
		p->c.failed = true;
	return value;
}

static void set_cfa(struct program *p, uint64_t reg, int64_t offset)
{
	if (reg >= CFI_REGISTERS || offset != (int32_t)offset)
		p->c.failed = true;
	p->now.cfa_register = (uint32_t)reg;
	p->now.cfa = (struct cfi_place) { CFI_VALUE, (uint32_t)offset };
}

static void set_cfa_offset(struct program *p, int64_t offset)
{
	if (p->now.cfa.how != CFI_VALUE)
		p->c.failed = true;
	set_cfa(p, p->now.cfa_register, offset);
}

/* Pass over an expression; its place is that of its size. */
static int64_t expression(struct program *p)
{
	uint64_t at = p->c.at - p->c.image->address, size;

	size = cursor_uleb(&p->c);
	cursor_skip(&p->c, size);
	p->c.failed |= at > INT32_MAX;
	return (int64_t)at;
}

static void restore(struct program *p, uint64_t reg)
{
	if (reg < CFI_REGISTERS)
		p->now.at[reg] = p->initial.at[reg];
}

static void remember(struct program *p)
{
	if (p->depth < REMEMBER_DEPTH)
		p->remembered[p->depth++] = p->now;
	else
		p->c.failed = true;
}

static void restore_state(struct program *p)
{
	if (p->depth)
		p->now = p->remembered[--p->depth];
	else
		p->c.failed = true;
}

/* Rules for the CFA. */
static bool run_cfa_op(struct program *p, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case CFA_DEF_CFA:
		reg = cursor_uleb(&p->c);
		set_cfa(p, reg, (int64_t)cursor_uleb(&p->c));
		return true;
	case CFA_DEF_CFA_SF:
		reg = cursor_uleb(&p->c);
		set_cfa(p, reg, factored(p, cursor_sleb(&p->c)));
		return true;
	case CFA_DEF_CFA_REGISTER:
		set_cfa(p, cursor_uleb(&p->c), (int32_t)p->now.cfa.value);
		return true;
	case CFA_DEF_CFA_OFFSET:
		set_cfa_offset(p, (int64_t)cursor_uleb(&p->c));
		return true;
	case CFA_DEF_CFA_OFFSET_SF:
		set_cfa_offset(p, factored(p, cursor_sleb(&p->c)));
		return true;
	case CFA_DEF_CFA_EXPRESSION:
		p->now.cfa.how = CFI_EXPR_VALUE;
		p->now.cfa.value = (uint32_t)expression(p);
		return true;
	default:
		return false;
	}
}

/* Rules for a register, which is the first operand of them all. */
static bool run_register_op(struct program *p, uint8_t op)
{
	uint64_t reg = cursor_uleb(&p->c);

	switch (op) {
	case CFA_OFFSET_EXTENDED:
		set(p, reg, CFI_AT, factored(p, (int64_t)cursor_uleb(&p->c)));
		return true;
	case CFA_OFFSET_EXTENDED_SF:
		set(p, reg, CFI_AT, factored(p, cursor_sleb(&p->c)));
		return true;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		set(p, reg, CFI_AT,
		    factored(p, (int64_t)(0 - cursor_uleb(&p->c))));
		return true;
	case CFA_VAL_OFFSET:
		set(p, reg, CFI_VALUE,
		    factored(p, (int64_t)cursor_uleb(&p->c)));
		return true;
	case CFA_VAL_OFFSET_SF:
		set(p, reg, CFI_VALUE, factored(p, cursor_sleb(&p->c)));
		return true;
	case CFA_RESTORE_EXTENDED:
		restore(p, reg);
		return true;
	case CFA_UNDEFINED:
		set(p, reg, CFI_UNDEFINED, 0);
		return true;
	case CFA_SAME_VALUE:
		set(p, reg, CFI_SAME, 0);
		return true;
	case CFA_REGISTER:
		set(p, reg, CFI_REGISTER, (int64_t)cursor_uleb(&p->c));
		return true;
	case CFA_EXPRESSION:
		set(p, reg, CFI_EXPR_AT, expression(p));
		return true;
	case CFA_VAL_EXPRESSION:
		set(p, reg, CFI_EXPR_VALUE, expression(p));
		return true;
	default:
		return false;
	}
}

/* How far the location advances; 0 for what is not an advance. */
static uint64_t run(struct program *p)
{
	uint8_t op = cursor_u8(&p->c);

	switch (op & 0xc0) {
	case CFA_ADVANCE:
		return op & 0x3f;
	case CFA_OFFSET:
		set(p, op & 0x3f, CFI_AT,
		    factored(p, (int64_t)cursor_uleb(&p->c)));
		return 0;
	case CFA_RESTORE:
		restore(p, op & 0x3f);
		return 0;
	}
	switch (op) {
	case CFA_NOP:
		return 0;
	case CFA_ADVANCE1:
		return cursor_unsigned(&p->c, 1);
	case CFA_ADVANCE2:
		return cursor_unsigned(&p->c, 2);
	case CFA_ADVANCE4:
		return cursor_unsigned(&p->c, 4);
	case CFA_REMEMBER:
		remember(p);
		return 0;
	case CFA_RESTORE_STATE:
		restore_state(p);
		return 0;
	case CFA_GNU_ARGS_SIZE: /* matters to a landing pad, not to us */
		cursor_uleb(&p->c);
		return 0;
	}
	if (!run_cfa_op(p, op) && !run_register_op(p, op))
		p->c.failed = true;
	return 0;
}

/* Runs the CIE's part. */
static void begin(struct program *p, const struct image *image,
		  const struct fde *fde)
{
	p->fde = fde;
	p->location = fde->start;
	p->depth = 0;
	p->now.cfa = (struct cfi_place) { CFI_UNDEFINED, 0 };
	p->now.cfa_register = 0;
	p->now.signal = fde->signal;
	for (unsigned i = 0; i < CFI_REGISTERS; i++)
		p->now.at[i] = (struct cfi_place) { CFI_SAME, 0 };
	p->initial = p->now;
	p->c = cursor_at(image, fde->common, fde->common_end);
	if (fde->return_register != CFI_RA)
		p->c.failed = true;
	while (!cursor_done(&p->c))
		run(p);
	if (p->c.failed)
		return;
	p->initial = p->now;
	p->c = cursor_at(image, fde->program, fde->program_end);
}

/*
 * The next row, p->now, good for [*start, *end).  It stays until the next
 * call.  False after the last, or when the program is bad.
 */
static bool next_row(struct program *p, uint64_t *start, uint64_t *end)
{
	if (p->location >= p->fde->end)
		return false;
	*start = p->location;
	while (!cursor_done(&p->c)) {
		uint64_t by = run(p);

		if (!by || p->c.failed)
			continue;
		if (__builtin_mul_overflow(by, p->fde->code_align, &by) ||
		    by > p->fde->end - p->location)
			by = p->fde->end - p->location;
		p->location += by;
		if (by) {
			*end = p->location;
			return true;
		}
	}
	p->location = *end = p->fde->end;
	return !p->c.failed;
}

static bool find_row(struct program *p, uint64_t pc)
{
	uint64_t start, end;

	while (next_row(p, &start, &end))
		if (pc < end)
			return true;
	return false;
}

/* Does the expression at @place have exactly these bytes? */
static bool is_expression(const struct image *image, uint32_t place,
			  const uint8_t *bytes, uint64_t size)
{
	struct cursor c = cursor_at(image, image->address + place, UINT64_MAX);

	if (cursor_uleb(&c) != size)
		return false;
	for (uint64_t i = 0; i < size; i++)
		if (cursor_u8(&c) != bytes[i])
			return false;
	return !c.failed;
}

/* DW_OP_breg@reg @offset, and DW_OP_deref if @deref. */
static bool is_base(const struct image *image, uint32_t place, unsigned reg,
		    bool deref, int64_t *offset)
{
	struct cursor c = cursor_at(image, image->address + place, UINT64_MAX);
	uint64_t size = cursor_uleb(&c), from = c.at;

	if (cursor_u8(&c) != 0x70 + reg)
		return false;
	*offset = cursor_sleb(&c);
	if (deref && cursor_u8(&c) != 0x06)
		return false;
	return !c.failed && c.at - from == size;
}

/*
 * What ld, gold and lld write for a .plt section: each entry of 16 bytes
 * pushes once, at a byte that the literal in the middle names.
 */
static bool is_plt(const struct image *image, uint32_t place, int32_t *at)
{
	uint8_t bytes[] = { 0x77, 8,	0x80, 0,    0x3f, 0x1a,
			    0,	  0x2a, 0x33, 0x24, 0x22 };

	for (unsigned byte = 0; byte < 16; byte++) {
		bytes[6] = (uint8_t)(0x30 + byte);
		if (is_expression(image, place, bytes, sizeof(bytes))) {
			*at = (int32_t)byte;
			return true;
		}
	}
	return false;
}

static bool is_signal(const struct image *image, const struct cfi_row *row)
{
	const struct cfi_place *ra = &row->at[CFI_RA], *bp = &row->at[CFI_RBP];
	int64_t offset;

	return row->cfa.how == CFI_EXPR_VALUE && ra->how == CFI_EXPR_AT &&
	       bp->how == CFI_EXPR_AT &&
	       is_base(image, row->cfa.value, CFI_RSP, true, &offset) &&
	       offset == UCONTEXT_RSP &&
	       is_base(image, ra->value, CFI_RSP, false, &offset) &&
	       offset == UCONTEXT_RIP &&
	       is_base(image, bp->value, CFI_RSP, false, &offset) &&
	       offset == UCONTEXT_RBP;
}

static bool compact_bp(const struct image *image, const struct cfi_row *row,
		       struct cfi_rule *rule)
{
	const struct cfi_place *bp = &row->at[CFI_RBP];
	int64_t offset = (int32_t)bp->value;

	rule->bp = 0;
	switch (bp->how) {
	case CFI_SAME:
	case CFI_UNDEFINED:
		rule->saved = CFI_BP_SAME;
		return true;
	case CFI_AT:
		rule->saved = CFI_BP_AT_CFA;
		break;
	case CFI_EXPR_AT:
		rule->saved = CFI_BP_AT_BP;
		if (!is_base(image, bp->value, CFI_RBP, false, &offset))
			return false;
		break;
	default:
		return false;
	}
	rule->bp = (int16_t)(offset / 8);
	return rule->bp * 8 == offset;
}

static bool compact_cfa(const struct image *image, const struct cfi_row *row,
			struct cfi_rule *rule)
{
	int64_t offset;

	rule->cfa = (int32_t)row->cfa.value;
	if (row->cfa.how == CFI_VALUE && row->cfa_register == CFI_RSP) {
		rule->kind = CFI_SP;
		return true;
	}
	if (row->cfa.how == CFI_VALUE && row->cfa_register == CFI_RBP) {
		rule->kind = CFI_BP;
		return true;
	}
	if (row->cfa.how != CFI_EXPR_VALUE)
		return false;
	if (is_base(image, row->cfa.value, CFI_RBP, true, &offset)) {
		rule->kind = CFI_DEREF_BP;
		rule->cfa = (int32_t)offset;
		return rule->cfa == offset;
	}
	rule->kind = CFI_PLT;
	return is_plt(image, row->cfa.value, &rule->cfa);
}

static struct cfi_rule compact(const struct image *image,
			       const struct cfi_row *row)
{
	const struct cfi_rule none = { .kind = CFI_NONE };
	const struct cfi_rule generic = { .kind = CFI_GENERIC };
	const struct cfi_place *ra = &row->at[CFI_RA];
	struct cfi_rule rule = none;

	if (ra->how == CFI_UNDEFINED)
		return (struct cfi_rule) { .kind = CFI_ROOT };
	if (row->cfa.how == CFI_UNDEFINED)
		return none;
	if (row->signal)
		return is_signal(image, row)
			       ? (struct cfi_rule) { .kind = CFI_SIGNAL }
			       : generic;
	if (ra->how != CFI_AT || (int32_t)ra->value != -8)
		return generic;
	if (!compact_cfa(image, row, &rule) || !compact_bp(image, row, &rule))
		return generic;
	if (rule.kind == CFI_SP && (rule.cfa < 8 || rule.cfa % 8))
		return none;
	if (rule.kind <= CFI_SP && rule.saved == CFI_BP_AT_BP)
		return generic;
	return rule;
}

struct cfi_rule cfi_find(const struct image *image, uint64_t pc)
{
	struct cfi_rule rule = { .kind = CFI_NONE };
	struct program p;
	struct fde fde;

	if (!fde_find(image, pc, &fde))
		return rule;
	begin(&p, image, &fde);
	if (!find_row(&p, pc))
		return rule;
	rule = compact(image, &p.now);
	if (rule.kind == CFI_PLT) {
		rule.kind = CFI_SP;
		rule.cfa = (int32_t)(pc & 15) >= rule.cfa ? 16 : 8;
	}
	return rule;
}

bool cfi_row(const struct image *image, uint64_t pc, struct cfi_row *row)
{
	struct program p;
	struct fde fde;

	if (!fde_find(image, pc, &fde))
		return false;
	begin(&p, image, &fde);
	if (!find_row(&p, pc))
		return false;
	*row = p.now;
	return row->cfa.how != CFI_UNDEFINED;
}

uint64_t cfi_each(const struct image *image, cfi_visit *visit, void *context)
{
	uint64_t at = fde_first(image), start, end, count = 0;
	struct program p;
	struct fde fde;

	while (at && fde_next(image, &at, &fde)) {
		begin(&p, image, &fde);
		while (next_row(&p, &start, &end)) {
			count++;
			if (!visit(context, start, end, compact(image, &p.now)))
				return count;
		}
	}
	return count;
}
