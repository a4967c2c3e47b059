/*
 * refine: what findings are when all of them are known: some are two views of
 * one thing, some are nothing.
 */
#include "profiler/analysis/verdict_state.h"

#include <math.h>
#include <string.h>

#define SHOWN 0.1 /* of what places gain, that the total must gain too */

double verdict_drift(const double *y, uint32_t count)
{
	uint32_t fifth = count / 5 ? count / 5 : 1;
	double sum = 0;

	for (uint32_t i = 0; i < fifth && i < count; i++)
		sum += y[count - 1 - i] - y[i];
	return sum / fifth;
}

/* A place of the heap that roots may lead to. */
static bool may_have_moved(const struct finding *f)
{
	return f->class == FINDING_GROWTH ||
	       (f->class == FINDING_LEAK && isnan(f->evidence.unreachable));
}

static void drop_moved(struct judging *j)
{
	size_t kept = 0;

	for (size_t i = 0; i < j->findings.count; i++)
		if (!may_have_moved(&j->findings.at[i]))
			j->findings.at[kept++] = j->findings.at[i];
	j->findings.count = kept;
}

/*
 * Records that are rewritten, entries of a cache that was filled at the start
 * and is refreshed by requests: one line's blocks become another's.
 */
void refine_moved(struct judging *j, const struct trend *total)
{
	double gained = fmax(verdict_drift(j->places.total, j->axis.count), 0);
	double most = gained + 2 * total->noise;

	j->undecided = fmin(j->undecided, most);
	if (total->class == TREND_LEVEL && j->explained > 0 &&
	    most < SHOWN * j->explained * j->axis.x_total)
		drop_moved(j);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static struct figure sum(struct figure a, struct figure b)
{
	double value = a.value + b.value;

	return (struct figure) {
		value,
		value - hypot(a.value - a.low, b.value - b.low),
		value + hypot(a.high - a.value, b.high - b.value),
	};
}

static void merge_finding(struct finding *into, const struct finding *f)
{
	struct finding larger =
		f->bytes_per_second.value > into->bytes_per_second.value
			? *f
			: *into;

	larger.bytes_per_second =
		sum(into->bytes_per_second, f->bytes_per_second);
	larger.bytes_per_request =
		sum(into->bytes_per_request, f->bytes_per_request);
	larger.evidence.samples = into->evidence.samples + f->evidence.samples;
	larger.evidence.unreachable += f->evidence.unreachable +
				       into->evidence.unreachable -
				       larger.evidence.unreachable;
	*into = larger;
}

void refine_lines(struct judging *j)
{
	size_t kept = 0;

	for (size_t i = 0; i < j->findings.count; i++) {
		const struct finding *f = &j->findings.at[i];
		size_t k = 0;

		while (k < kept &&
		       (j->findings.at[k].class != f->class || !f->function ||
			!same_text(j->findings.at[k].function, f->function) ||
			!same_text(j->findings.at[k].module, f->module)))
			k++;
		if (k < kept)
			merge_finding(&j->findings.at[k], f);
		else
			j->findings.at[kept++] = *f;
	}
	j->findings.count = kept;
}

void refine_threads(struct judging *j)
{
	const struct finding *threads = NULL, *f;
	size_t kept = 0;

	vec_foreach (&j->findings, f)
		if (f->class == FINDING_THREADS)
			threads = f;
	if (!threads || !threads->function)
		return;
	for (size_t i = 0; i < j->findings.count; i++) {
		f = &j->findings.at[i];
		if (f->class < FINDING_MAPPINGS && f->node == threads->node)
			continue;
		j->findings.at[kept++] = *f;
	}
	j->findings.count = kept;
}
