/*
 * axis: see axis.h.
 */
#include "profiler/analysis/axis.h"

#include <errno.h>
#include <stdlib.h>

#include "profiler/model/model.h"

#define REQUESTS_MIN 20 /* fewer are a health check, not a load */
#define WINDOWS_MIN  5	/* with requests in them */

/* The windows [*first, *last] with requests in them; how many have some. */
static uint32_t busy_windows(const struct model *m, uint32_t *first,
			     uint32_t *last, double *requests)
{
	uint32_t busy = 0;

	*requests = 0;
	for (uint32_t w = 0; w < m->window_count; w++) {
		if (m->windows[w].requests <= 0)
			continue;
		if (!busy++)
			*first = w;
		*last = w;
		*requests += m->windows[w].requests;
	}
	return busy;
}

static void choose(struct axis *a, const struct model *m)
{
	uint32_t first = 0, last = 0, busy;
	double requests;

	busy = busy_windows(m, &first, &last, &requests);
	a->by_requests = busy >= WINDOWS_MIN && requests >= REQUESTS_MIN;
	if (!a->by_requests) {
		first = 0;
		last = m->window_count ? m->window_count - 1 : 0;
	}
	a->first = first;
	a->count = last - first; /* without the last one */
}

int axis_init(struct axis *a, const struct model *m)
{
	double done = 0;

	choose(a, m);
	a->x = calloc((size_t)a->count + 1, sizeof(*a->x));
	a->t = calloc((size_t)a->count + 1, sizeof(*a->t));
	if (!a->x || !a->t) {
		axis_fini(a);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < a->count; i++) {
		const struct model_window *w = &m->windows[a->first + i];

		a->t[i] = w->t;
		a->x[i] = a->by_requests ? done : w->t;
		done += w->requests;
	}
	a->x_total = a->count ? a->x[a->count - 1] - a->x[0] : 0;
	a->seconds = a->count ? a->t[a->count - 1] - a->t[0] : 0;
	return 0;
}

void axis_fini(struct axis *a)
{
	free(a->x);
	free(a->t);
	a->x = a->t = NULL;
}
