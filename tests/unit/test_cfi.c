#include "fixture_cfi.h"

#include <criterion/criterion.h>

static struct cfi_image f;
static struct image image;

static void begin(void)
{
	cfi_begin(&f);
	cfi_usual_cie(&f);
}

static void fini(void)
{
	cfi_free(&f);
}

TestSuite(cfi, .init = begin, .fini = fini);

static struct cfi_rule rule_at(uint64_t offset)
{
	return cfi_find(&image, CFI_TEXT + offset);
}

static void check_rule(uint64_t offset, enum cfi_kind kind, int32_t cfa,
		       enum cfi_saved saved, int16_t bp)
{
	struct cfi_rule rule = rule_at(offset);

	cr_assert_eq(rule.kind, kind, "kind %d at %#lx", rule.kind, offset);
	cr_assert_eq(rule.cfa, cfa, "CFA %d at %#lx", rule.cfa, offset);
	cr_assert_eq(rule.saved, saved, "saved %d at %#lx", rule.saved, offset);
	cr_assert_eq(rule.bp, bp, "bp %d at %#lx", rule.bp, offset);
}

static void check_kind(uint64_t offset, enum cfi_kind kind)
{
	cr_assert_eq(rule_at(offset).kind, kind, "kind %d at %#lx",
		     rule_at(offset).kind, offset);
}

Test(cfi, a_rule_changes_where_the_location_advances)
{
	CFI_FDE(&f, 0, 100, 0x41, 0x0e, 16, 0x44, 0x0e, 64);
	image = cfi_end(&f);
	check_rule(0, CFI_SP, 8, CFI_BP_SAME, 0);
	check_rule(1, CFI_SP, 16, CFI_BP_SAME, 0);
	check_rule(4, CFI_SP, 16, CFI_BP_SAME, 0);
	check_rule(5, CFI_SP, 64, CFI_BP_SAME, 0);
	check_rule(99, CFI_SP, 64, CFI_BP_SAME, 0);
}

Test(cfi, the_longer_advances_count_their_operands)
{
	CFI_FDE(&f, 0, 0x20000, 0x02, 0x80, 0x0e, 16, 0x03, 0x00, 0x01, 0x0e,
		24, 0x04, 0x00, 0x00, 0x01, 0x00, 0x0e, 32);
	image = cfi_end(&f);
	check_rule(0x7f, CFI_SP, 8, CFI_BP_SAME, 0);
	check_rule(0x80, CFI_SP, 16, CFI_BP_SAME, 0);
	check_rule(0x180, CFI_SP, 24, CFI_BP_SAME, 0);
	check_rule(0x1017f, CFI_SP, 24, CFI_BP_SAME, 0);
	check_rule(0x10180, CFI_SP, 32, CFI_BP_SAME, 0);
}

Test(cfi, a_frame_pointer_gives_a_bp_rule_with_bp_saved)
{
	CFI_FDE(&f, 0, 9, 0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6);
	image = cfi_end(&f);
	check_rule(1, CFI_SP, 16, CFI_BP_AT_CFA, -2);
	check_rule(4, CFI_BP, 16, CFI_BP_AT_CFA, -2);
}

Test(cfi, remembered_rows_come_back_in_order)
{
	CFI_FDE(&f, 0, 9, 0x0e, 16, 0x0a, 0x41, 0x0e, 32, 0x86, 4, 0x0a, 0x41,
		0x0e, 64, 0x41, 0x0b, 0x41, 0x0b);
	image = cfi_end(&f);
	check_rule(1, CFI_SP, 32, CFI_BP_AT_CFA, -4);
	check_rule(2, CFI_SP, 64, CFI_BP_AT_CFA, -4);
	check_rule(3, CFI_SP, 32, CFI_BP_AT_CFA, -4);
	check_rule(4, CFI_SP, 16, CFI_BP_SAME, 0);
}

Test(cfi, restore_and_same_value_undo_a_saved_register)
{
	CFI_FDE(&f, 0, 9, 0x86, 2, 0x41, 0xc6, 0x41, 0x86, 3, 0x41, 0x06, 6,
		0x41, 0x86, 3, 0x41, 0x08, 6);
	image = cfi_end(&f);
	check_rule(0, CFI_SP, 8, CFI_BP_AT_CFA, -2);
	check_rule(1, CFI_SP, 8, CFI_BP_SAME, 0);
	check_rule(2, CFI_SP, 8, CFI_BP_AT_CFA, -3);
	check_rule(3, CFI_SP, 8, CFI_BP_SAME, 0);
	check_rule(5, CFI_SP, 8, CFI_BP_SAME, 0);
}

Test(cfi, every_way_to_write_an_offset_means_the_same)
{
	CFI_FDE(&f, 0, 9, 0x05, 6, 2);
	CFI_FDE(&f, 16, 9, 0x11, 6, 2);
	CFI_FDE(&f, 32, 9, 0x2f, 6, 2, 0x12, 7, 0x7c);
	CFI_FDE(&f, 48, 9, 0x13, 0x7c);
	image = cfi_end(&f);
	check_rule(0, CFI_SP, 8, CFI_BP_AT_CFA, -2);
	check_rule(16, CFI_SP, 8, CFI_BP_AT_CFA, -2);
	check_rule(32, CFI_SP, 32, CFI_BP_AT_CFA, 2);
	check_rule(48, CFI_SP, 32, CFI_BP_SAME, 0);
}

Test(cfi, the_size_of_pushed_arguments_changes_nothing)
{
	CFI_FDE(&f, 0, 9, 0x2e, 0x80, 0x01, 0x41, 0x0e, 24);
	image = cfi_end(&f);
	check_rule(0, CFI_SP, 8, CFI_BP_SAME, 0);
	check_rule(1, CFI_SP, 24, CFI_BP_SAME, 0);
}

Test(cfi, an_undefined_return_address_is_the_root)
{
	CFI_FDE(&f, 0, 9, 0x07, 16);
	image = cfi_end(&f);
	check_kind(0, CFI_ROOT);
}

Test(cfi, what_sp_and_bp_cannot_tell_is_generic)
{
	CFI_FDE(&f, 0, 9, 0x0d, 3);	      /* CFA by rbx */
	CFI_FDE(&f, 16, 9, 0x09, 6, 3);	      /* rbp in rbx */
	CFI_FDE(&f, 32, 9, 0x14, 6, 2);	      /* rbp = CFA - 16 */
	CFI_FDE(&f, 48, 9, 0x16, 6, 1, 0x30); /* rbp = 0 */
	CFI_FDE(&f, 64, 9, 0x90, 2);	      /* return address elsewhere */
	CFI_FDE(&f, 80, 9, 0x0f, 1, 0x31);    /* CFA = 1 */
	image = cfi_end(&f);
	for (unsigned i = 0; i < 6; i++)
		check_kind(16 * i, CFI_GENERIC);
}

Test(cfi, vector_registers_do_not_matter)
{
	CFI_FDE(&f, 0, 9, 0x05, 17, 2, 0x91, 4);
	image = cfi_end(&f);
	check_rule(0, CFI_SP, 8, CFI_BP_SAME, 0);
}

#define PLT_CFA \
	0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22

Test(cfi, a_plt_entry_pushes_at_its_eleventh_byte)
{
	CFI_FDE(&f, 0, 64, PLT_CFA);
	image = cfi_end(&f);
	check_rule(16 + 10, CFI_SP, 8, CFI_BP_SAME, 0);
	check_rule(16 + 11, CFI_SP, 16, CFI_BP_SAME, 0);
	check_rule(32, CFI_SP, 8, CFI_BP_SAME, 0);
}

Test(cfi, a_realigned_frame_loads_its_cfa)
{
	CFI_FDE(&f, 0, 9, 0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0);
	image = cfi_end(&f);
	check_rule(0, CFI_DEREF_BP, -8, CFI_BP_AT_BP, 0);
}

Test(cfi, a_signal_frame_is_known_by_its_ucontext)
{
	const uint8_t data[] = { CFI_PCREL_SDATA4 }, program[] = { CFI_ENTRY };

	cfi_cie(&f, "zRS", data, 1, program, sizeof(program));
	/* CFA *(rsp + 160), return address *(rsp + 168), rbp *(rsp + 120) */
	CFI_FDE(&f, 0, 9, 0x0f, 4, 0x77, 0xa0, 0x01, 0x06, 0x10, 16, 3, 0x77,
		0xa8, 0x01, 0x10, 6, 3, 0x77, 0xf8, 0x00);
	CFI_FDE(&f, 16, 9, 0);
	image = cfi_end(&f);
	check_kind(0, CFI_SIGNAL);
	check_kind(16, CFI_GENERIC);
}

Test(cfi, a_cfa_below_the_return_address_is_no_rule)
{
	CFI_FDE(&f, 0, 9, 0x0e, 0);
	CFI_FDE(&f, 16, 9, 0x0e, 12);
	image = cfi_end(&f);
	check_kind(0, CFI_NONE);
	check_kind(16, CFI_NONE);
}

Test(cfi, code_between_and_after_the_entries_has_no_rule)
{
	CFI_FDE(&f, 0, 16, 0);
	CFI_FDE(&f, 32, 16, 0);
	image = cfi_end(&f);
	check_kind(15, CFI_SP);
	check_kind(16, CFI_NONE);
	check_kind(31, CFI_NONE);
	check_kind(32, CFI_SP);
	check_kind(48, CFI_NONE);
	cr_assert_eq(cfi_find(&image, CFI_TEXT - 1).kind, CFI_NONE);
}

Test(cfi, a_table_that_is_not_sorted_is_not_trusted)
{
	CFI_FDE(&f, 64, 16, 0x0e, 32);
	CFI_FDE(&f, 0, 16, 0x0e, 16);
	CFI_FDE(&f, 32, 16, 0x0e, 24);
	image = cfi_end(&f);
	check_rule(1, CFI_SP, 16, CFI_BP_SAME, 0);
	check_rule(33, CFI_SP, 24, CFI_BP_SAME, 0);
	check_rule(65, CFI_SP, 32, CFI_BP_SAME, 0);
}

Test(cfi, without_a_table_all_entries_are_read)
{
	CFI_FDE(&f, 0, 16, 0x0e, 16);
	CFI_FDE(&f, 32, 16, 0x0e, 24);
	image = cfi_end(&f);
	f.bytes[2] = f.bytes[3] = 0xff;
	check_rule(33, CFI_SP, 24, CFI_BP_SAME, 0);
	check_kind(20, CFI_NONE);
}

Test(cfi, without_a_header_the_section_is_enough)
{
	CFI_FDE(&f, 0, 16, 0x0e, 16);
	image = cfi_end(&f);
	image.eh_frame_hdr = 0;
	check_kind(0, CFI_NONE);
	image.eh_frame = CFI_FRAMES;
	check_rule(0, CFI_SP, 16, CFI_BP_SAME, 0);
}

Test(cfi, addresses_may_be_encoded_in_other_ways)
{
	const uint8_t encodings[] = { CFI_ABS_UDATA4, CFI_ABSPTR,
				      CFI_PCREL_SDATA8 };
	const uint8_t program[] = { CFI_ENTRY };

	for (unsigned i = 0; i < 3; i++) {
		f.encoding = encodings[i];
		cfi_cie(&f, "zR", &encodings[i], 1, program, sizeof(program));
		CFI_FDE(&f, 16 * i, 9, 0x0e, (uint8_t)(16 + 8 * i));
	}
	image = cfi_end(&f);
	check_rule(0, CFI_SP, 16, CFI_BP_SAME, 0);
	check_rule(16, CFI_SP, 24, CFI_BP_SAME, 0);
	check_rule(32, CFI_SP, 32, CFI_BP_SAME, 0);
}

Test(cfi, personalities_and_language_data_are_passed_over)
{
	/* P by an indirect pcrel sdata4, then L and R */
	const uint8_t data[] = { 0x9b, 1, 2, 3, 4, 0x1b, CFI_PCREL_SDATA4 };
	const uint8_t program[] = { CFI_ENTRY };

	cfi_cie(&f, "zPLR", data, sizeof(data), program, sizeof(program));
	CFI_FDE(&f, 0, 9, 0x0e, 48);
	image = cfi_end(&f);
	check_rule(0, CFI_SP, 48, CFI_BP_SAME, 0);
}

Test(cfi, an_entry_without_augmentation_is_read)
{
	const uint8_t program[] = { CFI_ENTRY };

	f.encoding = CFI_ABSPTR;
	cfi_cie(&f, "", NULL, 0, program, sizeof(program));
	CFI_FDE(&f, 0, 9, 0x0e, 48);
	image = cfi_end(&f);
	check_rule(0, CFI_SP, 48, CFI_BP_SAME, 0);
}

Test(cfi, an_augmentation_of_unknown_size_is_refused)
{
	const uint8_t program[] = { CFI_ENTRY };

	cfi_cie(&f, "eh", NULL, 0, program, sizeof(program));
	CFI_FDE(&f, 0, 9, 0x0e, 48);
	image = cfi_end(&f);
	check_kind(0, CFI_NONE);
}

Test(cfi, an_unknown_instruction_voids_what_follows_it)
{
	CFI_FDE(&f, 0, 9, 0x0e, 16, 0x41, 0x3f, 0x41, 0x0e, 24);
	image = cfi_end(&f);
	check_rule(0, CFI_SP, 16, CFI_BP_SAME, 0);
	check_kind(1, CFI_NONE);
	check_kind(2, CFI_NONE);
}

Test(cfi, restoring_what_was_never_remembered_is_no_rule)
{
	CFI_FDE(&f, 0, 9, 0x0b);
	image = cfi_end(&f);
	check_kind(0, CFI_NONE);
}

Test(cfi, a_length_past_the_image_is_no_entry)
{
	CFI_FDE(&f, 0, 9, 0x0e, 16);
	image = cfi_end(&f);
	memset(f.bytes + (f.table[0].fde - CFI_ADDRESS), 0x7f, 4);
	check_kind(0, CFI_NONE);
}

Test(cfi, an_image_cut_anywhere_gives_no_rule)
{
	CFI_FDE(&f, 0, 9, 0x0e, 16);
	image = cfi_end(&f);
	for (image.size = 0; image.size < f.table[0].fde + 16 - CFI_ADDRESS;
	     image.size++)
		check_kind(0, CFI_NONE);
}

Test(cfi, a_row_tells_of_every_register)
{
	struct cfi_row row;

	CFI_FDE(&f, 0, 9, 0x0d, 3, 0x83, 2, 0x14, 12, 3, 0x09, 13, 14, 0x07, 15,
		0x10, 6, 2, 0x76, 0);
	image = cfi_end(&f);
	cr_assert(cfi_row(&image, CFI_TEXT, &row));
	cr_assert_eq(row.cfa.how, CFI_VALUE);
	cr_assert_eq(row.cfa_register, CFI_RBX);
	cr_assert_eq(row.at[CFI_RBX].how, CFI_AT);
	cr_assert_eq((int32_t)row.at[CFI_RBX].value, -16);
	cr_assert_eq(row.at[CFI_R12].how, CFI_VALUE);
	cr_assert_eq((int32_t)row.at[CFI_R12].value, -24);
	cr_assert_eq(row.at[CFI_R13].how, CFI_REGISTER);
	cr_assert_eq(row.at[CFI_R13].value, CFI_R14);
	cr_assert_eq(row.at[CFI_R15].how, CFI_UNDEFINED);
	cr_assert_eq(row.at[CFI_RBP].how, CFI_EXPR_AT);
}

struct seen {
	uint64_t start[8], end[8];
	struct cfi_rule rule[8];
	unsigned n;
};

static bool see(void *context, uint64_t start, uint64_t end,
		struct cfi_rule rule)
{
	struct seen *s = context;

	s->start[s->n] = start - CFI_TEXT;
	s->end[s->n] = end - CFI_TEXT;
	s->rule[s->n++] = rule;
	return s->n < 8;
}

Test(cfi, each_goes_through_every_row)
{
	struct seen seen = { .n = 0 };

	CFI_FDE(&f, 0, 32, PLT_CFA);
	CFI_FDE(&f, 32, 10, 0x41, 0x0e, 16, 0x42, 0x0e, 24);
	image = cfi_end(&f);
	cr_assert_eq(cfi_each(&image, see, &seen), 4);
	cr_assert_eq(seen.n, 4);
	cr_assert_eq(seen.rule[0].kind, CFI_PLT);
	cr_assert_eq(seen.rule[0].cfa, 11);
	cr_assert_eq(seen.end[0], 32);
	cr_assert_eq(seen.start[2], 33);
	cr_assert_eq(seen.end[2], 35);
	cr_assert_eq(seen.rule[2].cfa, 16);
	cr_assert_eq(seen.end[3], 42);
}

Test(cfi, each_ends_when_it_is_told_to)
{
	struct seen seen = { .n = 7 };

	CFI_FDE(&f, 0, 10, 0x41, 0x0e, 16, 0x42, 0x0e, 24);
	image = cfi_end(&f);
	cr_assert_eq(cfi_each(&image, see, &seen), 1);
}

Test(cfi, packing_keeps_every_part_of_a_rule)
{
	const struct cfi_rule rule = { -8, -32768, CFI_DEREF_BP, CFI_BP_AT_BP };
	struct cfi_rule again = cfi_unpack(cfi_pack(rule));

	cr_assert_eq(again.cfa, -8);
	cr_assert_eq(again.bp, -32768);
	cr_assert_eq(again.kind, CFI_DEREF_BP);
	cr_assert_eq(again.saved, CFI_BP_AT_BP);
}
