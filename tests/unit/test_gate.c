/* Verdict, budgets and baseline as one exit status: the smallest wins. */
#include "profiler/analysis/gate.h"

#include <criterion/criterion.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/verdict.h"

static struct budgets budgets;
static struct checks checks;
static struct finding findings[2];
static struct verdict verdict;
static struct diff_row row;
static struct diff diff;
static struct gate gate;

/* A gate that passes. */
static void clean(void)
{
	budgets_init(&budgets);
	checks = (struct checks) { 0 };
	findings[0] = findings[1] = (struct finding) { .class = FINDING_CLEAN };
	verdict = (struct verdict) { .class = FINDING_CLEAN,
				     .findings = findings };
	row = (struct diff_row) { .what = METRIC_RSS_PEAK };
	diff = (struct diff) { .rows = &row, .row_count = 1 };
	gate = (struct gate) { .verdict = &verdict,
			       .budgets = &budgets,
			       .checks = &checks,
			       .diff = &diff,
			       .tolerance = 0.2 };
}

static void find(enum finding_class class)
{
	findings[verdict.finding_count++].class = class;
	if (class < verdict.class)
		verdict.class = class;
}

static void grow_rss_by(double share)
{
	row.base.value = 1e9;
	row.change = (struct figure) { share * 1e9, share * 1e9, share * 1e9 };
	row.state = DIFF_WORSE;
}

static void check(enum gate_status status)
{
	gate_settle(&gate);
	cr_assert_eq(gate.status, status);
}

Test(gate, without_a_complaint_it_passes)
{
	clean();
	check(GATE_PASS);
	gate.diff = NULL;
	check(GATE_PASS);
}

Test(gate, each_class_that_grows_fails)
{
	for (enum finding_class c = FINDING_LEAK; c <= FINDING_FDS; c++) {
		clean();
		find(c);
		check(GATE_GROWS);
	}
}

Test(gate, retention_fails_where_it_is_asked_to)
{
	clean();
	find(FINDING_RETENTION);
	check(GATE_PASS);
	budgets.fails = 1u << FINDING_RETENTION;
	check(GATE_GROWS);
}

Test(gate, a_suppressed_finding_does_not_fail)
{
	clean();
	find(FINDING_LEAK);
	findings[0].suppressed = true;
	verdict.class = FINDING_CLEAN; /* as verdict_settle() has it */
	check(GATE_PASS);
}

Test(gate, a_budget_and_a_baseline_have_their_statuses)
{
	clean();
	checks.exceeded = 1;
	check(GATE_EXCEEDED);
	clean();
	grow_rss_by(0.3);
	check(GATE_WORSE);
	cr_assert_eq(gate.worse, 1);
	gate.tolerance = 0.4;
	check(GATE_PASS);
}

Test(gate, too_little_data_is_inconclusive_unless_that_is_accepted)
{
	clean();
	find(FINDING_INCONCLUSIVE);
	check(GATE_INCONCLUSIVE);
	budgets.inconclusive_passes = true;
	check(GATE_PASS);
}

Test(gate, inconclusive_beside_retention_is_still_inconclusive)
{
	clean();
	find(FINDING_RETENTION);
	find(FINDING_INCONCLUSIVE);
	check(GATE_INCONCLUSIVE);
}

Test(gate, a_budget_that_was_not_measured_fails_where_it_is_asked_to)
{
	clean();
	checks.unknown = 1;
	check(GATE_PASS);
	budgets.missing_fails = true;
	check(GATE_INCONCLUSIVE);
}

Test(gate, of_several_the_smallest_status_wins)
{
	clean();
	find(FINDING_INCONCLUSIVE);
	grow_rss_by(0.3);
	check(GATE_WORSE);
	checks.exceeded = 1;
	check(GATE_EXCEEDED);
	find(FINDING_GROWTH);
	check(GATE_GROWS);
	cr_assert(gate.inconclusive);
}
