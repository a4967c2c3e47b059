/* The summary for the terminal. */
#include <criterion/criterion.h>

#include "reports/layout.h"
#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one, two;

static struct buf text_of(const struct model *m, unsigned columns, bool color)
{
	struct report_options opt = { .columns = columns, .color = color };

	return golden_report("text", m, &opt);
}

static void check_holds(const struct model *m, const char *text)
{
	struct buf out = text_of(m, 0, false);

	cr_assert_not_null(strstr(out.bytes, text), "no '%s' in\n%s", text,
			   out.bytes);
	buf_free(&out);
}

static void check_lacks(const struct model *m, const char *text)
{
	struct buf out = text_of(m, 0, false);

	cr_assert_null(strstr(out.bytes, text), "'%s' in\n%s", text, out.bytes);
	buf_free(&out);
}

static void check_fits(const struct model *m, unsigned columns)
{
	struct buf out = text_of(m, columns, false);
	char *line, *rest = out.bytes;

	while ((line = strsep(&rest, "\n")) != NULL)
		cr_assert_leq(layout_cells(line), columns, "%u cells: %s",
			      layout_cells(line), line);
	buf_free(&out);
}

Test(report_text, a_rag_server_reads_as_agreed)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("rag.txt", "text", fixture_rag(&one, false), &opt);
}

Test(report_text, other_kinds_lead_with_their_own_column)
{
	struct report_options opt = { .kind = MODEL_ALLOC, .top = 3 };

	golden_check_report("rag_alloc.txt", "text", fixture_rag(&one, false),
			    &opt);
}

Test(report_text, a_wide_terminal_is_used)
{
	struct report_options opt = { .columns = 132, .color = true };

	golden_check_report("rag_wide_color.txt", "text",
			    fixture_rag(&one, false), &opt);
}

Test(report_text, hostile_names_neither_move_the_cursor_nor_add_lines)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("hostile.txt", "text", fixture_hostile(&one), &opt);
	check_lacks(fixture_hostile(&one), "\033");
	check_lacks(fixture_hostile(&one), "\007");
}

Test(report_text, an_empty_recording_says_so)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("empty.txt", "text", fixture_empty(&one), &opt);
}

Test(report_text, no_line_is_wider_than_the_terminal)
{
	check_fits(fixture_rag(&one, false), 72);
	check_fits(fixture_rag(&one, false), 80);
	check_fits(fixture_rag(&one, false), 100);
	check_fits(fixture_hostile(&one), 72);
	check_fits(fixture_hostile(&one), 80);
}

Test(report_text, insertion_order_does_not_show)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_equal("text", fixture_rag(&one, false),
			   fixture_rag(&two, true), &opt);
}

Test(report_text, without_color_there_is_no_escape)
{
	check_lacks(fixture_rag(&one, false), "\033");
}

Test(report_text, color_changes_nothing_but_escapes)
{
	struct buf plain = text_of(fixture_rag(&one, false), 0, false);
	struct buf color = text_of(fixture_rag(&two, false), 0, true);
	struct buf stripped = BUF_INIT;

	for (const char *at = color.bytes; *at; at++) {
		if (*at == '\033')
			at = strchr(at, 'm');
		else
			buf_putc(&stripped, *at);
	}
	cr_assert_str_eq(stripped.bytes, plain.bytes);
	buf_free(&plain);
	buf_free(&color);
	buf_free(&stripped);
}

Test(report_text, every_loss_counter_is_named_even_at_zero)
{
	const struct model *m = fixture_rag(&one, false);

	for (uint32_t i = 0; i < m->loss_count; i++)
		check_holds(m, m->losses[i].reason);
	for (uint32_t i = 0; i < m->loss_count; i++)
		m->losses[i].count = 0;
	check_holds(m, "none: no_slab, table_full, nodes_full, "
		       "stack_truncated,\n           recording_at_cap, "
		       "torn_slabs are all 0");
}

Test(report_text, exact_counts_carry_no_interval)
{
	fixture_hostile(&one);
	check_lacks(&one.model, "±");
}

Test(report_text, parts_beyond_rss_are_explained)
{
	const struct model *m = fixture_rag(&one, false);

	check_lacks(m, "never touched");
	m->ledger[60].live = 3ull << 30;
	check_holds(m, "asked for and never touched");
}

Test(report_text, a_split_that_was_never_read_is_left_out)
{
	const struct model *m = fixture_rag(&one, false);

	for (uint32_t i = 0; i < m->ledger_count; i++)
		m->ledger[i].anonymous = UINT64_MAX;
	check_lacks(m, "WHERE IT IS");
	check_holds(m, "resident (RSS)");
}

Test(report_text, only_python_frames_can_be_asked_for)
{
	struct report_options opt = { .python_only = true };

	golden_check_report("rag_python.txt", "text", fixture_rag(&one, false),
			    &opt);
}

Test(report_text, of_many_processes_the_server_and_the_busiest_are_listed)
{
	static struct model_process processes[500];
	const struct model *m = fixture_rag(&one, false);

	for (uint32_t i = 0; i < 500; i++)
		processes[i] = (struct model_process) { .pid = (int)i + 1000,
							.ppid = 1,
							.exe = "/bin/cgi",
							.command = "cgi",
							.ended = 1,
							.allocations = i };
	processes[3].is_main = true;
	one.model.processes = processes;
	one.model.process_count = 500;
	one.model.main_process = 3;
	check_holds(m, "\n>1003 ");
	check_holds(m, "\n 1499 ");
	check_holds(m, "\n 1490 ");
	check_lacks(m, "\n 1489 ");
	check_holds(m, "… and 489 that allocated less\n");
}

Test(report_text, of_many_problems_the_first_are_listed)
{
	static const char *problems[] = { "one",  "two", "three", "four",
					  "five", "six", "seven" };
	const struct model *m = fixture_rag(&one, false);

	one.model.problems = problems;
	one.model.problem_count = 7;
	check_holds(m, "problems   one\n           two\n");
	check_lacks(m, "six");
	check_holds(m, "… and 2 more, in the JSON report\n");
}

Test(report_text, a_server_that_freed_all_at_its_end_is_told_by_its_peak)
{
	const struct model *m = fixture_rag(&one, false);
	struct report_options opt = { .kind = MODEL_PEAK };
	struct buf out;

	cr_assert_eq(report_default_kind(m), MODEL_LIVE);
	one.model.totals.live.bytes = 3 * MIB;
	cr_assert_eq(report_default_kind(m), MODEL_PEAK);
	out = golden_report("text", m, &opt);
	cr_assert_not_null(strstr(out.bytes, "gave back all but 3.0 MiB"));
	buf_free(&out);
}

Test(report_text, a_change_of_a_thousand_KiB_stands_apart_from_what_is_before)
{
	const struct model *m = fixture_rag(&one, false);

	for (uint32_t i = 0; i < m->ledger_count; i++)
		one.model.ledger[i].rss =
			100 * MIB + i * 1010 * 1024 / (m->ledger_count - 1);
	one.model.mark_count = 1;
	one.model.marks[0].t = one.model.ledger[0].t;
	check_holds(m, " +1010.0 KiB ");
}

Test(report_text, a_site_is_told_with_all_that_its_place_asked_for)
{
	const struct model *m = fixture_rag(&one, false);
	struct model_site *gone = &one.sites[1];
	const struct model_site *held = &one.sites[0];

	*gone = (struct model_site) { .node = held->node,
				      .allocated.bytes = 900 * 1024.0 * MIB };
	check_holds(m, " 900.");
}

Test(report_text, probes_beside_the_recorder_are_told)
{
	const struct model *m = fixture_rag(&one, false);

	one.model.probed = true;
	check_holds(m, "one sample per 512.0 KiB, with probes in the kernel");
}

Test(report_text, a_correction_that_changes_nothing_is_not_told)
{
	const struct model *m = fixture_rag(&one, false);

	one.model.load.kind = MODEL_LOAD_CLOSED;
	one.model.load.clients = 3;
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		one.model.endpoints[i].corrected.p99_ms =
			one.model.endpoints[i].p99_ms;
	check_holds(m, "each of which waits for its answer\n");
	one.model.endpoints[0].corrected.p99_ms *= 2;
	check_holds(m, "waits for its answer; with what\n  they did not ask");
}
