/*
 * rating: see rating.h.
 */
#include "reports/rating.h"

#include <math.h>
#include <string.h>

#include "profiler/analysis/budget.h"

enum rating rating_of_check(const struct check *c)
{
	if (c->state == CHECK_UNKNOWN)
		return isnan(c->value.value) ? RATING_UNMEASURED
					     : RATING_ACCEPTABLE;
	return c->state == CHECK_PASS ? RATING_PASS : RATING_FAIL;
}

/* Is @text the endpoint's "METHOD route"? */
static bool is_of(const char *text, const struct model_endpoint *p)
{
	size_t n = strlen(p->method);

	return strncmp(text, p->method, n) == 0 && text[n] == ' ' &&
	       strcmp(text + n + 1, p->route) == 0;
}

enum rating rating_of(const struct checks *checks,
		      const struct model_endpoint *p)
{
	enum rating worst = RATING_NONE;
	const struct check *c;

	if (!checks)
		return RATING_NONE;
	vec_foreach (&checks->list, c) {
		enum rating one = rating_of_check(c);

		if (c->endpoint && is_of(c->endpoint, p) && one > worst)
			worst = one;
	}
	return worst;
}

const char *rating_name(enum rating rating)
{
	static const char *const names[] = { "-", "not measured", "pass",
					     "acceptable", "fail" };

	return names[rating];
}
