/*
 * serve_state: see serve_state.h.
 */
#include "profiler/cmd/serve_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "profiler/analysis/leaks.h"
#include "profiler/analysis/verdict.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/cmd/find.h"
#include "profiler/cmd/push.h"
#include "profiler/cmd/recording.h"
#include "profiler/cmd/serve_door.h"
#include "profiler/cmd/ticker.h"
#include "profiler/model/build.h"
#include "reports/metrics.h"
#include "reports/openmetrics.h"
#include "reports/report.h"

#define NS_PER_SECOND 1000000000ULL
#define IDLE_SHARE    9 /* so many times as long as reading takes */

struct target {
	char dir[PATH_MAX];
	struct model *m; /* as read last; NULL: never */
	struct verdict *verdict;
	bool ended;	/* and read since: it will not change any more */
	bool fresh;	/* read this time */
	struct err why; /* it could not be read this time; code 0: it was */
};

struct state {
	struct state_options opt;
	VEC(struct target) targets;
	struct ticker *ticker; /* the rest is its thread's, once it runs */
	bool lowered;
	uint64_t took_ns, done_ns; /* of the last reading */
	uint64_t readings;
	uint64_t pushed_ns; /* since 1970; 0: never */
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Names are kept for the next reading, where we may write. */
static int load(struct model **m, const char *dir, struct err *err)
{
	return access(dir, W_OK) == 0 ? model_load_naming(m, dir, err)
				      : model_load(m, dir, err);
}

static int read_target(struct target *t)
{
	bool ended = recording_ended(t->dir);
	struct verdict *verdict = NULL;
	struct model *m;
	int rc;

	t->why = (struct err)ERR_INIT;
	rc = load(&m, t->dir, &t->why);
	if (rc == 0)
		rc = verdict_of(&verdict, m, &t->why);
	if (rc == 0 && leaks_mark(m, verdict) < 0)
		rc = err_set(&t->why, -ENOMEM, "out of memory");
	if (rc < 0) {
		verdict_free(verdict);
		model_free(m);
		return rc;
	}
	verdict_free(t->verdict);
	model_free(t->m);
	t->m = m;
	t->verdict = verdict;
	t->ended = ended;
	return 0;
}

static void put_target(const struct state *s, struct metrics *x,
		       const struct target *t)
{
	struct report_options opt = { .top = s->opt.top };

	metrics_common(x, s->targets.count > 1 ? "recording" : NULL, t->dir);
	metrics_family(x, METRICS_GAUGE, "strandline_up",
		       "1 while the recording grows and can be read.");
	metrics_value(x, !t->ended && t->why.code == 0);
	if (!t->m)
		return;
	opt.kind = report_default_kind(t->m);
	opt.verdict = t->verdict;
	if (openmetrics_model(x, t->m, &opt) < 0)
		x->out->failed = true;
}

static double cpu_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static double resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* What serving costs, and how it goes. */
static void put_own(const struct state *s, struct metrics *x)
{
	struct door_counts c;

	door_count(s->opt.door, &c);
	metrics_common(x, NULL, NULL);
	metrics_family(x, METRICS_COUNTER, "strandline_serve_cpu_seconds",
		       "CPU time that serving took.");
	metrics_value(x, cpu_seconds());
	metrics_family(x, METRICS_GAUGE, "strandline_serve_memory_bytes",
		       "Resident memory of the process that serves this.");
	metrics_value(x, resident_bytes());
	metrics_family(x, METRICS_GAUGE, "strandline_serve_read_seconds",
		       "How long the last reading of the recordings took.");
	metrics_value(x, (double)s->took_ns / 1e9);
	metrics_family(x, METRICS_GAUGE, "strandline_serve_read_time_seconds",
		       "When that was, since 1970.");
	metrics_value(x, (double)now_ns(CLOCK_REALTIME) / 1e9);
	metrics_family(x, METRICS_COUNTER, "strandline_serve_readings",
		       "How often the recordings were read.");
	metrics_value(x, (double)s->readings);
	metrics_family(x, METRICS_COUNTER, "strandline_serve_answers",
		       "Requests that were answered here, by outcome.");
	metrics_label(x, "outcome", "answered");
	metrics_value(x, (double)c.answers);
	metrics_label(x, "outcome", "refused");
	metrics_value(x, (double)c.refusals);
	metrics_family(x, METRICS_COUNTER, "strandline_serve_cut_off",
		       "Connections that completed no request in time.");
	metrics_value(x, (double)c.cut_off);
	metrics_family(x, METRICS_GAUGE, "strandline_serve_connections",
		       "Connections that are open.");
	metrics_value(x, (double)c.connections);
}

static void put_push(struct push *push, struct metrics *x)
{
	struct push_counts c;

	push_count(push, &c);
	metrics_family(x, METRICS_COUNTER, "strandline_push_profiles",
		       "Profiles that were to be pushed to the store, by what "
		       "became of them.");
	metrics_label(x, "outcome", "sent");
	metrics_value(x, (double)c.sent);
	metrics_label(x, "outcome", "dropped");
	metrics_value(x, (double)c.dropped);
	metrics_label(x, "outcome", "refused");
	metrics_value(x, (double)c.refused);
	metrics_family(x, METRICS_COUNTER, "strandline_push_retries",
		       "Failures of the store after which it is tried again.");
	metrics_value(x, (double)c.retries);
	metrics_family(x, METRICS_GAUGE, "strandline_push_queued",
		       "Profiles that wait for the store.");
	metrics_value(x, (double)c.queued);
}

static int write_text(const struct state *s, enum metrics_dialect dialect,
		      struct buf *out)
{
	const struct target *t;
	struct metrics x;

	if (metrics_init(&x, out, dialect) == 0) {
		vec_foreach (&s->targets, t)
			put_target(s, &x, t);
		put_own(s, &x);
		if (s->opt.push)
			put_push(s->opt.push, &x);
	}
	return metrics_fini(&x);
}

static int show(const struct state *s)
{
	struct buf texts[2] = { BUF_INIT, BUF_INIT };
	const char *trouble = NULL;
	const struct target *t;
	int rc = 0;

	vec_foreach (&s->targets, t)
		if (t->why.code && !trouble)
			trouble = t->why.text;
	for (int d = 0; d < 2 && rc == 0; d++)
		rc = write_text(s, (enum metrics_dialect)d, &texts[d]);
	if (rc == 0)
		rc = door_show(s->opt.door, texts, trouble);
	buf_free(&texts[0]);
	buf_free(&texts[1]);
	return rc;
}

/* "rag_c" of "/srv/rag_c". */
static const char *program_of(const struct model *m)
{
	const char *exe = m->main_process < m->process_count
				  ? m->processes[m->main_process].exe
				  : NULL;
	const char *slash = exe ? strrchr(exe, '/') : NULL;

	return slash && slash[1] ? slash + 1 : m->name;
}

static void push_target(const struct state *s, const struct target *t,
			uint64_t now)
{
	const struct report_options opt = { .kind = MODEL_LIVE };
	uint64_t from = s->pushed_ns ? s->pushed_ns : t->m->start_unix_ns;
	struct buf profile = BUF_INIT;

	if (report_format_find("pprof")->write(t->m, &opt, &profile) < 0)
		profile.failed = true; /* counted with what is lost */
	push_add(s->opt.push, &profile,
		 s->opt.push_name ? s->opt.push_name : program_of(t->m), from,
		 now);
}

/* What grows; an ended one a last time. */
static void push_due(struct state *s, bool last)
{
	uint64_t now = now_ns(CLOCK_REALTIME);
	const struct target *t;

	if (!s->opt.push ||
	    (!last && now - s->pushed_ns < s->opt.push_every_ns))
		return;
	vec_foreach (&s->targets, t)
		if (t->m && t->why.code == 0 && t->fresh)
			push_target(s, t, now);
	s->pushed_ns = now;
}

static int read_all(struct state *s)
{
	uint64_t began = now_ns(CLOCK_MONOTONIC);
	bool last = false;
	struct target *t;

	vec_foreach (&s->targets, t) {
		t->fresh = !t->ended;
		if (t->fresh)
			(void)read_target(t); /* told by /healthz */
		last |= t->fresh && t->ended;
	}
	push_due(s, last);
	s->done_ns = now_ns(CLOCK_MONOTONIC);
	s->took_ns = s->done_ns - began;
	s->readings++;
	return show(s);
}

/* Only of this thread: a nice value is per thread on Linux. */
static void lower_priority(struct state *s)
{
	if (!s->lowered)
		setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
	s->lowered = true;
}

static void tick(void *ctx)
{
	struct state *s = ctx;

	lower_priority(s);
	if (now_ns(CLOCK_MONOTONIC) - s->done_ns >= IDLE_SHARE * s->took_ns)
		(void)read_all(s); /* else the old text stays */
}

static int find_targets(struct state *s, struct err *err)
{
	for (size_t i = 0; i < s->opt.count; i++) {
		struct target *t = vec_push(&s->targets);
		int rc;

		if (!t)
			return err_set(err, -ENOMEM, "out of memory");
		rc = find_recording(s->opt.words[i], t->dir, err);
		if (rc < 0)
			return rc;
		for (size_t k = 0; k < i; k++)
			if (strcmp(s->targets.at[k].dir, t->dir) == 0)
				return err_set(err, -EINVAL,
					       "%s and %s are one recording, "
					       "%s",
					       s->opt.words[k], s->opt.words[i],
					       t->dir);
	}
	return 0;
}

int state_start(struct state **out, const struct state_options *opt,
		struct err *err)
{
	struct state *s = calloc(1, sizeof(*s));
	struct target *t;
	int rc;

	*out = NULL;
	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->opt = *opt;
	rc = find_targets(s, err);
	if (rc == 0 && read_all(s) < 0)
		rc = err_set(err, -ENOMEM, "out of memory");
	vec_foreach (&s->targets, t) {
		if (rc == 0 && t->why.code) {
			*err = t->why;
			rc = t->why.code;
		}
	}
	if (rc == 0 && ticker_start(&s->ticker, opt->interval_ns, tick, s) < 0)
		rc = err_set(err, -EAGAIN, "cannot start a thread");
	if (rc < 0) {
		state_stop(s);
		return rc;
	}
	*out = s;
	return 0;
}

void state_stop(struct state *s)
{
	struct target *t;

	if (!s)
		return;
	ticker_stop(s->ticker);
	vec_foreach (&s->targets, t) {
		verdict_free(t->verdict);
		model_free(t->m);
	}
	vec_free(&s->targets);
	free(s);
}
