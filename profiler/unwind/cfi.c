#include "profiler/unwind/cfi.h"

/* Pointer encodings of .eh_frame (LSB). */
#define PE_OMIT	    0xff
#define PE_INDIRECT 0x80

#define EXPRESSION_STACK 16
#define REMEMBER_DEPTH	 4

/* A bounded reader over a module's mapped bytes; `bad` is sticky. */
struct cursor {
	uint64_t at, end;
	bool bad;
};

static uint64_t take(struct cursor *c, unsigned size)
{
	uint64_t value = 0;

	if (c->bad || size > 8 || c->at > c->end || c->end - c->at < size) {
		c->bad = true;
		return 0;
	}
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t) * (const uint8_t *)(c->at + i) << (8 * i);
	c->at += size;
	return value;
}

static uint64_t take_uleb(struct cursor *c)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint64_t byte = take(c, 1);

		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	c->bad = true;
	return 0;
}

static int64_t take_sleb(struct cursor *c)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint64_t byte = take(c, 1);

		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if ((byte & 0x40) && shift + 7 < 64)
			value |= ~0ULL << (shift + 7);
		return (int64_t)value;
	}
	c->bad = true;
	return 0;
}

static uint64_t take_encoded(struct cursor *c, uint8_t encoding,
			     uint64_t data_base)
{
	uint64_t here = c->at, value;

	if (encoding == PE_OMIT)
		return 0;
	switch (encoding & 0x0f) {
	case 0x00:
	case 0x04:
	case 0x0c:
		value = take(c, 8);
		break;
	case 0x01:
		value = take_uleb(c);
		break;
	case 0x02:
		value = take(c, 2);
		break;
	case 0x03:
		value = take(c, 4);
		break;
	case 0x09:
		value = (uint64_t)take_sleb(c);
		break;
	case 0x0a:
		value = (uint64_t)(int64_t)(int16_t)take(c, 2);
		break;
	case 0x0b:
		value = (uint64_t)(int64_t)(int32_t)take(c, 4);
		break;
	default:
		c->bad = true;
		return 0;
	}
	switch (encoding & 0x70) {
	case 0x00:
		return value;
	case 0x10: /* relative to the place it stands at */
		return value + here;
	case 0x30: /* relative to .eh_frame_hdr */
		return value + data_base;
	default:
		c->bad = true;
		return 0;
	}
}

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_register;
	uint8_t pointer_encoding;
	bool has_augmentation_data;
	bool signal_frame;
	struct cursor program;
};

struct fde {
	struct cie cie;
	uint64_t begin, end;
	struct cursor program;
};

static bool read_augmentation(struct cursor *c, const char *text,
			      struct cie *cie)
{
	uint64_t size;

	if (text[0] != 'z')
		return text[0] == 0;
	cie->has_augmentation_data = true;
	size = take_uleb(c);
	if (c->bad || size > c->end - c->at)
		return false;
	cie->program.at = c->at + size;
	for (const char *a = text + 1; *a; a++) {
		if (*a == 'R')
			cie->pointer_encoding = (uint8_t)take(c, 1);
		else if (*a == 'P')
			take_encoded(c, (uint8_t)take(c, 1) & 0x7f, 0);
		else if (*a == 'L')
			take(c, 1);
		else if (*a == 'S')
			cie->signal_frame = true;
		else if (*a != 'B' && *a != 'G')
			return true; /* unknown: the rest can be skipped */
	}
	return !c->bad;
}

static bool read_cie(const struct unwind_module *m, uint64_t at,
		     struct cie *cie)
{
	struct cursor c = { at, m->readable_end, false };
	char text[8] = "";
	uint64_t length, version;

	if (at < m->readable_start)
		return false;
	*cie = (struct cie) { 0 };
	length = take(&c, 4);
	if (c.bad || length >= 0xfffffff0u || length > c.end - c.at)
		return false;
	c.end = c.at + length;
	if (take(&c, 4) != 0)
		return false;
	version = take(&c, 1);
	for (unsigned i = 0; i < sizeof(text); i++) {
		text[i] = (char)take(&c, 1);
		if (!text[i])
			break;
		if (i == sizeof(text) - 1)
			return false;
	}
	if (version != 1 && version != 3 && version != 4)
		return false;
	if (version == 4)
		take(&c, 2);
	cie->code_align = take_uleb(&c);
	cie->data_align = take_sleb(&c);
	cie->ra_register = version == 1 ? take(&c, 1) : take_uleb(&c);
	cie->program = c;
	if (!read_augmentation(&c, text, cie))
		return false;
	if (!cie->has_augmentation_data)
		cie->program.at = c.at;
	return !c.bad;
}

static bool read_fde(const struct unwind_module *m, uint64_t at,
		     struct fde *fde)
{
	struct cursor c = { at, m->readable_end, false };
	uint64_t length, cie_at, size;

	if (at < m->readable_start)
		return false;
	length = take(&c, 4);
	if (c.bad || !length || length >= 0xfffffff0u || length > c.end - c.at)
		return false;
	c.end = c.at + length;
	cie_at = c.at;
	cie_at -= take(&c, 4);
	if (c.bad || !read_cie(m, cie_at, &fde->cie))
		return false;
	fde->begin = take_encoded(&c, fde->cie.pointer_encoding, 0);
	fde->end = fde->begin +
		   take_encoded(&c, fde->cie.pointer_encoding & 0x0f, 0);
	if (fde->cie.has_augmentation_data) {
		size = take_uleb(&c);
		if (c.bad || size > c.end - c.at)
			return false;
		c.at += size;
	}
	fde->program = c;
	return !c.bad;
}

/* Without a sorted table: walk all entries from the front. */
static bool find_fde_linear(const struct unwind_module *m, uint64_t eh_frame,
			    uint64_t pc, struct fde *fde)
{
	uint64_t at = eh_frame;

	while (at >= m->readable_start && at + 8 <= m->readable_end) {
		struct cursor c = { at, m->readable_end, false };
		uint64_t length = take(&c, 4), id = take(&c, 4);

		if (c.bad || !length || length >= 0xfffffff0u)
			return false;
		if (id && read_fde(m, at, fde) && pc >= fde->begin &&
		    pc < fde->end)
			return true;
		at += 4 + length;
	}
	return false;
}

static bool find_fde(const struct unwind_module *m, uint64_t pc,
		     struct fde *fde)
{
	struct cursor c = { m->eh_frame_hdr,
			    m->eh_frame_hdr + m->eh_frame_hdr_size, false };
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	uint64_t eh_frame, count, low = 0, high, entry;

	if (!m->eh_frame_hdr || c.at < m->readable_start ||
	    c.end > m->readable_end || c.end < c.at)
		return false;
	version = (uint8_t)take(&c, 1);
	frame_encoding = (uint8_t)take(&c, 1);
	count_encoding = (uint8_t)take(&c, 1);
	table_encoding = (uint8_t)take(&c, 1);
	eh_frame = take_encoded(&c, frame_encoding, m->eh_frame_hdr);
	count = take_encoded(&c, count_encoding, m->eh_frame_hdr);
	if (c.bad || version != 1)
		return false;
	if (table_encoding != 0x3b || count > (c.end - c.at) / 8)
		return find_fde_linear(m, eh_frame, pc, fde);
	high = count;
	while (low < high) {
		uint64_t middle = (low + high) / 2;
		int32_t begin = *(const int32_t *)(c.at + middle * 8);

		if (m->eh_frame_hdr + (uint64_t)(int64_t)begin <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	entry = m->eh_frame_hdr +
		(uint64_t)(int64_t) *
			(const int32_t *)(c.at + (low - 1) * 8 + 4);
	return read_fde(m, entry, fde) && pc >= fde->begin && pc < fde->end;
}

/* How one register of the caller is found. */
enum where { SAME, UNDEFINED, AT_CFA, IS_CFA, IN_REGISTER, AT_EXPR, IS_EXPR };

struct location {
	enum where where;
	int64_t value; /* offset, or register */
	struct cursor expression;
};

#define REG_RBX 3
#define REG_RBP 6
#define REG_RSP 7
#define REG_RA	16
#define NREGS	17

struct row {
	struct cursor cfa_expression;
	bool cfa_is_expression;
	uint64_t cfa_register;
	int64_t cfa_offset;
	struct location at[NREGS];
};

struct machine {
	struct row row, initial;
	struct row remembered[REMEMBER_DEPTH];
	unsigned depth;
	uint64_t location;
};

static struct cursor take_block(struct cursor *c)
{
	uint64_t size = take_uleb(c);
	struct cursor block = { c->at, c->at, false };

	if (c->bad || size > c->end - c->at) {
		c->bad = true;
		return block;
	}
	c->at += size;
	block.end = c->at;
	return block;
}

static void set(struct machine *vm, uint64_t reg, enum where where,
		int64_t value)
{
	if (reg < NREGS) {
		vm->row.at[reg].where = where;
		vm->row.at[reg].value = value;
	}
}

static void set_expression(struct machine *vm, struct cursor *c,
			   enum where where)
{
	uint64_t reg = take_uleb(c);
	struct cursor block = take_block(c);

	if (reg < NREGS) {
		vm->row.at[reg].where = where;
		vm->row.at[reg].expression = block;
	}
}

static void define_cfa(struct machine *vm, uint64_t reg, int64_t offset)
{
	vm->row.cfa_is_expression = false;
	vm->row.cfa_register = reg;
	vm->row.cfa_offset = offset;
}

/* The opcodes with a register in their low six bits. */
static bool run_primary(struct machine *vm, struct cursor *c,
			const struct cie *cie, uint8_t op)
{
	uint8_t low = op & 0x3f;

	switch (op >> 6) {
	case 1:
		vm->location += low * cie->code_align;
		return true;
	case 2:
		set(vm, low, AT_CFA, (int64_t)take_uleb(c) * cie->data_align);
		return true;
	case 3:
		if (low < NREGS)
			vm->row.at[low] = vm->initial.at[low];
		return true;
	}
	return false;
}

static void remember(struct machine *vm, struct cursor *c)
{
	if (vm->depth < REMEMBER_DEPTH)
		vm->remembered[vm->depth++] = vm->row;
	else
		c->bad = true;
}

static void recall(struct machine *vm, struct cursor *c)
{
	if (vm->depth)
		vm->row = vm->remembered[--vm->depth];
	else
		c->bad = true;
}

/* The others: one table of cases, DWARF 5 table 7.29. */
static void run_extended(struct machine *vm, struct cursor *c,
			 const struct cie *cie, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case 0x00: /* nop */
		break;
	case 0x01: /* set_loc */
		vm->location = take_encoded(c, cie->pointer_encoding, 0);
		break;
	case 0x02: /* advance_loc1, 2, 4 */
	case 0x03:
	case 0x04:
		vm->location += take(c, 1u << (op - 2)) * cie->code_align;
		break;
	case 0x05: /* offset_extended */
		reg = take_uleb(c);
		set(vm, reg, AT_CFA, (int64_t)take_uleb(c) * cie->data_align);
		break;
	case 0x06: /* restore_extended */
		reg = take_uleb(c);
		if (reg < NREGS)
			vm->row.at[reg] = vm->initial.at[reg];
		break;
	case 0x07:
		set(vm, take_uleb(c), UNDEFINED, 0);
		break;
	case 0x08:
		set(vm, take_uleb(c), SAME, 0);
		break;
	case 0x09: /* register */
		reg = take_uleb(c);
		set(vm, reg, IN_REGISTER, (int64_t)take_uleb(c));
		break;
	case 0x0a:
		remember(vm, c);
		break;
	case 0x0b:
		recall(vm, c);
		break;
	case 0x0c: /* def_cfa */
		reg = take_uleb(c);
		define_cfa(vm, reg, (int64_t)take_uleb(c));
		break;
	case 0x0d: /* def_cfa_register */
		vm->row.cfa_register = take_uleb(c);
		vm->row.cfa_is_expression = false;
		break;
	case 0x0e: /* def_cfa_offset */
		vm->row.cfa_offset = (int64_t)take_uleb(c);
		break;
	case 0x0f: /* def_cfa_expression */
		vm->row.cfa_expression = take_block(c);
		vm->row.cfa_is_expression = true;
		break;
	case 0x10:
		set_expression(vm, c, AT_EXPR);
		break;
	case 0x11: /* offset_extended_sf */
		reg = take_uleb(c);
		set(vm, reg, AT_CFA, take_sleb(c) * cie->data_align);
		break;
	case 0x12: /* def_cfa_sf */
		reg = take_uleb(c);
		define_cfa(vm, reg, take_sleb(c) * cie->data_align);
		break;
	case 0x13: /* def_cfa_offset_sf */
		vm->row.cfa_offset = take_sleb(c) * cie->data_align;
		break;
	case 0x14: /* val_offset */
		reg = take_uleb(c);
		set(vm, reg, IS_CFA, (int64_t)take_uleb(c) * cie->data_align);
		break;
	case 0x15: /* val_offset_sf */
		reg = take_uleb(c);
		set(vm, reg, IS_CFA, take_sleb(c) * cie->data_align);
		break;
	case 0x16:
		set_expression(vm, c, IS_EXPR);
		break;
	case 0x2e: /* GNU_args_size */
		take_uleb(c);
		break;
	default:
		c->bad = true;
	}
}

/* Run until the row of @pc is reached. */
static bool run(struct machine *vm, struct cursor program,
		const struct cie *cie, uint64_t pc)
{
	struct cursor c = program;

	while (c.at < c.end && !c.bad) {
		uint8_t op = (uint8_t)take(&c, 1);

		if (!run_primary(vm, &c, cie, op))
			run_extended(vm, &c, cie, op);
		if (vm->location > pc)
			break;
	}
	return !c.bad;
}

/*
 * The row of @pc.  @vm is large (a few KiB with the remembered rows), so it
 * is the caller's; this path is cold.
 */
static bool find_row(const struct unwind_module *m, uint64_t pc,
		     struct machine *vm, bool *signal_frame)
{
	struct fde fde;

	if (!find_fde(m, pc, &fde))
		return false;
	vm->depth = 0;
	vm->location = 0;
	__builtin_memset(&vm->row, 0, sizeof(vm->row));
	if (!run(vm, fde.cie.program, &fde.cie, UINT64_MAX))
		return false;
	vm->initial = vm->row;
	vm->location = fde.begin;
	vm->depth = 0;
	*signal_frame = fde.cie.signal_frame;
	if (fde.cie.ra_register != REG_RA)
		return false;
	return run(vm, fde.program, &fde.cie, pc);
}

static bool fits(int64_t value, unsigned bits)
{
	return value >= -(1LL << (bits - 1)) && value < 1LL << (bits - 1);
}

/* "breg N, offset" and nothing or one deref after it. */
static bool expression_is(struct cursor c, uint64_t reg, bool deref,
			  int64_t *offset)
{
	if (take(&c, 1) != 0x70 + reg)
		return false;
	*offset = take_sleb(&c);
	if (deref && take(&c, 1) != 0x06)
		return false;
	return !c.bad && c.at == c.end;
}

static bool expression_is_plt(struct cursor c)
{
	static const uint8_t plt[] = { 0x77, 8,	   0x80, 0,    0x3f, 0x1a,
				       0x3b, 0x2a, 0x33, 0x24, 0x22 };

	for (unsigned i = 0; i < sizeof(plt); i++)
		if (take(&c, 1) != plt[i])
			return false;
	return !c.bad && c.at == c.end;
}

static enum cfi_kind cfa_kind(const struct row *row, int64_t *offset)
{
	if (row->cfa_is_expression) {
		if (expression_is_plt(row->cfa_expression))
			return CFI_PLT;
		if (expression_is(row->cfa_expression, REG_RBP, true, offset))
			return CFI_BP_LOAD;
		return CFI_FULL;
	}
	*offset = row->cfa_offset;
	if (row->cfa_register == REG_RSP)
		return CFI_SP;
	return row->cfa_register == REG_RBP ? CFI_BP : CFI_FULL;
}

/* False: the caller's bp is somewhere the compact rule cannot say. */
static bool bp_rule(const struct row *row, struct cfi_rule *rule)
{
	const struct location *bp = &row->at[REG_RBP];
	int64_t offset = bp->value;

	if (bp->where == SAME || bp->where == UNDEFINED) {
		rule->bp = CFI_BP_SAME;
		offset = 0;
	} else if (bp->where == AT_CFA) {
		rule->bp = CFI_BP_AT_CFA;
	} else if (bp->where == AT_EXPR &&
		   expression_is(bp->expression, REG_RBP, false, &offset)) {
		rule->bp = CFI_BP_AT_BP;
	} else {
		return false;
	}
	rule->bp_offset = (int32_t)offset;
	return fits(offset, 25);
}

bool cfi_rule(const struct unwind_module *m, uint64_t pc, struct cfi_rule *rule)
{
	struct machine vm;
	const struct location *ra = &vm.row.at[REG_RA];
	int64_t offset = 0;
	bool signal_frame;

	*rule = (struct cfi_rule) { CFI_NONE, CFI_BP_SAME, 0, 0 };
	if (!find_row(m, pc, &vm, &signal_frame))
		return false;
	if (signal_frame) {
		rule->kind = CFI_SIGNAL;
		return true;
	}
	if (ra->where == UNDEFINED) {
		rule->kind = CFI_END;
		return true;
	}
	rule->kind = cfa_kind(&vm.row, &offset);
	rule->cfa_offset = (int32_t)offset;
	if (ra->where != AT_CFA || ra->value != -8 || !fits(offset, 27) ||
	    !bp_rule(&vm.row, rule))
		rule->kind = CFI_FULL;
	return true;
}

static bool load(const struct stack_bounds *b, uint64_t at, uint64_t *value)
{
	if (at < b->low || b->high < 8 || at > b->high - 8 || at & 7)
		return false;
	*value = *(const uint64_t *)at;
	return true;
}

static uint64_t *register_of(struct stack_regs *regs, uint64_t reg)
{
	switch (reg) {
	case REG_RBX:
		return &regs->bx;
	case REG_RBP:
		return &regs->bp;
	case REG_RSP:
		return &regs->sp;
	case 12:
		return &regs->r12;
	case 13:
		return &regs->r13;
	case 14:
		return &regs->r14;
	case 15:
		return &regs->r15;
	case REG_RA:
		return &regs->pc;
	}
	return 0; /* caller-saved: lost at a call */
}

struct evaluation {
	uint64_t at[EXPRESSION_STACK];
	unsigned depth;
	bool bad;
};

static void push(struct evaluation *e, uint64_t value)
{
	if (e->depth < EXPRESSION_STACK)
		e->at[e->depth++] = value;
	else
		e->bad = true;
}

static uint64_t pop(struct evaluation *e)
{
	if (!e->depth) {
		e->bad = true;
		return 0;
	}
	return e->at[--e->depth];
}

/* Two operands; DWARF 5 section 2.5.1.4, the subset compilers use. */
static bool binary(struct evaluation *e, uint8_t op)
{
	uint64_t b, a;

	switch (op) {
	case 0x1a:
	case 0x1c:
	case 0x1e:
	case 0x21:
	case 0x22:
	case 0x24:
	case 0x25:
	case 0x27:
	case 0x29:
	case 0x2a:
	case 0x2b:
	case 0x2c:
	case 0x2d:
	case 0x2e:
		break;
	default:
		return false;
	}
	b = pop(e);
	a = pop(e);
	switch (op) {
	case 0x1a:
		push(e, a & b);
		break;
	case 0x1c:
		push(e, a - b);
		break;
	case 0x1e:
		push(e, a * b);
		break;
	case 0x21:
		push(e, a | b);
		break;
	case 0x22:
		push(e, a + b);
		break;
	case 0x24:
		push(e, b < 64 ? a << b : 0);
		break;
	case 0x25:
		push(e, b < 64 ? a >> b : 0);
		break;
	case 0x27:
		push(e, a ^ b);
		break;
	case 0x29:
		push(e, a == b);
		break;
	case 0x2a:
		push(e, (int64_t)a >= (int64_t)b);
		break;
	case 0x2b:
		push(e, (int64_t)a > (int64_t)b);
		break;
	case 0x2c:
		push(e, (int64_t)a <= (int64_t)b);
		break;
	case 0x2d:
		push(e, (int64_t)a < (int64_t)b);
		break;
	case 0x2e:
		push(e, a != b);
		break;
	}
	return true;
}

static void constant(struct evaluation *e, struct cursor *c, uint8_t op)
{
	switch (op) {
	case 0x08:
		push(e, take(c, 1));
		break;
	case 0x09:
		push(e, (uint64_t)(int64_t)(int8_t)take(c, 1));
		break;
	case 0x0a:
		push(e, take(c, 2));
		break;
	case 0x0b:
		push(e, (uint64_t)(int64_t)(int16_t)take(c, 2));
		break;
	case 0x0c:
		push(e, take(c, 4));
		break;
	case 0x0d:
		push(e, (uint64_t)(int64_t)(int32_t)take(c, 4));
		break;
	case 0x0e:
	case 0x0f:
		push(e, take(c, 8));
		break;
	case 0x10:
		push(e, take_uleb(c));
		break;
	case 0x11:
		push(e, (uint64_t)take_sleb(c));
		break;
	default:
		e->bad = true;
	}
}

static void evaluate_one(struct evaluation *e, struct cursor *c, uint8_t op,
			 struct stack_regs *regs,
			 const struct stack_bounds *bounds)
{
	uint64_t value = 0;

	if (op >= 0x30 && op <= 0x4f) {
		push(e, op - 0x30u);
	} else if (op >= 0x70 && op <= 0x8f) {
		uint64_t *reg = register_of(regs, op - 0x70u);
		int64_t offset = take_sleb(c);

		e->bad |= !reg;
		push(e, (reg ? *reg : 0) + (uint64_t)offset);
	} else if (op == 0x06) {
		e->bad |= !load(bounds, pop(e), &value);
		push(e, value);
	} else if (op == 0x12) {
		value = pop(e);
		push(e, value);
		push(e, value);
	} else if (op == 0x13) {
		pop(e);
	} else if (op == 0x16) {
		uint64_t top = pop(e), below = pop(e);

		push(e, top);
		push(e, below);
	} else if (op == 0x23) {
		push(e, pop(e) + take_uleb(c));
	} else if (op == 0x1f) {
		push(e, -pop(e));
	} else if (op != 0x96 && !binary(e, op)) {
		constant(e, c, op);
	}
}

static bool evaluate(struct cursor c, struct stack_regs *regs,
		     const struct stack_bounds *bounds, const uint64_t *cfa,
		     uint64_t *value)
{
	struct evaluation e = { .depth = 0 };

	if (cfa)
		push(&e, *cfa);
	while (c.at < c.end && !c.bad && !e.bad)
		evaluate_one(&e, &c, (uint8_t)take(&c, 1), regs, bounds);
	*value = pop(&e);
	return !c.bad && !e.bad;
}

static bool find_cfa(const struct row *row, struct stack_regs *regs,
		     const struct stack_bounds *bounds, uint64_t *cfa)
{
	uint64_t *reg;

	if (row->cfa_is_expression)
		return evaluate(row->cfa_expression, regs, bounds, 0, cfa);
	reg = register_of(regs, row->cfa_register);
	if (!reg)
		return false;
	*cfa = *reg + (uint64_t)row->cfa_offset;
	return true;
}

static bool recover(const struct location *l, uint64_t cfa,
		    struct stack_regs *from, const struct stack_bounds *bounds,
		    uint64_t *value, uint64_t *slot)
{
	uint64_t *reg;

	switch (l->where) {
	case SAME:
	case UNDEFINED:
		return true;
	case AT_CFA:
		*slot = cfa + (uint64_t)l->value;
		return load(bounds, *slot, value);
	case IS_CFA:
		*value = cfa + (uint64_t)l->value;
		return true;
	case IN_REGISTER:
		reg = register_of(from, (uint64_t)l->value);
		if (reg)
			*value = *reg;
		return reg;
	case AT_EXPR:
		return evaluate(l->expression, from, bounds, &cfa, slot) &&
		       load(bounds, *slot, value);
	case IS_EXPR:
		return evaluate(l->expression, from, bounds, &cfa, value);
	}
	return false;
}

bool cfi_step_full(const struct unwind_module *m, uint64_t pc,
		   struct stack_regs *regs, const struct stack_bounds *bounds,
		   uint64_t *ra_slot)
{
	static const uint8_t kept[] = {
		REG_RBX, REG_RBP, 12, 13, 14, 15, REG_RA
	};
	struct stack_regs from = *regs;
	struct machine vm;
	bool signal_frame;
	uint64_t cfa, slot;

	if (!find_row(m, pc, &vm, &signal_frame) ||
	    vm.row.at[REG_RA].where == UNDEFINED ||
	    !find_cfa(&vm.row, &from, bounds, &cfa))
		return false;
	for (unsigned i = 0; i < sizeof(kept); i++) {
		slot = 0;
		if (!recover(&vm.row.at[kept[i]], cfa, &from, bounds,
			     register_of(regs, kept[i]), &slot))
			return false;
		if (kept[i] == REG_RA)
			*ra_slot = slot;
	}
	regs->sp = cfa;
	return true;
}
