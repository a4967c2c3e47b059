/*
 * refine: what findings are when all of them are known: some are two views of
 * one thing, some are nothing.
 */
#include "profiler/analysis/verdict_state.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/model/model.h"

#define HALF	0.5
#define BETWEEN 0.8  /* of a straight rise lies between two fifths' means */
#define SHOWN	0.1  /* of what places gain, that the total must gain too */
#define BESIDE	0.01 /* of what a function maps */
#define ALIKE	0.1  /* of a block's size */
#define EACH	0.8  /* of the threads that came to stay */

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

void refine_note_gain(struct judging *j, const struct finding *f,
		      const struct place *p)
{
	if (!may_have_moved(f))
		return;
	j->may_have_moved = true;
	for (uint32_t i = 0; i < j->axis.count; i++)
		j->gained[i] += p->level[i];
}

/* Where @level began to give: after what filled it at the start. */
static uint32_t begin_of(const struct judging *j, const double *level)
{
	uint32_t most = 0;

	for (uint32_t i = 1; i < j->axis.count / 4; i++)
		if (level[i] > level[most])
			most = i;
	return most;
}

/* @level loses in step with what @gained does: together they stand still. */
static int makes_up(struct judging *j, const double *level,
		    const double *gained, bool *does)
{
	uint32_t from = begin_of(j, level), count = j->axis.count - from;
	struct course along = { j->axis.x + from, j->axis.t + from, count };
	bool sampled = j->m->mean_bytes > 0;
	double *both = j->both, drift, most;
	struct trend t;
	int rc;

	*does = false;
	most = SHOWN * verdict_drift(gained + from, count);
	if (verdict_drift(level + from, count) > -most)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		both[i] = gained[from + i] + level[from + i];
	drift = fabs(verdict_drift(both, count));
	if (drift >= (sampled ? HALF / SHOWN * most : most))
		return 0;
	rc = verdict_trend(j, &along, both, 0, 0, &t);
	/* A sample is too noisy to show that nothing is left of the gain; that
	 * less than half of it can be is shown. */
	if (sampled)
		*does = rc == 0 && t.class != TREND_GROWS &&
			t.slope.high * t.x < HALF / SHOWN * most / BETWEEN;
	else
		*does = rc == 0 && drift + 2 * t.noise < most;
	return rc;
}

/* One place, or all those that lose, give what others gain. */
static int is_given(struct judging *j, bool *is)
{
	double *all = calloc((size_t)j->axis.count + 1, sizeof(*all));
	const struct place *p;
	int rc = all ? 0 : -ENOMEM;

	*is = false;
	vec_foreach (&j->places.list, p) {
		uint32_t from = begin_of(j, p->level);

		if (rc < 0 || *is ||
		    verdict_drift(p->level + from, j->axis.count - from) >= 0)
			continue;
		rc = makes_up(j, p->level, j->gained, is);
		for (uint32_t i = 0; i < j->axis.count; i++)
			all[i] += p->level[i];
	}
	if (rc == 0 && !*is)
		rc = makes_up(j, all, j->gained, is);
	free(all);
	return rc;
}

static double block_size(const struct place *p)
{
	return p->blocks > 0 ? p->live / p->blocks : 0;
}

/* Its blocks are as large as those of @p, and it loses as @p gains. */
static int has_giver(struct judging *j, const struct place *p, bool *has)
{
	const struct place *from;
	double size = block_size(p);
	int rc = 0;

	*has = false;
	vec_foreach (&j->places.list, from)
		if (rc == 0 && !*has &&
		    fabs(block_size(from) - size) < ALIKE * size)
			rc = makes_up(j, from->level, p->level, has);
	return rc;
}

static const struct place *place_of(const struct judging *j,
				    const struct finding *f)
{
	const struct place *p;

	vec_foreach (&j->places.list, p)
		if (p->node == f->node)
			return p;
	return NULL;
}

/*
 * A scan sees no pointer that is kept as a number, packed or in parts: what it
 * calls lost may be a ring of blocks whose first round another line made.
 */
static int drop_refilled(struct judging *j)
{
	size_t kept = 0;
	int rc = 0;

	for (size_t i = 0; i < j->findings.count; i++) {
		const struct finding *f = &j->findings.at[i];
		const struct place *p = place_of(j, f);
		bool given = false;

		if (rc == 0 && p && f->class == FINDING_LEAK &&
		    !isnan(f->evidence.unreachable))
			rc = has_giver(j, p, &given);
		if (!given)
			j->findings.at[kept++] = *f;
	}
	j->findings.count = kept;
	return rc;
}

/*
 * Records that are rewritten, entries of a cache that was filled at the start
 * and is refreshed by requests: one line's blocks become another's.  All that
 * is live shows it, where little else comes and goes; else a place that loses
 * in step with what the others gain.
 */
int refine_moved(struct judging *j, const struct trend *total)
{
	double gained = fmax(verdict_drift(j->places.total, j->axis.count), 0);
	double most = gained + 2 * total->noise;
	bool moved = total->class == TREND_LEVEL &&
		     most < SHOWN * j->explained * j->axis.x_total;
	int rc = 0;

	j->undecided = fmin(j->undecided, most);
	rc = drop_refilled(j);
	if (rc < 0 || !j->may_have_moved)
		return rc;
	if (!moved)
		rc = is_given(j, &moved);
	if (rc == 0 && moved)
		drop_moved(j);
	return rc;
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
	larger.class = f->class < into->class ? f->class : into->class;
	larger.evidence.definite =
		f->evidence.definite || into->evidence.definite;
	larger.evidence.samples = into->evidence.samples + f->evidence.samples;
	larger.evidence.unreachable += f->evidence.unreachable +
				       into->evidence.unreachable -
				       larger.evidence.unreachable;
	*into = larger;
}

static bool of_one_function(const struct finding *a, const struct finding *b)
{
	return a->function && same_text(a->function, b->function) &&
	       same_text(a->module, b->module);
}

/* What one container of Python holds, whoever made its entries. */
static bool of_one_holder(const struct finding *a, const struct finding *b)
{
	return a->holder && b->holder && same_text(a->holder, b->holder);
}

/*
 * Lines of one function, or what one container holds.  Where blocks are
 * sampled, those that hang on a lost one that is not on record look as if
 * something reached them.
 */
static bool are_one(const struct judging *j, const struct finding *a,
		    const struct finding *b)
{
	bool alike = a->class == b->class ||
		     (j->m->mean_bytes > 0 && a->class <= FINDING_GROWTH &&
		      b->class <= FINDING_GROWTH);

	return alike && (of_one_function(a, b) || of_one_holder(a, b));
}

/* What a function keeps books with of what it maps is no finding beside it:
 * the list of the mappings grows, too. */
static bool is_beside(const struct finding *f, const struct finding *of)
{
	return f->class <= FINDING_GROWTH && of->class == FINDING_MAPPINGS &&
	       of_one_function(f, of) &&
	       f->bytes_per_second.value < BESIDE * of->bytes_per_second.value;
}

static void drop_beside(struct judging *j)
{
	size_t kept = 0;

	for (size_t i = 0; i < j->findings.count; i++) {
		struct finding f = j->findings.at[i];
		size_t k = 0;

		while (k < j->findings.count &&
		       !is_beside(&f, &j->findings.at[k]))
			k++;
		if (k == j->findings.count)
			j->findings.at[kept++] = f;
	}
	j->findings.count = kept;
}

void refine_lines(struct judging *j)
{
	size_t kept = 0;

	for (size_t i = 0; i < j->findings.count; i++) {
		const struct finding *f = &j->findings.at[i];
		size_t k = 0;

		while (k < kept && !are_one(j, &j->findings.at[k], f))
			k++;
		if (k < kept)
			merge_finding(&j->findings.at[k], f);
		else
			j->findings.at[kept++] = *f;
	}
	j->findings.count = kept;
	drop_beside(j);
}

static bool is_living(const struct judging *j, const struct model_thread *t)
{
	const struct axis *a = &j->axis;

	return t->ended < 0 ||
	       t->ended >= j->m->windows[a->first + a->count - 1].t;
}

/* Bytes that each thread holds of what @f is about; @held has room for all. */
static void add_up_held(const struct judging *j, const struct finding *f,
			double *held)
{
	const struct model *m = j->m;
	uint32_t frame = m->nodes[f->node].frame;

	memset(held, 0, m->thread_count * sizeof(*held));
	for (uint32_t i = 0; i < m->site_count; i++) {
		const struct model_site *s = &m->sites[i];

		if (m->nodes[model_blamed(m, s->node)].frame != frame)
			continue;
		for (uint32_t k = 0; k < s->maker_count; k++) {
			const struct model_maker *by = &s->makers[k];

			if (by->thread < m->thread_count)
				held[by->thread] += f->class == FINDING_MAPPINGS
							    ? by->allocated
							    : by->live;
		}
	}
}

/*
 * About as many threads hold some as @come to stay, and those that came early
 * about as much as those that came late, who had less time for requests.
 */
static bool have_each_theirs(const struct judging *j, const double *held,
			     double come)
{
	struct {
		double bytes, count;
	} early = { 0, 0 }, late = { 0, 0 };
	double start = j->m->windows[j->axis.first].t, came = 0;

	for (uint32_t i = 0; i < j->m->thread_count; i++) {
		const struct model_thread *t = &j->m->threads[i];

		if (!(held[i] > 0) || !is_living(j, t))
			continue;
		came += t->began >= start;
		if (t->began < start + j->axis.seconds / 2) {
			early.bytes += held[i];
			early.count++;
		} else {
			late.bytes += held[i];
			late.count++;
		}
	}
	return came >= EACH * come && late.count > 0 &&
	       early.bytes * late.count < 2 * late.bytes * early.count;
}

/*
 * Ever more threads hold ever more memory, each its part: what was found to
 * grow is that.  Samples are too few of each thread to show it of blocks, and
 * what no root reaches no thread holds.
 */
static bool is_held_by_threads(const struct judging *j, const struct finding *f,
			       const struct finding *threads, double *held)
{
	if (f->class > FINDING_MAPPINGS || f->node == MODEL_NONE ||
	    f->evidence.unreachable > 0 ||
	    (f->class != FINDING_MAPPINGS && j->m->mean_bytes > 0))
		return false;
	add_up_held(j, f, held);
	return have_each_theirs(j, held,
				threads->bytes_per_second.value *
					threads->evidence.seconds);
}

/* pthread_create() allocates for the thread where it is called. */
static bool is_of_start(const struct finding *f, const struct finding *threads)
{
	return threads->function && f->class < FINDING_MAPPINGS &&
	       f->node == threads->node;
}

int refine_threads(struct judging *j)
{
	const struct finding *found = NULL, *f;
	struct finding threads;
	size_t kept = 0;
	double *held;

	vec_foreach (&j->findings, f)
		if (f->class == FINDING_THREADS)
			found = f;
	if (!found)
		return 0;
	threads = *found; /* which moves */
	held = calloc((size_t)j->m->thread_count + 1, sizeof(*held));
	if (!held)
		return -ENOMEM;
	for (size_t i = 0; i < j->findings.count; i++) {
		f = &j->findings.at[i];
		if (is_of_start(f, &threads) ||
		    is_held_by_threads(j, f, &threads, held))
			continue;
		j->findings.at[kept++] = *f;
	}
	j->findings.count = kept;
	free(held);
	return 0;
}
