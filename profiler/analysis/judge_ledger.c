/*
 * judge_ledger: what /proc shows to grow: threads, descriptors, and memory
 * that no block and no mapping holds.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "profiler/analysis/verdict_state.h"
#include "profiler/model/model.h"

#define MIB (1024.0 * 1024.0)

/* What is less is not worth anybody's time, whatever its p. */
#define RISE_MIN_THREADS 4
#define RISE_MIN_FDS	 6
#define RETAINED_MIN	 (8 * MIB) /* and RETAINED_SHARE of RSS */
#define RETAINED_SHARE	 0.08

static const struct place *thread_starter(const struct judging *j)
{
	const struct place *p, *best = NULL;

	vec_foreach (&j->places.list, p)
		if (p->in_thread_start && (!best || p->most > best->most))
			best = p;
	return best;
}

static const struct place *opener(const struct judging *j)
{
	const struct place *p, *best = NULL;
	double most = 0;

	vec_foreach (&j->places.list, p) {
		double more = p->descriptors ? verdict_drift(p->descriptors,
							     j->axis.count)
					     : 0;

		if (more <= most)
			continue;
		most = more;
		best = p;
	}
	return best;
}

static int judge_column(struct judging *j, enum tide_column column,
			enum finding_class class, double least)
{
	const double *y = j->tide.column[column];
	const struct place *who;
	struct finding *f;
	struct trend t;
	int rc;

	rc = verdict_trend(j, &j->readings, y, 0, least, &t);
	if (rc < 0 || t.class != TREND_GROWS)
		return rc;
	f = verdict_add(j, class, &t);
	if (!f)
		return -ENOMEM;
	if (class == FINDING_THREADS)
		who = thread_starter(j);
	else
		who = opener(j);
	if (who)
		verdict_put_where(j, f, who->node);
	return 0;
}

/* First and last of @y after @cut, medians of three: their difference. */
static double growth(const double *y, size_t count, size_t cut)
{
	double first[3], last[3];
	size_t n = 0;

	for (size_t i = cut; i < count && n < 3; i++)
		if (!isnan(y[i]))
			first[n++] = y[i];
	if (n < 3)
		return NAN;
	n = 0;
	for (size_t i = count; i-- > cut && n < 3;)
		if (!isnan(y[i]))
			last[n++] = y[i];
#define MEDIAN(v) fmax(fmin(v[0], v[1]), fmin(fmax(v[0], v[1]), v[2]))
	return MEDIAN(last) - MEDIAN(first);
#undef MEDIAN
}

static void split_growth(struct judging *j, size_t cut)
{
	const struct {
		enum tide_column column;
		double *to;
	} parts[] = {
		{ TIDE_RSS, &j->out->verdict.growth.rss },
		{ TIDE_LIVE, &j->out->verdict.growth.live },
		{ TIDE_RETAINED, &j->out->verdict.growth.retained },
		{ TIDE_PRIVATE, &j->out->verdict.growth.anonymous },
		{ TIDE_FILE, &j->out->verdict.growth.file },
		{ TIDE_STACKS, &j->out->verdict.growth.stacks },
		{ TIDE_SELF, &j->out->verdict.growth.self },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		*parts[i].to = growth(j->tide.column[parts[i].column],
				      j->tide.count, cut);
}

/* The function that took most of the resident memory, if one did. */
static int put_taker(struct judging *j, struct finding *f)
{
	double *taken = calloc(j->m->frame_count + 1UL, sizeof(*taken));
	double all = 0, most = 0;
	uint32_t who = MODEL_NONE;

	if (!taken)
		return -ENOMEM;
	for (uint32_t i = 0; i < j->m->site_count; i++) {
		const struct model_site *s = &j->m->sites[i];
		double weight = model_site_weight(s, MODEL_RSS);
		uint32_t node = model_blamed(j->m, s->node);
		double *of = &taken[j->m->nodes[node].frame];

		*of += weight;
		all += weight;
		if (*of <= most)
			continue;
		most = *of;
		who = node;
	}
	free(taken);
	if (most > all / 2)
		verdict_put_where(j, f, who);
	return 0;
}

/*
 * Where only pages were looked at, not blocks: what of private memory grows is
 * held, or kept by the allocator, which nobody can tell.
 */
static int judge_resident(struct judging *j, double least)
{
	struct finding *f;
	struct trend t;
	int rc = verdict_trend(j, &j->readings, j->tide.column[TIDE_PRIVATE], 0,
			       least, &t);

	if (rc < 0)
		return rc;
	split_growth(j, t.cut);
	j->out->verdict.growth.live = j->out->verdict.growth.retained = NAN;
	j->out->bound = t.class == TREND_FILLS ? t.late.value : t.slope.high;
	if (t.class == TREND_UNDECIDED)
		j->suspected = true;
	if (t.class != TREND_GROWS)
		return 0;
	f = verdict_add(j, FINDING_GROWTH, &t);
	return f ? put_taker(j, f) : -ENOMEM;
}

static int judge_retention(struct judging *j)
{
	const double *rss = j->tide.column[TIDE_RSS];
	double last = 0, least;
	struct finding *f;
	struct trend t;
	int rc;

	for (uint32_t i = 0; i < j->tide.count; i++)
		if (!isnan(rss[i]))
			last = rss[i];
	least = fmax(RETAINED_MIN, RETAINED_SHARE * last);
	if (j->out->unseen)
		return judge_resident(j, least);
	rc = verdict_trend(j, &j->readings, j->tide.column[TIDE_RETAINED], 0,
			   least, &t);
	if (rc < 0)
		return rc;
	split_growth(j, t.cut);
	if (t.class != TREND_GROWS || t.rise < j->out->verdict.growth.live ||
	    t.rise < j->out->verdict.growth.rss / 2)
		return 0;
	f = verdict_add(j, FINDING_RETENTION, &t);
	return f ? 0 : -ENOMEM;
}

int judge_ledger(struct judging *j)
{
	int rc = judge_column(j, TIDE_THREADS, FINDING_THREADS,
			      RISE_MIN_THREADS);

	if (rc == 0)
		rc = judge_column(j, TIDE_FDS, FINDING_FDS, RISE_MIN_FDS);
	return rc == 0 ? judge_retention(j) : rc;
}
