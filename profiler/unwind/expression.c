/*
 * expression: the DWARF expressions that CFI uses, DWARF 5 section 2.5.
 *
 * A stack machine without calls, types or locations.  Fuel bounds its loops.
 */
#include "profiler/unwind/memory.h"
#include "profiler/unwind/step.h"

#define DEPTH 16
#define FUEL  256

enum op {
	OP_ADDR = 0x03,
	OP_DEREF = 0x06,
	OP_CONST1U = 0x08,
	OP_CONST1S = 0x09,
	OP_CONST2U = 0x0a,
	OP_CONST2S = 0x0b,
	OP_CONST4U = 0x0c,
	OP_CONST4S = 0x0d,
	OP_CONST8U = 0x0e,
	OP_CONST8S = 0x0f,
	OP_CONSTU = 0x10,
	OP_CONSTS = 0x11,
	OP_DUP = 0x12,
	OP_DROP = 0x13,
	OP_OVER = 0x14,
	OP_PICK = 0x15,
	OP_SWAP = 0x16,
	OP_ROT = 0x17,
	OP_ABS = 0x19,
	OP_AND = 0x1a,
	OP_MINUS = 0x1c,
	OP_MUL = 0x1e,
	OP_NEG = 0x1f,
	OP_NOT = 0x20,
	OP_OR = 0x21,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_SHR = 0x25,
	OP_SHRA = 0x26,
	OP_XOR = 0x27,
	OP_BRA = 0x28,
	OP_EQ = 0x29,
	OP_GE = 0x2a,
	OP_GT = 0x2b,
	OP_LE = 0x2c,
	OP_LT = 0x2d,
	OP_NE = 0x2e,
	OP_SKIP = 0x2f,
	OP_LIT0 = 0x30,
	OP_BREG0 = 0x70,
	OP_BREGX = 0x92,
	OP_DEREF_SIZE = 0x94,
	OP_NOP = 0x96,
};

struct machine {
	struct cursor c;
	uint64_t from; /* where the expression begins */
	const struct step_regs *regs;
	const struct stack_bounds *bounds;
	uint64_t stack[DEPTH];
	unsigned depth;
};

static void push(struct machine *m, uint64_t value)
{
	if (m->depth < DEPTH)
		m->stack[m->depth++] = value;
	else
		m->c.failed = true;
}

static uint64_t pop(struct machine *m)
{
	if (m->depth)
		return m->stack[--m->depth];
	m->c.failed = true;
	return 0;
}

/* A copy of the value @below the top. */
static void pick(struct machine *m, unsigned below)
{
	if (below < m->depth)
		push(m, m->stack[m->depth - 1 - below]);
	else
		m->c.failed = true;
}

static void push_register(struct machine *m, uint64_t reg)
{
	uint64_t offset = (uint64_t)cursor_sleb(&m->c);

	if (reg >= CFI_REGISTERS || !(m->regs->known >> reg & 1)) {
		m->c.failed = true;
		return;
	}
	push(m, m->regs->at[reg] + offset);
}

static void deref(struct machine *m, unsigned size)
{
	uint64_t at = pop(m), value = 0;

	/* A smaller value lies in the aligned word around it, or fails. */
	if (size == 0 || size > 8 || at % 8 + size > 8 ||
	    !memory_load(m->bounds, at - at % 8, &value)) {
		m->c.failed = true;
		return;
	}
	value >>= 8 * (at % 8);
	push(m, size < 8 ? value & (((uint64_t)1 << 8 * size) - 1) : value);
}

static void jump(struct machine *m, bool taken)
{
	int64_t by = cursor_signed(&m->c, 2);
	uint64_t to = m->c.at + (uint64_t)by;

	if (!taken)
		return;
	if (to < m->from || to > m->c.end)
		m->c.failed = true;
	else
		m->c.at = to;
}

static bool run_constant(struct machine *m, uint8_t op)
{
	switch (op) {
	case OP_CONST1U:
		push(m, cursor_unsigned(&m->c, 1));
		return true;
	case OP_CONST1S:
		push(m, (uint64_t)cursor_signed(&m->c, 1));
		return true;
	case OP_CONST2U:
		push(m, cursor_unsigned(&m->c, 2));
		return true;
	case OP_CONST2S:
		push(m, (uint64_t)cursor_signed(&m->c, 2));
		return true;
	case OP_CONST4U:
		push(m, cursor_unsigned(&m->c, 4));
		return true;
	case OP_CONST4S:
		push(m, (uint64_t)cursor_signed(&m->c, 4));
		return true;
	case OP_ADDR:
	case OP_CONST8U:
	case OP_CONST8S:
		push(m, cursor_unsigned(&m->c, 8));
		return true;
	case OP_CONSTU:
		push(m, cursor_uleb(&m->c));
		return true;
	case OP_CONSTS:
		push(m, (uint64_t)cursor_sleb(&m->c));
		return true;
	}
	if (op < OP_LIT0 || op >= OP_LIT0 + 32)
		return false;
	push(m, op - OP_LIT0);
	return true;
}

static bool run_stack(struct machine *m, uint8_t op)
{
	uint64_t a, b, c;

	switch (op) {
	case OP_DUP:
		pick(m, 0);
		return true;
	case OP_OVER:
		pick(m, 1);
		return true;
	case OP_PICK:
		pick(m, cursor_u8(&m->c));
		return true;
	case OP_DROP:
		pop(m);
		return true;
	case OP_SWAP:
		b = pop(m);
		a = pop(m);
		push(m, b);
		push(m, a);
		return true;
	case OP_ROT:
		c = pop(m);
		b = pop(m);
		a = pop(m);
		push(m, c);
		push(m, a);
		push(m, b);
		return true;
	default:
		return false;
	}
}

static bool run_unary(struct machine *m, uint8_t op)
{
	uint64_t a;

	switch (op) {
	case OP_ABS:
		a = pop(m);
		push(m, (int64_t)a < 0 ? 0 - a : a);
		return true;
	case OP_NEG:
		push(m, 0 - pop(m));
		return true;
	case OP_NOT:
		push(m, ~pop(m));
		return true;
	case OP_PLUS_UCONST:
		a = pop(m);
		push(m, a + cursor_uleb(&m->c));
		return true;
	case OP_DEREF:
		deref(m, 8);
		return true;
	case OP_DEREF_SIZE:
		deref(m, cursor_u8(&m->c));
		return true;
	case OP_BRA:
		jump(m, pop(m) != 0);
		return true;
	case OP_SKIP:
		jump(m, true);
		return true;
	case OP_NOP:
		return true;
	default:
		return false;
	}
}

/* @a was pushed before @b.  Comparisons are signed. */
static bool binary(uint8_t op, uint64_t a, uint64_t b, uint64_t *value)
{
	int64_t sa = (int64_t)a, sb = (int64_t)b;

	switch (op) {
	case OP_AND:
		*value = a & b;
		break;
	case OP_OR:
		*value = a | b;
		break;
	case OP_XOR:
		*value = a ^ b;
		break;
	case OP_PLUS:
		*value = a + b;
		break;
	case OP_MINUS:
		*value = a - b;
		break;
	case OP_MUL:
		*value = a * b;
		break;
	case OP_SHL:
		*value = b < 64 ? a << b : 0;
		break;
	case OP_SHR:
		*value = b < 64 ? a >> b : 0;
		break;
	case OP_SHRA:
		*value = (uint64_t)(sa >> (b < 63 ? b : 63));
		break;
	case OP_EQ:
		*value = a == b;
		break;
	case OP_NE:
		*value = a != b;
		break;
	case OP_GE:
		*value = sa >= sb;
		break;
	case OP_GT:
		*value = sa > sb;
		break;
	case OP_LE:
		*value = sa <= sb;
		break;
	case OP_LT:
		*value = sa < sb;
		break;
	default:
		return false;
	}
	return true;
}

static void run(struct machine *m)
{
	uint8_t op = cursor_u8(&m->c);
	uint64_t a, b, value;

	if (m->c.failed)
		return;
	if (op >= OP_BREG0 && op < OP_BREG0 + 32) {
		push_register(m, op - OP_BREG0);
	} else if (op == OP_BREGX) {
		push_register(m, cursor_uleb(&m->c));
	} else if (!run_constant(m, op) && !run_stack(m, op) &&
		   !run_unary(m, op)) {
		b = pop(m);
		a = pop(m);
		if (binary(op, a, b, &value))
			push(m, value);
		else
			m->c.failed = true;
	}
}

bool step_expression(const struct image *image, uint64_t at,
		     const struct step_regs *regs,
		     const struct stack_bounds *bounds, const uint64_t *initial,
		     uint64_t *value)
{
	struct machine m = { .regs = regs, .bounds = bounds };
	uint64_t size;

	m.c = cursor_at(image, at, UINT64_MAX);
	size = cursor_uleb(&m.c);
	if (!cursor_has(&m.c, size))
		return false;
	m.from = m.c.at;
	m.c.end = m.c.at + size;
	if (initial)
		push(&m, *initial);
	for (unsigned fuel = FUEL; !cursor_done(&m.c); fuel--) {
		if (!fuel)
			return false;
		run(&m);
	}
	*value = pop(&m);
	return !m.c.failed;
}
