/*
 * gate: see gate.h.
 */
#include "profiler/analysis/gate.h"

#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/verdict.h"

bool gate_fails(const struct gate *g, const struct finding *f)
{
	return !f->suppressed && g->budgets->fails & 1u << f->class;
}

bool gate_is_worse(const struct gate *g, const struct diff_row *row)
{
	return diff_exceeds(g->diff, row, g->tolerance);
}

/* Nothing that fails was found, and there was too little to find it in. */
static bool is_inconclusive(const struct gate *g)
{
	if (g->budgets->missing_fails && g->checks->unknown > 0)
		return true;
	if (g->budgets->inconclusive_passes)
		return false;
	if (g->verdict->class == FINDING_INCONCLUSIVE)
		return true;
	for (size_t i = 0; i < g->verdict->finding_count; i++)
		if (g->verdict->findings[i].class == FINDING_INCONCLUSIVE &&
		    !g->verdict->findings[i].suppressed)
			return true;
	return false;
}

void gate_settle(struct gate *g)
{
	g->failing = g->worse = 0;
	for (size_t i = 0; i < g->verdict->finding_count; i++)
		g->failing += gate_fails(g, &g->verdict->findings[i]);
	for (size_t i = 0; g->diff && i < g->diff->row_count; i++)
		g->worse += gate_is_worse(g, &g->diff->rows[i]);
	g->inconclusive = is_inconclusive(g);
	g->status = g->failing		  ? GATE_GROWS
		    : g->checks->exceeded ? GATE_EXCEEDED
		    : g->worse		  ? GATE_WORSE
		    : g->inconclusive	  ? GATE_INCONCLUSIVE
					  : GATE_PASS;
}

const char *gate_status_name(enum gate_status status)
{
	switch (status) {
	case GATE_PASS:
		return "pass";
	case GATE_GROWS:
		return "leak or growth";
	case GATE_EXCEEDED:
		return "a budget is exceeded";
	case GATE_WORSE:
		return "worse than the baseline";
	case GATE_INCONCLUSIVE:
		break;
	}
	return "inconclusive";
}
