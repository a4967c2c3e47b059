/*
 * courses: how the latencies of endpoints went, of all processes, on one grid.
 *
 * Processes' windows are of different widths; the grid's are as wide as the
 * widest, and a window counts for the one of the grid that its middle lies in.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "profiler/model/build.h"

/* Of @r, how many windows of the fold are one of the course's. */
static double windows_of(const struct fold_route *r)
{
	return (double)(FOLD_COURSE << r->course->shift);
}

void build_course_grid(struct model *m, const struct trace_view *v)
{
	double width = m->window_seconds * FOLD_COURSE;

	for (size_t i = 0; i < v->image_count; i++) {
		const struct fold_result *r = &v->images[i].result;

		for (size_t k = 0; k < r->route_count; k++)
			width = fmax(width, (double)r->window_ns / 1e9 *
						    windows_of(&r->routes[k]));
	}
	m->course_seconds = width;
	m->course_count = (uint32_t)fmin(ceil(m->duration / width),
					 (double)m->window_count);
	if (!m->course_count)
		m->course_count = 1;
}

static uint16_t window_at(const struct model *m, double t)
{
	double w = t / m->course_seconds;

	if (!(w > 0))
		return 0;
	return (uint16_t)(w < m->course_count ? w : m->course_count - 1);
}

int build_course_add(struct build_course *to, const struct model *m,
		     const struct trace_view *v, const struct fold_result *r,
		     const struct fold_route *route)
{
	double width = (double)r->window_ns / 1e9 * windows_of(route);
	const struct course_cell *cell;

	vec_foreach (&route->course->cells, cell) {
		double t = build_seconds(v, r->first_ns) +
			   width * (cell->window + 0.5);
		struct course_cell *one = vec_push(&to->cells);

		if (!one)
			return -ENOMEM;
		*one = *cell;
		one->window = window_at(m, t);
	}
	return 0;
}

int build_course(struct model_moment **out, const struct model *m,
		 struct build_course *from)
{
	const struct course_cell *cells = from->cells.at;
	size_t count = course_join(from->cells.at, from->cells.count);
	struct model_moment *at;

	*out = NULL;
	if (!count)
		return 0;
	at = calloc(m->course_count, sizeof(*at));
	if (!at)
		return -ENOMEM;
	for (uint32_t w = 0; w < m->course_count; w++)
		at[w] = (struct model_moment) { 0, NAN, NAN, NAN };
	for (size_t i = 0, n; i < count; i += n) {
		struct model_moment *one = &at[cells[i].window];

		for (n = 1;
		     i + n < count && cells[i + n].window == cells[i].window;)
			n++;
		one->count = course_count(cells + i, n);
		one->p50_ms = course_quantile(cells + i, n, 0.50) / 1e6;
		one->p95_ms = course_quantile(cells + i, n, 0.95) / 1e6;
		one->p99_ms = course_quantile(cells + i, n, 0.99) / 1e6;
	}
	*out = at;
	return 0;
}
