#include "profiler/unwind/insn.h"

/*
 * What follows each opcode of a map, sixteen in a row:
 *
 *	.	not in 64-bit mode, or a prefix; refused
 *	-	nothing
 *	m B L	ModRM; and a byte; and a LONG
 *	b w e	an immediate byte; two; enter's two and one
 *	l q	LONG: four bytes, two with prefix 66; q: eight with REX.W
 *	a	an address of eight bytes, four with prefix 67
 *	r R	a distance of one byte, of four
 */
static const char one_byte[256 + 1] = "mmmmbl..mmmmbl.."
				      "mmmmbl..mmmmbl.."
				      "mmmmbl..mmmmbl.."
				      "mmmmbl..mmmmbl.."
				      "................"
				      "----------------"
				      "...m....lLbB----"
				      "rrrrrrrrrrrrrrrr"
				      "BL.Bmmmmmmmmmmmm"
				      "----------.-----"
				      "aaaa----bl------"
				      "bbbbbbbbqqqqqqqq"
				      "BBw-..BLe-w--b.-"
				      "mmmm...-mmmmmmmm"
				      "rrrrbbbbRR.r----"
				      ".-..--mm------mm";

static const char two_byte[256 + 1] = "mmmm.-----.-.m.."
				      "mmmmmmmmmmmmmmmm"
				      "mmmm....mmmmmmmm"
				      "------.-........"
				      "mmmmmmmmmmmmmmmm"
				      "mmmmmmmmmmmmmmmm"
				      "mmmmmmmmmmmmmmmm"
				      "BBBBmmm-....mmmm"
				      "RRRRRRRRRRRRRRRR"
				      "mmmmmmmmmmmmmmmm"
				      "---mBm..---mBmmm"
				      "mmmmmmmmmmBmmmmm"
				      "mmBmBBBm--------"
				      "mmmmmmmmmmmmmmmm"
				      "mmmmmmmmmmmmmmmm"
				      "mmmmmmmmmmmmmmm.";

struct cursor {
	const uint8_t *code;
	size_t size, at;
	bool operand16, address32, repeat, repeat_not, lock;
	uint8_t rex, map, opcode, modrm;
	bool vector; /* VEX or EVEX */
};

static bool next(struct cursor *c, uint8_t *byte)
{
	if (c->at >= c->size || c->at >= INSN_MAX)
		return false;
	*byte = c->code[c->at++];
	return true;
}

/* Prefixes up to the opcode; a REX that is not the last does nothing. */
static bool read_prefixes(struct cursor *c, uint8_t *byte)
{
	while (next(c, byte)) {
		switch (*byte) {
		case 0x66:
			c->operand16 = true;
			break;
		case 0x67:
			c->address32 = true;
			break;
		case 0xf0:
			c->lock = true;
			break;
		case 0xf2:
			c->repeat_not = true;
			break;
		case 0xf3:
			c->repeat = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
			break;
		default:
			if ((*byte & 0xf0) != 0x40)
				return true;
			c->rex = *byte;
			continue;
		}
		c->rex = 0;
	}
	return false;
}

/* VEX (C4, C5) and EVEX (62): the map is a field of the prefix. */
static bool read_vector_opcode(struct cursor *c, uint8_t prefix)
{
	uint8_t first, rest = 0;

	if (c->operand16 || c->repeat || c->repeat_not || c->lock || c->rex ||
	    !next(c, &first))
		return false;
	c->vector = true;
	c->map = prefix == 0xc5	  ? 1
		 : prefix == 0xc4 ? first & 0x1f
				  : first & 0x07;
	if (prefix != 0xc5 && !next(c, &rest))
		return false;
	if (prefix == 0x62 &&
	    (first & 0x08 || !(rest & 0x04) || !next(c, &rest)))
		return false;
	if (prefix == 0x62 ? c->map == 0 || c->map == 4 || c->map == 7
			   : c->map == 0 || c->map > 3)
		return false;
	return next(c, &c->opcode);
}

static bool read_opcode(struct cursor *c)
{
	uint8_t byte;

	if (!read_prefixes(c, &byte))
		return false;
	if (byte == 0xc4 || byte == 0xc5 || byte == 0x62)
		return read_vector_opcode(c, byte);
	c->opcode = byte;
	if (byte != 0x0f)
		return true;
	if (!next(c, &c->opcode))
		return false;
	c->map = 1;
	if (c->opcode != 0x38 && c->opcode != 0x3a)
		return true;
	c->map = c->opcode == 0x38 ? 2 : 3;
	return next(c, &c->opcode);
}

static char shape_of(const struct cursor *c)
{
	char shape;

	if (c->map == 0)
		return one_byte[c->opcode];
	if (c->map == 3)
		return 'B';
	if (c->map != 1)
		return 'm';
	shape = two_byte[c->opcode];
	if (!c->vector)
		return shape;
	if (c->opcode == 0x77) /* vzeroupper */
		return '-';
	/* Shifts and bit tests of memory have no vector form. */
	return shape == 'B' && c->opcode != 0xa4 && c->opcode != 0xac &&
			       c->opcode != 0xba
		       ? 'B'
		       : 'm';
}

/* Opcodes of which only some values of ModRM's middle field are in use. */
static bool known_group(const struct cursor *c)
{
	unsigned reg = c->modrm >> 3 & 7;
	bool memory = c->modrm < 0xc0;

	if (c->vector || c->map != 0)
		return true;
	switch (c->opcode) {
	case 0x8f: /* else XOP */
	case 0xc6:
	case 0xc7: /* else xabort, xbegin */
		return reg == 0;
	case 0x8d:
		return memory;
	case 0xfe:
		return reg <= 1;
	case 0xff:
		return reg != 7 && (memory || (reg != 3 && reg != 5));
	default:
		return true;
	}
}

/* The address bytes that follow ModRM; notes a rip-relative one. */
static bool skip_address(struct cursor *c, struct insn *insn)
{
	unsigned mod = c->modrm >> 6, rm = c->modrm & 7;
	size_t size = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	uint8_t sib;

	if (mod == 3)
		return true;
	if (rm == 4) {
		if (!next(c, &sib))
			return false;
		if (mod == 0 && (sib & 7) == 5)
			size = 4;
	} else if (mod == 0 && rm == 5) {
		size = 4;
		insn->relative_at = (uint8_t)c->at;
		insn->relative_size = 4;
	}
	c->at += size;
	return true;
}

static size_t immediate_size(const struct cursor *c, char shape)
{
	bool test = c->map == 0 && (c->modrm >> 3 & 7) <= 1;
	size_t size_long = c->operand16 && !(c->rex & 8) ? 2 : 4;

	if (test && c->opcode == 0xf6)
		return 1;
	if (test && c->opcode == 0xf7)
		return size_long;
	switch (shape) {
	case 'B':
	case 'b':
	case 'r':
		return 1;
	case 'w':
		return 2;
	case 'e':
		return 3;
	case 'R':
		return 4;
	case 'L':
	case 'l':
		return size_long;
	case 'q':
		return c->rex & 8 ? 8 : size_long;
	case 'a':
		return c->address32 ? 4 : 8;
	default:
		return 0;
	}
}

static enum insn_kind kind_of_one_byte(const struct cursor *c)
{
	unsigned reg = c->modrm >> 3 & 7;

	switch (c->opcode) {
	case 0x90:
		return c->rex & 1 ? INSN_OTHER : INSN_NOP; /* xchg r8 */
	case 0xe0:
	case 0xe1:
	case 0xe2:
	case 0xe3:
		return INSN_LOOP;
	case 0xe8:
		return INSN_CALL;
	case 0xe9:
	case 0xeb:
		return INSN_JUMP;
	case 0xc2:
	case 0xc3:
	case 0xca:
	case 0xcb:
	case 0xcf:
		return INSN_RETURN;
	case 0xcc:
	case 0xf1:
	case 0xf4:
		return INSN_TRAP;
	case 0xff:
		return reg == 2 || reg == 3   ? INSN_CALL_REGS
		       : reg == 4 || reg == 5 ? INSN_INDIRECT
					      : INSN_OTHER;
	default:
		return (c->opcode & 0xf8) == 0x50   ? INSN_PUSH
		       : (c->opcode & 0xf0) == 0x70 ? INSN_BRANCH
						    : INSN_OTHER;
	}
}

static enum insn_kind kind_of(const struct cursor *c)
{
	if (c->vector || c->map > 1)
		return INSN_OTHER;
	if (c->map == 0)
		return kind_of_one_byte(c);
	if (c->opcode == 0x1e && c->repeat && c->modrm == 0xfa)
		return INSN_ENDBR;
	if (c->opcode == 0x1f)
		return INSN_NOP;
	if (c->opcode == 0x0b || c->opcode == 0xb9)
		return INSN_TRAP;
	if (c->opcode == 0x07 || c->opcode == 0x35)
		return INSN_RETURN; /* sysret, sysexit */
	return (c->opcode & 0xf0) == 0x80 ? INSN_BRANCH : INSN_OTHER;
}

static int32_t little_endian(const uint8_t *at, unsigned size)
{
	if (size == 1)
		return (int8_t)*at;
	return (int32_t)((uint32_t)at[0] | (uint32_t)at[1] << 8 |
			 (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
}

bool insn_decode(const uint8_t *code, size_t size, struct insn *insn)
{
	struct cursor c = { .code = code, .size = size };
	char shape;

	*insn = (struct insn) { 0 };
	if (!read_opcode(&c))
		return false;
	shape = shape_of(&c);
	if (shape == '.')
		return false;
	if ((shape == 'm' || shape == 'B' || shape == 'L') &&
	    (!next(&c, &c.modrm) || !known_group(&c) ||
	     !skip_address(&c, insn)))
		return false;
	if (shape == 'r' || shape == 'R') {
		/* With 66, AMD takes 2 bytes where Intel takes 4. */
		if (c.operand16 && !(c.rex & 8))
			return false;
		insn->relative_at = (uint8_t)c.at;
		insn->relative_size = shape == 'r' ? 1 : 4;
	}
	c.at += immediate_size(&c, shape);
	if (c.at > size || c.at > INSN_MAX)
		return false;
	insn->size = (uint8_t)c.at;
	insn->kind = (uint8_t)kind_of(&c);
	if (insn->relative_at)
		insn->relative = little_endian(code + insn->relative_at,
					       insn->relative_size);
	return true;
}
