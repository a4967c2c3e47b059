#include <criterion/criterion.h>
#include <string.h>

#include "profiler/analysis/verdict.h"
#include "profiler/cmd/top_view.h"
#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture fixture;
static struct verdict verdict = {
	.class = FINDING_GROWTH,
	.sentence = "growth: 1,064 bytes per GET /api/v1/search in "
		    "remember_answer (answers.c:41), without bound",
};

static struct top_facts rag(void)
{
	return (struct top_facts) {
		.model = fixture_rag(&fixture, false),
		.verdict = &verdict,
		.name = "rag.strand",
		.live = true,
	};
}

/* What stands on a screen of that size; to be freed. */
static char *shown(const struct top_facts *f, struct top_state *s,
		   unsigned rows, unsigned columns)
{
	struct top_screen screen = { .rows = rows, .columns = columns };
	struct buf out = BUF_INIT;

	top_draw(&screen, f, s);
	top_screen_text(&screen, &out);
	cr_assert_eq(buf_status(&out), 0);
	top_screen_fini(&screen);
	return out.bytes;
}

static void has(struct top_state *s, const char *text, bool expected)
{
	const struct top_facts f = rag();
	char *screen = shown(&f, s, 24, 80);

	cr_expect_eq(strstr(screen, text) != NULL, expected, "'%s' in\n%s",
		     text, screen);
	free(screen);
}

/* Where @text begins on the screen. */
static long place(struct top_state *s, const char *text)
{
	const struct top_facts f = rag();
	char *screen = shown(&f, s, 24, 80), *at = strstr(screen, text);
	long where = at ? at - screen : -1;

	free(screen);
	return where;
}

static void press(struct top_state *s, const char *keys)
{
	for (; *keys; keys++)
		top_press(s, *keys);
}

Test(top, a_screen_of_80_by_24)
{
	struct top_state s = { .ascii = false };
	const struct top_facts f = rag();
	char *screen = shown(&f, &s, 24, 80);
	struct buf out = BUF_INIT;

	buf_puts(&out, screen);
	golden_check("top.txt", &out);
	buf_free(&out);
	free(screen);
}

Test(top, no_size_is_overrun)
{
	const struct top_facts f = rag();

	for (unsigned rows = 1; rows < 40; rows += 3)
		for (unsigned columns = 10; columns < 200; columns += 17)
			for (int table = 0; table < TOP_TABLES; table++) {
				struct top_state s = { .table = table };
				char *screen = shown(&f, &s, rows, columns);
				unsigned count = 0;

				for (char *at = strtok(screen, "\n"); at;
				     at = strtok(NULL, "\n"), count++)
					cr_expect_leq(layout_cells(at),
						      columns);
				cr_expect_leq(count, rows);
				free(screen);
			}
}

Test(top, ascii_is_ascii)
{
	struct top_state s = { .ascii = true };
	const struct top_facts f = rag();
	char *screen = shown(&f, &s, 24, 200);

	cr_expect_not_null(strstr(screen, "######"));
	cr_expect_null(strstr(screen, "█"));
	cr_expect_null(strstr(screen, "▁"));
	free(screen);
}

Test(top, tables_are_chosen_by_number_and_by_tab)
{
	struct top_state s = { .ascii = false };

	press(&s, "2");
	has(&s, "[2 requests]", true);
	has(&s, "kept/req", true);
	press(&s, "\t\t");
	has(&s, "[4 processes]", true);
	has(&s, "python3 -m uvicorn", true);
	press(&s, "\t");
	has(&s, "[1 sites]", true);
}

Test(top, a_kind_is_another_weight)
{
	struct top_state s = { .kind_chosen = true };

	has(&s, "kind live", true);
	press(&s, "k"); /* past leak: nothing is one */
	cr_expect_eq(s.kind, MODEL_ALLOC);
	has(&s, "kind alloc", true);
	has(&s, "PyArray_NewFromDescr_int", true);
	press(&s, "K");
	cr_expect_eq(s.kind, MODEL_LIVE);
}

/* What programs in the kernel see: time and pages, no blocks. */
static struct top_facts probes(void)
{
	struct top_facts f = rag();
	struct model *m = (struct model *)f.model;

	m->mode = "probes";
	m->live_trend.peak = 0;
	memset(&m->totals, 0, sizeof(m->totals));
	for (uint32_t i = 0; i < m->site_count; i++) {
		fixture.sites[i].live = fixture.sites[i].allocated =
			fixture.sites[i].peak = fixture.sites[i].temporary =
				(struct estimate) { 0 };
		fixture.sites[i].cpu = 1e9;
	}
	return f;
}

Test(top, without_blocks_it_begins_with_what_was_seen)
{
	struct top_state s = { .ascii = false };
	const struct top_facts f = probes();
	char *screen = shown(&f, &s, 24, 80);

	cr_expect_not_null(strstr(screen, "kind cpu"), "%s", screen);
	cr_expect_null(strstr(screen, "blocks"), "%s", screen);
	cr_expect_null(strstr(screen, "retained"), "%s", screen);
	cr_expect_not_null(strstr(screen, "\n  heap  "), "%s", screen);
	free(screen);
}

Test(top, kinds_that_nothing_is_recorded_of_are_skipped)
{
	struct top_state s = { .ascii = false };
	const struct top_facts f = probes();

	free(shown(&f, &s, 24, 80));
	press(&s, "k");
	cr_expect_eq(s.kind, MODEL_WALL);
	press(&s, "k");
	cr_expect_eq(s.kind, MODEL_CPU);
}

Test(top, a_narrow_table_has_names_and_routes)
{
	struct top_state s = { .ascii = false };
	const struct top_facts f = rag();
	char *screen = shown(&f, &s, 12, 40);

	cr_expect_not_null(strstr(screen, "remember"), "%s", screen);
	free(screen);
	press(&s, "2");
	screen = shown(&f, &s, 12, 40);
	cr_expect_not_null(strstr(screen, "/chat"), "%s", screen);
	cr_expect_not_null(strstr(screen, "p95"), "%s", screen);
	free(screen);
}

Test(top, a_long_verdict_goes_on_in_the_next_line)
{
	struct top_state s = { .ascii = false };

	has(&s, "(answers.c:41), without bound", true);
}

Test(top, help_on_a_small_terminal_has_pages)
{
	struct top_state s = { .mode = TOP_HELP };
	const struct top_facts f = rag();
	char *screen = NULL;
	int pages = 0;

	for (; s.mode == TOP_HELP && pages < 20; pages++) {
		free(screen);
		screen = shown(&f, &s, 10, 40);
		press(&s, "x");
	}
	cr_expect_gt(pages, 1);
	cr_expect_not_null(strstr(screen, "q Ctrl-C"), "%s", screen);
	free(screen);
}

Test(top, sites_sort_by_blocks)
{
	struct top_state s = { .ascii = false };
	long before = place(&s, "sessions.py");

	press(&s, "s");
	has(&s, "by count", true);
	cr_expect_lt(place(&s, "sessions.py"), before, "it has most blocks");
}

Test(top, a_filter_leaves_what_contains_it)
{
	struct top_state s = { .ascii = false };

	press(&s, "/SESSIONS");
	has(&s, "filter: SESSIONS_", true);
	has(&s, "sessions.py", true);
	has(&s, "blas_memory_alloc", false);
	top_press(&s, TOP_KEY_ENTER);
	has(&s, "/SESSIONS", true);
	press(&s, "/x");
	has(&s, "nothing contains that text", true);
	top_press(&s, TOP_KEY_BACKSPACE);
	has(&s, "sessions.py", true);
	top_press(&s, TOP_KEY_ESCAPE);
	has(&s, "blas_memory_alloc", true);
}

Test(top, a_filter_takes_q_as_a_letter)
{
	struct top_state s = { .mode = TOP_FILTERING };

	cr_expect_eq(top_press(&s, 'q'), TOP_REDRAW);
	cr_expect_str_eq(s.filter, "q");
}

Test(top, enter_shows_the_stack_of_the_selected_site)
{
	struct top_state s = { .ascii = false };

	top_press(&s, TOP_KEY_ENTER);
	cr_expect_eq(s.table, TOP_STACK);
	has(&s, "innermost first", true);
	has(&s, "__libc_start_main", true);
	top_press(&s, TOP_KEY_ESCAPE);
	cr_expect_eq(s.table, TOP_SITES);
}

Test(top, selection_stays_in_the_table_and_in_sight)
{
	struct top_state s = { .ascii = false };
	const struct top_facts f = rag();

	top_press(&s, TOP_KEY_END);
	free(shown(&f, &s, 14, 80));
	cr_expect_lt(s.selected[TOP_SITES], 100);
	cr_expect_gt(s.selected[TOP_SITES], 0);
	cr_expect_geq(s.selected[TOP_SITES], s.first[TOP_SITES]);
	cr_expect_lt(s.selected[TOP_SITES], s.first[TOP_SITES] + s.page);
	top_press(&s, TOP_KEY_HOME);
	top_press(&s, TOP_KEY_UP);
	free(shown(&f, &s, 14, 80));
	cr_expect_eq(s.selected[TOP_SITES], 0);
	cr_expect_eq(s.first[TOP_SITES], 0);
}

Test(top, help_covers_the_screen_until_a_key)
{
	struct top_state s = { .ascii = false };

	press(&s, "?");
	has(&s, "any key leaves this page", true);
	has(&s, "RSS", false);
	press(&s, "x");
	has(&s, "RSS", true);
}

Test(top, keys_ask_for_what_is_not_the_views)
{
	struct top_state s = { .ascii = false };

	cr_expect_eq(top_press(&s, 'q'), TOP_QUIT);
	cr_expect_eq(top_press(&s, 3), TOP_QUIT);
	cr_expect_eq(top_press(&s, 'w'), TOP_SAVE);
	cr_expect_eq(top_press(&s, 'a'), TOP_ATTACH);
	cr_expect_eq(top_press(&s, 'z'), TOP_NOTHING);
	cr_expect_eq(top_press(&s, 'p'), TOP_REDRAW);
	cr_expect(s.paused);
	has(&s, "paused", true);
}

Test(top, without_a_model_it_says_that_it_reads)
{
	struct top_state s = { .ascii = false };
	const struct top_facts f = { .name = "x" };
	char *screen = shown(&f, &s, 24, 80);

	cr_expect_not_null(strstr(screen, "reading ..."));
	free(screen);
}

Test(top, hostile_names_move_no_cursor)
{
	struct top_state s = { .ascii = false };
	const struct top_facts f = {
		.model = fixture_hostile(&fixture),
		.name = "\033[2J",
	};

	for (int table = 0; table < TOP_TABLES; table++) {
		char *screen;

		s.table = table;
		screen = shown(&f, &s, 24, 80);
		cr_expect_null(strchr(screen, '\033'));
		free(screen);
	}
}
