/*
 * Every format in every kind: written, and alike for equal recordings; and
 * what a recording cannot hold.
 */
#include <criterion/criterion.h>

#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one, two;

/*
 * The server, as everything that there is would have seen it.  No two sites
 * weigh the same: of those that do, the model's order decides.
 */
static const struct model *seen_by_all(struct fixture *f, bool backwards)
{
	const struct model *m = fixture_rag(f, backwards);

	for (uint32_t i = 0; i < m->site_count; i++) {
		struct model_site *s = &f->sites[i];

		double some = s->allocated.bytes / 1024;

		s->paged = true;
		s->live.bytes += some;
		s->peak.bytes += some;
		s->temporary.bytes += some;
		s->resident = s->live.bytes / 2;
		s->leaked = s->live.bytes / 4;
		s->cpu = s->allocated.bytes;
		s->offcpu = s->peak.bytes;
	}
	return m;
}

static bool weighs(const struct model *m, enum model_kind kind)
{
	double sum = 0;

	for (uint32_t i = 0; i < m->site_count; i++)
		sum += model_site_weight(&m->sites[i], kind);
	return sum > 0;
}

static bool can_write(const struct report_format *f)
{
	return !f->missing || !f->missing();
}

Test(report_kinds, every_format_is_the_same_for_equal_recordings)
{
	const struct model *m = seen_by_all(&one, false);

	for (const struct report_format *f = report_formats; f->name; f++) {
		/* The page holds the tree as the model numbers it. */
		bool backwards = strcmp(f->name, "html") != 0;
		const struct model *same = seen_by_all(&two, backwards);

		for (int k = MODEL_LIVE; k <= MODEL_WALL; k++) {
			struct report_options opt = {
				.kind = (enum model_kind)k,
				.by_kind = true,
			};

			if (can_write(f))
				golden_check_equal(f->name, m, same, &opt);
		}
	}
}

Test(report_kinds, formats_of_stacks_hold_those_of_every_kind)
{
	static const char *const formats[] = { "folded", "svg", "csv", "md",
					       "speedscope" };
	const struct model *m = seen_by_all(&one, false);

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		for (int k = MODEL_LIVE; k <= MODEL_WALL; k++) {
			struct report_options opt = {
				.kind = (enum model_kind)k,
				.by_kind = true,
			};
			struct buf out = golden_report(formats[i], m, &opt);

			cr_assert(weighs(m, opt.kind));
			cr_assert_not_null(strstr(out.bytes, "search"),
					   "%s of %s", formats[i],
					   model_kind_name(opt.kind));
			buf_free(&out);
		}
	}
}

Test(report_kinds, what_a_recorded_server_cannot_tell_is_refused)
{
	const struct model *m = fixture_rag(&one, false);

	cr_assert_null(report_kind_missing(m, MODEL_LIVE));
	cr_assert_null(report_kind_missing(m, MODEL_LEAK));
	cr_assert_not_null(report_kind_missing(m, MODEL_CPU));
	cr_assert_not_null(report_kind_missing(m, MODEL_WALL));
}

Test(report_kinds, samples_cannot_tell_what_is_freed_at_once)
{
	const struct model *m = fixture_rag(&one, false);

	cr_assert_null(report_kind_missing(m, MODEL_TEMPORARY));
	for (uint32_t i = 0; i < m->site_count; i++)
		one.sites[i].temporary = (struct estimate) { 0 };
	cr_assert_not_null(report_kind_missing(m, MODEL_TEMPORARY));
	one.model.mean_bytes = 0;
	cr_assert_null(report_kind_missing(m, MODEL_TEMPORARY));
}

Test(report_kinds, probes_without_the_heap_have_no_live_memory)
{
	const struct model *m = fixture_rag(&one, false);

	one.model.mode = "probes";
	for (uint32_t i = 0; i < m->site_count; i++)
		one.sites[i].live = (struct estimate) { 0 };
	cr_assert_null(report_kind_missing(m, MODEL_LIVE)); /* all released */
	for (uint32_t i = 0; i < m->site_count; i++)
		one.sites[i].allocated = (struct estimate) { 0 };
	cr_assert_not_null(report_kind_missing(m, MODEL_LIVE));
	cr_assert_null(report_kind_missing(m, MODEL_RSS));
	cr_assert_null(report_kind_missing(m, MODEL_OFFCPU));
}

Test(report_kinds, a_ledger_read_as_all_is_given_back_changes_no_kind)
{
	fixture_rag(&one, false);
	one.model.live_trend.final = one.model.totals.live.bytes = 4 * MIB;
	cr_expect_eq(report_default_kind(&one.model), MODEL_PEAK);
}
