/*
 * leaks: see leaks.h.
 */
#include "profiler/analysis/leaks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/axis.h"
#include "profiler/analysis/verdict.h"
#include "profiler/model/model.h"

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool is_found(const struct model *m, const struct verdict *v,
		     const struct model_site *s)
{
	uint32_t blamed = model_blamed(m, s->node);
	const struct model_frame *f = &m->frames[m->nodes[blamed].frame];

	for (size_t i = 0; i < v->finding_count; i++) {
		const struct finding *found = &v->findings[i];

		if (!found->suppressed && found->function &&
		    (found->class == FINDING_LEAK ||
		     found->class == FINDING_GROWTH) &&
		    same_text(found->function, f->function) &&
		    same_text(found->module, f->module))
			return true;
	}
	return false;
}

int leaks_mark(struct model *m, const struct verdict *v)
{
	struct model_level *levels =
		calloc((size_t)m->window_count + 1, sizeof(*levels));
	struct axis a;
	int rc = levels ? axis_init(&a, m) : -ENOMEM;

	if (rc < 0)
		goto free_levels;
	for (uint32_t i = 0; i < m->site_count; i++) {
		struct model_site *s = &m->sites[i];

		s->leaked = 0;
		if (!a.count || !is_found(m, v, s))
			continue;
		model_levels(m, s, levels);
		s->leaked =
			levels[a.first + a.count - 1].end - levels[a.first].end;
		if (s->leaked < 0)
			s->leaked = 0;
	}
	axis_fini(&a);
free_levels:
	free(levels);
	return rc;
}
