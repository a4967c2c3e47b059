/*
 * measure: see measure.h.
 */
#include "profiler/analysis/measure.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/fingerprint.h"
#include "profiler/analysis/program.h"
#include "profiler/analysis/traffic.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/model/model.h"

#define MARGIN	  1.96 /* standard errors in a margin */
#define KEY_BASIS 0xcbf29ce484222325ULL

static int put(struct measure *out, enum metric_what what, uint32_t subject,
	       double value, double variance)
{
	struct metric *metric;

	if (!isfinite(value) || !isfinite(variance))
		return 0; /* not known */
	metric = vec_push(&out->metrics);
	if (!metric)
		return -ENOMEM;
	*metric = (struct metric) { what, subject, value, fmax(variance, 0) };
	return 0;
}

static int subject_new(struct measure *out, uint64_t key, const char *name)
{
	struct subject *s = vec_push(&out->subjects);

	if (!s)
		return -ENOMEM;
	s->key = key;
	s->name = strdup(name);
	return s->name ? (int)out->subjects.count - 1 : -ENOMEM;
}

/* A level that stands still but for noise: it could have been one more. */
static double trend_variance(const struct model_trend *t)
{
	double sd = 1.4826 * t->volatility;

	return isfinite(sd) ? sd * sd : 0;
}

/* CPU of the main process within @span, ms. */
static double cpu_ms(const struct model *m, const struct traffic_span *span)
{
	uint64_t first = UINT64_MAX, last = 0;
	int32_t pid;

	if (m->main_process >= m->process_count)
		return NAN;
	pid = m->processes[m->main_process].pid;
	for (uint32_t i = 0; i < m->ledger_count; i++) {
		const struct model_ledger_point *p = &m->ledger[i];
		uint64_t spent = p->cpu_user_ns + p->cpu_system_ns;

		if (p->pid != pid || p->cpu_user_ns == UINT64_MAX ||
		    p->cpu_system_ns == UINT64_MAX)
			continue;
		if (first == UINT64_MAX || p->t <= span->first)
			first = spent;
		last = spent;
		if (p->t >= span->last)
			break;
	}
	return first == UINT64_MAX || last <= first
		       ? NAN
		       : (double)(last - first) / 1e6;
}

/* What of the whole was allocated within @span; all where that is unknown. */
static double share_within(const struct model *m,
			   const struct traffic_span *span)
{
	double all = 0, within = 0;

	for (uint32_t i = 0; i < m->window_count; i++) {
		all += m->windows[i].allocated_bytes;
		if (traffic_covers(span, m->windows[i].t))
			within += m->windows[i].allocated_bytes;
	}
	return all > 0 ? within / all : 1;
}

static double site_share_within(const struct model *m,
				const struct model_site *site,
				const struct traffic_span *span)
{
	double all = 0, within = 0;

	for (uint32_t i = 0; i < site->level_count; i++) {
		const struct model_level *l = &site->levels[i];

		all += l->allocated;
		if (l->window < m->window_count &&
		    traffic_covers(span, m->windows[l->window].t))
			within += l->allocated;
	}
	return all > 0 ? within / all : 1;
}

static double known(double value)
{
	return value > 0 ? value : NAN;
}

static int put_server(struct measure *out, const struct model *m,
		      const struct traffic_span *span)
{
	const struct model_trend *rss = &m->rss_trend;
	double live = m->live_trend.final, noise = trend_variance(rss);
	double share = share_within(m, span);
	const struct {
		enum metric_what what;
		double value, variance;
	} all[] = {
		{ METRIC_RSS_PEAK, known(rss->peak), noise },
		{ METRIC_RSS_END, known(rss->final), noise },
		{ METRIC_LIVE_PEAK, known(m->totals.peak.bytes),
		  m->totals.peak.bytes_variance },
		{ METRIC_LIVE_END, known(live),
		  trend_variance(&m->live_trend) },
		{ METRIC_BEYOND_LIVE, live > 0 ? known(rss->final - live) : NAN,
		  noise },
		{ METRIC_ALLOCATED, known(m->totals.allocated.bytes * share),
		  m->totals.allocated.bytes_variance * share },
		{ METRIC_ALLOCATIONS, known(m->totals.allocated.count * share),
		  m->totals.allocated.count_variance * share },
		{ METRIC_CPU, cpu_ms(m, span), 0 },
		{ METRIC_THREADS, known(m->thread_trend.peak), 0 },
		{ METRIC_FDS, known(m->fd_trend.peak), 0 },
	};
	int rc = subject_new(out, KEY_BASIS, "");

	for (size_t i = 0; rc >= 0 && i < sizeof(all) / sizeof(all[0]); i++)
		rc = put(out, all[i].what, 0, all[i].value, all[i].variance);
	return rc < 0 ? rc : 0;
}

/*
 * The variance of the quantile at @q is q (1 - q) / n over the square of the
 * density there, which the distance between two quantiles around it gives:
 * @span milliseconds hold the share @mass of the requests.
 */
static double quantile_variance(double q, uint64_t n, double span, double mass)
{
	double density = mass / span;

	if (n == 0 || isnan(span))
		return NAN;
	return span > 0 ? q * (1 - q) / ((double)n * density * density) : 0;
}

static int put_latencies(struct measure *out, const struct model_endpoint *e,
			 uint32_t s)
{
	double wide = e->p99_ms - e->p50_ms, half = e->p95_ms - e->p50_ms;
	double first = e->ttfb_p95_ms - e->ttfb_p50_ms;
	int rc = 0;

	/* As in budgets: fewer requests than these have no such quantile. */
	if (e->count >= 2) {
		rc = put(out, METRIC_P50, s, e->p50_ms,
			 quantile_variance(0.5, e->count, half, 0.45));
		if (rc == 0)
			rc = put(out, METRIC_TTFB_P50, s, e->ttfb_p50_ms,
				 quantile_variance(0.5, e->count, first, 0.45));
	}
	if (rc == 0 && e->count >= 20) {
		rc = put(out, METRIC_P95, s, e->p95_ms,
			 quantile_variance(0.95, e->count, wide, 0.49));
		if (rc == 0)
			rc = put(out, METRIC_TTFB_P95, s, e->ttfb_p95_ms,
				 quantile_variance(0.95, e->count, first,
						   0.45));
	}
	if (rc == 0 && e->count >= 100)
		rc = put(out, METRIC_P99, s, e->p99_ms,
			 quantile_variance(0.99, e->count,
					   e->p99_ms - e->p95_ms, 0.04));
	return rc;
}

static int put_endpoint(struct measure *out, const struct model *m,
			const struct model_endpoint *e)
{
	double n = (double)e->count, p = n > 0 ? (double)e->errors / n : NAN;
	uint64_t key = KEY_BASIS;
	struct traffic_span span;
	char *name;
	int s, rc;

	if (asprintf(&name, "%s %s", e->method, e->route) < 0)
		return -ENOMEM;
	for (const char *at = name; *at; at++)
		key = hash_mix(key ^ (unsigned char)*at);
	s = subject_new(out, key, name);
	free(name);
	if (s < 0)
		return s;
	rc = put_latencies(out, e, (uint32_t)s);
	if (rc == 0)
		rc = put(out, METRIC_ERRORS, (uint32_t)s, p, p * (1 - p) / n);
	if (rc < 0 || e->count < TRAFFIC_FEW)
		return rc;
	if (traffic_span(m, e, &span))
		rc = put(out, METRIC_THROUGHPUT, (uint32_t)s,
			 n / (span.last - span.first), 0);
	if (rc == 0)
		rc = put(out, METRIC_REQUEST_ALLOCATED, (uint32_t)s,
			 e->alloc_bytes_per_request, traffic_variance(m, e));
	if (rc == 0)
		rc = put(out, METRIC_REQUEST_RETAINED, (uint32_t)s,
			 e->retained_bytes_per_request,
			 e->retained_margin * e->retained_margin / MARGIN /
				 MARGIN);
	return rc;
}

/* Sites of one fingerprint, summed. */
struct site_sum {
	uint64_t key;
	uint32_t node;
	struct estimate live, allocated;
};

typedef VEC(struct site_sum) site_sums;

static void add_share(struct estimate *to, const struct estimate *from,
		      double share)
{
	to->bytes += from->bytes * share;
	to->bytes_variance += from->bytes_variance * share;
}

static int sum_sites(site_sums *sums, const struct model *m,
		     const struct traffic_span *span, const uint64_t *prints)
{
	struct hash *index = hash_new();
	int rc = index ? 0 : -ENOMEM;

	for (uint32_t i = 0; rc == 0 && i < m->site_count; i++) {
		const struct model_site *site = &m->sites[i];
		uint32_t node = model_blamed(m, site->node);
		uint64_t key = prints[node], *at = hash_find(index, key);
		struct site_sum *sum;

		if (at) {
			sum = &sums->at[*at];
		} else {
			sum = vec_push(sums);
			rc = sum ? hash_set(index, key, sums->count - 1)
				 : -ENOMEM;
			if (rc < 0)
				break;
			sum->key = key;
			sum->node = node;
		}
		add_share(&sum->live, &site->live, 1);
		add_share(&sum->allocated, &site->allocated,
			  site_share_within(m, site, span));
	}
	hash_free(index);
	return rc;
}

static int put_site(struct measure *out, const struct model *m,
		    const struct site_sum *sum)
{
	const struct model_frame *f = &m->frames[m->nodes[sum->node].frame];
	int s = subject_new(out, sum->key, f->function);
	struct subject *subject;
	int rc;

	if (s < 0)
		return s;
	subject = &out->subjects.at[s];
	subject->line = f->line;
	subject->module = strdup(f->module);
	if (f->file)
		subject->file = strdup(f->file);
	if (!subject->module || (f->file && !subject->file))
		return -ENOMEM;
	rc = put(out, METRIC_SITE_ALLOCATED, (uint32_t)s, sum->allocated.bytes,
		 sum->allocated.bytes_variance);
	if (rc == 0)
		rc = put(out, METRIC_SITE_LIVE, (uint32_t)s, sum->live.bytes,
			 sum->live.bytes_variance);
	return rc;
}

static int put_sites(struct measure *out, const struct model *m,
		     const struct traffic_span *span)
{
	uint64_t *prints = fingerprints_of(m);
	site_sums sums = VEC_INIT;
	int rc = prints ? sum_sites(&sums, m, span, prints) : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < sums.count; i++)
		rc = put_site(out, m, &sums.at[i]);
	vec_free(&sums);
	free(prints);
	return rc;
}

static int put_head(struct measure *out, const struct model *m)
{
	const char *allocator =
		m->main_process < m->process_count
			? m->processes[m->main_process].allocator
			: NULL;

	out->path = strdup(m->path);
	out->program = program_of(m);
	out->allocator = strdup(allocator ? allocator : "");
	out->start_unix_ns = m->start_unix_ns;
	out->requests = (double)m->requests;
	out->seconds = m->duration;
	out->sample_bytes = m->mean_bytes;
	out->torn = m->torn;
	return out->path && out->program && out->allocator ? 0 : -ENOMEM;
}

int measure_of(struct measure **out, const struct model *m, struct err *err)
{
	struct measure *made = calloc(1, sizeof(*made));
	struct traffic_span span = { -INFINITY, INFINITY };
	int rc = made ? put_head(made, m) : -ENOMEM;

	if (m->requests > 0)
		traffic_span(m, NULL, &span);
	if (rc == 0)
		rc = put_server(made, m, &span);
	for (uint32_t i = 0; rc == 0 && i < m->endpoint_count; i++)
		rc = put_endpoint(made, m, &m->endpoints[i]);
	if (rc == 0)
		rc = put_sites(made, m, &span);
	*out = made;
	if (rc < 0) {
		measure_free(made);
		*out = NULL;
		return err_set(err, rc, "out of memory");
	}
	return 0;
}

void measure_free(struct measure *m)
{
	struct subject *s;

	if (!m)
		return;
	vec_foreach (&m->subjects, s) {
		free(s->name);
		free(s->file);
		free(s->module);
	}
	vec_free(&m->subjects);
	vec_free(&m->metrics);
	free(m->path);
	free(m->program);
	free(m->allocator);
	free(m);
}
