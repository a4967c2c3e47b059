/*
 * fde: see fde.h.  The format is the LSB's .eh_frame; where GCC, LLVM and the
 * LSB differ in words, what libgcc reads is what counts.
 */
#include "profiler/unwind/fde.h"

/* Pointer encodings: a format, a base, and whether it is a pointer to it. */
#define PE_OMIT	    0xffu
#define PE_INDIRECT 0x80u
#define PE_FORMAT   0x0fu
#define PE_BASE	    0x70u

enum pe_format {
	PE_ABSPTR = 0x00,
	PE_ULEB = 0x01,
	PE_UDATA2 = 0x02,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SIGNED = 0x08,
	PE_SLEB = 0x09,
	PE_SDATA2 = 0x0a,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
};

enum pe_base {
	PE_ABSOLUTE = 0x00,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30, /* to .eh_frame_hdr's start, inside of it */
	PE_ALIGNED = 0x50,
};

/* What every hdr written by ld, gold and lld has: 8 bytes an entry. */
#define HDR_TABLE (PE_DATAREL | PE_SDATA4)

struct hdr {
	uint64_t at;
	uint64_t eh_frame;
	uint64_t table; /* 0: none that can be searched */
	uint64_t entries;
};

/* The CIE's part of an FDE. */
struct cie {
	uint64_t program, program_end;
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_register;
	uint8_t encoding; /* of an FDE's addresses */
	bool sized;	  /* 'z': augmentation data have a length */
	bool signal;
};

static uint64_t read_format(struct cursor *c, unsigned format)
{
	switch (format) {
	case PE_ABSPTR:
	case PE_SIGNED:
	case PE_UDATA8:
	case PE_SDATA8:
		return cursor_unsigned(c, 8);
	case PE_ULEB:
		return cursor_uleb(c);
	case PE_SLEB:
		return (uint64_t)cursor_sleb(c);
	case PE_UDATA2:
		return cursor_unsigned(c, 2);
	case PE_UDATA4:
		return cursor_unsigned(c, 4);
	case PE_SDATA2:
		return (uint64_t)cursor_signed(c, 2);
	case PE_SDATA4:
		return (uint64_t)cursor_signed(c, 4);
	default:
		c->failed = true;
		return 0;
	}
}

/* @datarel: what such a pointer counts from; 0 where there is no such base. */
static uint64_t read_pointer(struct cursor *c, uint8_t encoding,
			     uint64_t datarel)
{
	uint64_t base = 0, value;

	switch (encoding & PE_BASE) {
	case PE_ABSOLUTE:
		break;
	case PE_PCREL:
		base = c->at;
		break;
	case PE_DATAREL:
		base = datarel;
		c->failed |= !datarel;
		break;
	case PE_ALIGNED:
		cursor_skip(c, -c->at & 7);
		break;
	default: /* relative to .text or to a function: never on x86-64 */
		c->failed = true;
	}
	value = read_format(c, encoding & PE_FORMAT) + base;
	if (encoding & PE_INDIRECT) {
		struct cursor to = cursor_at(c->image, value, value + 8);

		value = cursor_unsigned(&to, 8);
		c->failed |= to.failed;
	}
	return value;
}

static bool read_hdr(const struct image *image, struct hdr *hdr)
{
	uint64_t at = image->eh_frame_hdr;
	struct cursor c = cursor_at(image, at, at + image->eh_frame_hdr_size);
	uint8_t frame_encoding, count_encoding, table_encoding;

	*hdr = (struct hdr) { .at = at };
	if (!at || cursor_u8(&c) != 1)
		return false;
	frame_encoding = cursor_u8(&c);
	count_encoding = cursor_u8(&c);
	table_encoding = cursor_u8(&c);
	if (frame_encoding == PE_OMIT)
		return false;
	hdr->eh_frame = read_pointer(&c, frame_encoding, at);
	if (c.failed)
		return false;
	if (count_encoding == PE_OMIT || table_encoding != HDR_TABLE)
		return true;
	hdr->entries = read_pointer(&c, count_encoding, at);
	if (!c.failed && hdr->entries <= (c.end - c.at) / 8)
		hdr->table = c.at;
	return true;
}

static int32_t table_word(const struct image *image, const struct hdr *hdr,
			  uint64_t index)
{
	struct cursor c = cursor_at(image, hdr->table + 4 * index,
				    hdr->table + 4 * index + 4);

	return (int32_t)cursor_signed(&c, 4);
}

/* Entry @i is { where a function begins, its FDE }. */
static uint64_t table_start(const struct image *image, const struct hdr *hdr,
			    uint64_t i)
{
	return hdr->at + (uint64_t)(int64_t)table_word(image, hdr, 2 * i);
}

static uint64_t table_fde(const struct image *image, const struct hdr *hdr,
			  uint64_t i)
{
	return hdr->at + (uint64_t)(int64_t)table_word(image, hdr, 2 * i + 1);
}

/* The address of the FDE of the last function that begins at or before. */
static uint64_t table_search(const struct image *image, const struct hdr *hdr,
			     uint64_t pc)
{
	uint64_t low = 0, high = hdr->entries;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (table_start(image, hdr, middle) <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? table_fde(image, hdr, low - 1) : 0;
}

static bool table_sorted(const struct image *image, const struct hdr *hdr)
{
	for (uint64_t i = 1; i < hdr->entries; i++)
		if (table_start(image, hdr, i - 1) > table_start(image, hdr, i))
			return false;
	return true;
}

/*
 * The body of the entry at @at: what follows its length.  @at moves to the
 * next entry.  False at the terminator, or where lengths make no sense.
 */
static bool open_entry(const struct image *image, uint64_t *at,
		       struct cursor *body)
{
	struct cursor c = cursor_at(image, *at, UINT64_MAX);
	uint64_t size = cursor_unsigned(&c, 4);

	if (size == 0xffffffff)
		size = cursor_unsigned(&c, 8);
	if (c.failed || size < 4 || size > c.end - c.at)
		return false;
	*at = c.at + size;
	*body = cursor_at(image, c.at, *at);
	return true;
}

/* The letters after 'z', whose values lie in @c. */
static void read_augmentation(struct cursor *letters, struct cursor *c,
			      struct cie *cie)
{
	uint64_t end = cursor_uleb(c) + c->at;

	if (end < c->at || end > c->end) {
		c->failed = true;
		return;
	}
	for (uint8_t letter; (letter = cursor_u8(letters));) {
		uint8_t encoding;

		if (letter == 'L') { /* encoding of the language data */
			cursor_u8(c);
		} else if (letter == 'P') { /* the personality routine */
			encoding = cursor_u8(c) & (uint8_t)~PE_INDIRECT;
			/* Its base does not matter: only its size does. */
			if ((encoding & PE_BASE) != PE_ALIGNED)
				encoding &= PE_FORMAT;
			read_pointer(c, encoding, 0);
		} else if (letter == 'R') {
			cie->encoding = cursor_u8(c);
		} else if (letter == 'S') {
			cie->signal = true;
		} else if (letter != 'B' && letter != 'G') {
			break; /* unknown: its data end where 'z' says */
		}
	}
	c->at = end;
}

static bool read_cie(const struct image *image, uint64_t at, struct cie *cie)
{
	struct cursor c, letters;
	uint8_t version, letter;

	*cie = (struct cie) { .encoding = PE_ABSPTR };
	if (!open_entry(image, &at, &c) || cursor_unsigned(&c, 4) != 0)
		return false;
	version = cursor_u8(&c);
	if (version != 1 && version != 3 && version != 4)
		return false;
	letters = c;
	while (cursor_u8(&c))
		;
	if (version == 4)
		cursor_skip(&c, 2); /* address and segment size */
	cie->code_align = cursor_uleb(&c);
	cie->data_align = cursor_sleb(&c);
	cie->return_register = version == 1 ? cursor_u8(&c) : cursor_uleb(&c);
	letter = cursor_u8(&letters);
	cie->sized = letter == 'z';
	if (cie->sized)
		read_augmentation(&letters, &c, cie);
	else if (letter)
		return false; /* without a size it cannot be passed over */
	cie->program = c.at;
	cie->program_end = c.end;
	return !c.failed;
}

/* An FDE's body, from its pointer to the CIE on. */
static bool read_fde(const struct image *image, struct cursor *c,
		     struct fde *out)
{
	uint64_t field = c->at, size;
	uint64_t back = cursor_unsigned(c, 4);
	struct cie cie;

	if (!back || back > field || !read_cie(image, field - back, &cie))
		return false;
	out->start = read_pointer(c, cie.encoding, 0);
	size = read_format(c, cie.encoding & PE_FORMAT);
	out->end = out->start + size;
	if (cie.sized) {
		uint64_t skip = cursor_uleb(c);

		cursor_skip(c, skip);
	}
	out->common = cie.program;
	out->common_end = cie.program_end;
	out->program = c->at;
	out->program_end = c->end;
	out->code_align = cie.code_align;
	out->data_align = cie.data_align;
	out->return_register = cie.return_register;
	out->signal = cie.signal;
	return !c->failed && out->end > out->start;
}

uint64_t fde_first(const struct image *image)
{
	struct hdr hdr;

	if (image->eh_frame)
		return image->eh_frame;
	return read_hdr(image, &hdr) ? hdr.eh_frame : 0;
}

bool fde_next(const struct image *image, uint64_t *at, struct fde *out)
{
	struct cursor body;

	while (open_entry(image, at, &body))
		if (read_fde(image, &body, out))
			return true;
	return false;
}

static bool scan(const struct image *image, uint64_t at, uint64_t pc,
		 struct fde *out)
{
	while (at && fde_next(image, &at, out))
		if (pc >= out->start && pc < out->end)
			return true;
	return false;
}

bool fde_find(const struct image *image, uint64_t pc, struct fde *out)
{
	struct cursor body;
	struct hdr hdr;
	uint64_t at;

	if (!read_hdr(image, &hdr) || !hdr.table)
		return scan(image, fde_first(image), pc, out);
	at = table_search(image, &hdr, pc);
	if (at && open_entry(image, &at, &body) &&
	    read_fde(image, &body, out) && pc >= out->start && pc < out->end)
		return true;
	return !table_sorted(image, &hdr) && scan(image, hdr.eh_frame, pc, out);
}
