/*
 * budget: budgets and a model -> checks.
 */
#include "profiler/analysis/budget.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/budget_figures.h"
#include "profiler/base/err.h"
#include "profiler/model/model.h"

#define EXCESS_MAX (AMOUNT_MAX + 4)

/* Beyond the limit only where its whole interval is. */
static enum check_state judge(const struct budget_kind *kind, double limit,
			      const struct figure *f)
{
	if (isnan(f->value))
		return CHECK_UNKNOWN;
	if (kind->at_least)
		return f->high < limit	  ? CHECK_EXCEEDED
		       : f->value < limit ? CHECK_UNKNOWN
					  : CHECK_PASS;
	return f->low > limit	  ? CHECK_EXCEEDED
	       : f->value > limit ? CHECK_UNKNOWN
				  : CHECK_PASS;
}

/* " by 63 B" where value and limit read the same and are not. */
static void put_excess(char out[EXCESS_MAX], const struct check *c,
		       enum amount_unit unit, const char *value,
		       const char *limit)
{
	char excess[AMOUNT_MAX];

	out[0] = '\0';
	if (c->state != CHECK_PASS && strcmp(value, limit) == 0)
		snprintf(out, EXCESS_MAX, " by %s",
			 amount_format(excess, unit,
				       fabs(c->value.value -
					    c->budget->limit)));
}

/* "p95 is 310 ms, above 250 ms" */
static int say(struct check *c, const struct budget_kind *kind,
	       const struct measured *m)
{
	char value[AMOUNT_MAX], low[AMOUNT_MAX];
	char high[AMOUNT_MAX], limit[AMOUNT_MAX], span[80] = "";
	char excess[EXCESS_MAX];
	static const char *const beyond[2][3] = {
		{ "within", "above", "which may be above" },
		{ "not below", "below", "which may be below" },
	};
	int rc;

	amount_format(value, kind->unit, m->value.value);
	amount_format(limit, kind->unit, c->budget->limit);
	put_excess(excess, c, kind->unit, value, limit);
	if (m->value.low < m->value.high)
		snprintf(span, sizeof(span), " (%s to %s)",
			 amount_format(low, kind->unit, m->value.low),
			 amount_format(high, kind->unit, m->value.high));
	if (isnan(m->value.value))
		rc = asprintf(&c->sentence, "%s is not known: %s",
			      kind->measure, m->why);
	else
		rc = asprintf(&c->sentence, "%s is %s%s, %s %s%s",
			      kind->measure, value, span,
			      beyond[kind->at_least][c->state], limit, excess);
	if (rc < 0)
		c->sentence = NULL;
	return rc < 0 ? -ENOMEM : 0;
}

static int add(struct checks *out, const struct budget *b,
	       const struct model_endpoint *e, const struct measured *m)
{
	const struct budget_kind *kind = &budget_kinds[b->what];
	struct check *c = vec_push(&out->list);

	if (!c)
		return -ENOMEM;
	c->budget = b;
	c->value = m->value;
	c->state = judge(kind, b->limit, &m->value);
	out->exceeded += c->state == CHECK_EXCEEDED;
	out->unknown += c->state == CHECK_UNKNOWN;
	if (e && asprintf(&c->endpoint, "%s %s", e->method, e->route) < 0) {
		c->endpoint = NULL;
		return -ENOMEM;
	}
	return say(c, kind, m);
}

/* A pattern with a method in it is held to both, one without to the route. */
static bool takes(const char *pattern, const struct model_endpoint *e)
{
	bool both = strchr(pattern, ' ') != NULL;
	char *anchored = NULL, *text = NULL;
	bool found = false;

	if (asprintf(&anchored, "^%s$", pattern) < 0)
		anchored = NULL;
	if (asprintf(&text, "%s%s%s", both ? e->method : "", both ? " " : "",
		     e->route) < 0)
		text = NULL;
	if (anchored && text)
		found = suppression_matches(anchored, text);
	free(anchored);
	free(text);
	return found;
}

double slow_limits_of(const struct slow_limits *l,
		      const struct model_endpoint *e)
{
	const struct slow_limit *limit;
	size_t most = 0;
	double ms = 0;

	if (!l)
		return 0;
	vec_foreach (&l->list, limit) {
		size_t size = strlen(limit->route);

		if (size < most || !takes(limit->route, e))
			continue;
		most = size;
		ms = limit->ms;
	}
	return ms;
}

static int check_endpoints(struct checks *out, const struct budget *b,
			   const struct model *m)
{
	struct measured seen;
	bool any = false;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < m->endpoint_count; i++) {
		if (!takes(b->route, &m->endpoints[i]))
			continue;
		any = true;
		seen = budget_measure_endpoint(m, &m->endpoints[i], b->what);
		rc = add(out, b, &m->endpoints[i], &seen);
	}
	if (any)
		return rc;
	seen = budget_measure_nothing(b->route);
	return add(out, b, NULL, &seen);
}

int checks_of(struct checks *out, const struct budgets *b,
	      const struct model *m, struct err *err)
{
	const struct budget *budget;
	struct measured seen;
	int rc = 0;

	*out = (struct checks) { 0 };
	vec_foreach (&b->list, budget) {
		if (budget->route) {
			rc = check_endpoints(out, budget, m);
		} else {
			rc = budget_measure_server(&seen, m, budget->what);
			if (rc == 0)
				rc = add(out, budget, NULL, &seen);
		}
		if (rc < 0)
			return err_set(err, rc, "out of memory");
	}
	return 0;
}

void checks_free(struct checks *c)
{
	struct check *one;

	vec_foreach (&c->list, one) {
		free(one->endpoint);
		free(one->sentence);
	}
	vec_free(&c->list);
}

const char *check_state_name(enum check_state state)
{
	static const char *const names[] = { "pass", "exceeded",
					     "not measured" };

	return names[state];
}
