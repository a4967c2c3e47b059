/*
 * JSON: everything the model holds, by reports/schema.json.  Sizes in bytes,
 * times as their keys say, stacks root first, null where nothing is known.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profiler/base/buf.h"
#include "profiler/base/vec.h"
#include "reports/emit.h"
#include "reports/formats.h"
#include "reports/ledger.h"
#include "reports/names.h"
#include "reports/sites.h"

static void put_text(struct emit *e, const char *key, const char *text)
{
	emit_key(e, key);
	emit_text(e, text);
}

static void put_real(struct emit *e, const char *key, double value,
		     unsigned digits)
{
	emit_key(e, key);
	emit_real(e, value, digits);
}

static void put_unsigned(struct emit *e, const char *key, uint64_t value)
{
	emit_key(e, key);
	emit_unsigned(e, value);
}

static void begin_section(struct emit *e, const char *key, char bracket)
{
	emit_line(e);
	emit_key(e, key);
	emit_open(e, bracket);
}

/* A value with its 95 % interval; in exact mode all three are equal. */
static void put_interval(struct emit *e, const char *key, double value,
			 double variance)
{
	double margin = sites_margin(variance);

	emit_key(e, key);
	emit_open(e, '{');
	put_real(e, "value", value, 0);
	put_real(e, "low", fmax(0, value - margin), 0);
	put_real(e, "high", value + margin, 0);
	emit_close(e, '}');
}

static void put_estimate(struct emit *e, const char *key,
			 const struct estimate *x)
{
	emit_key(e, key);
	emit_open(e, '{');
	put_interval(e, "bytes", x->bytes, x->bytes_variance);
	put_interval(e, "count", x->count, x->count_variance);
	emit_close(e, '}');
}

static void put_recording(struct emit *e, const struct model *m)
{
	time_t seconds = (time_t)(m->start_unix_ns / 1000000000u);
	char started[32] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", &tm);
	begin_section(e, "recording", '{');
	put_text(e, "name", m->name);
	put_text(e, "path", m->path);
	put_text(e, "command", m->command);
	put_text(e, "host", m->host);
	put_text(e, "kernel", m->kernel);
	put_text(e, "version", m->version);
	put_text(e, "mode", m->mode);
	put_real(e, "mean_bytes", m->mean_bytes, 0);
	put_text(e, "started", started);
	put_unsigned(e, "start_unix_ns", m->start_unix_ns);
	put_real(e, "duration_s", m->duration, 6);
	emit_key(e, "torn");
	emit_bool(e, m->torn);
	emit_close(e, '}');
}

static void put_totals(struct emit *e, const struct model *m)
{
	const struct model_totals *t = &m->totals;

	begin_section(e, "totals", '{');
	put_estimate(e, "live", &t->live);
	put_estimate(e, "allocated", &t->allocated);
	put_estimate(e, "peak", &t->peak);
	put_estimate(e, "temporary", &t->temporary);
	put_real(e, "peak_t", t->peak_t, 6);
	put_unsigned(e, "records", t->records);
	put_unsigned(e, "allocations", t->allocations);
	put_unsigned(e, "releases", t->releases);
	put_unsigned(e, "inherited_releases", t->inherited_releases);
	put_unsigned(e, "sites", m->site_count);
	emit_close(e, '}');
}

static void put_trend(struct emit *e, const char *key,
		      const struct model_trend *t)
{
	emit_key(e, key);
	emit_open(e, '{');
	put_real(e, "baseline", t->baseline, 0);
	put_real(e, "peak", t->peak, 0);
	put_real(e, "peak_t", t->peak_t, 6);
	put_real(e, "final", t->final, 0);
	put_real(e, "growth_per_second", t->growth_per_second, 6);
	put_real(e, "volatility", t->volatility, 3);
	emit_close(e, '}');
}

static void put_trends(struct emit *e, const struct model *m)
{
	begin_section(e, "trends", '{');
	put_trend(e, "rss", &m->rss_trend);
	put_trend(e, "live", &m->live_trend);
	put_trend(e, "threads", &m->thread_trend);
	put_trend(e, "fds", &m->fd_trend);
	emit_close(e, '}');
}

static void put_ledger(struct emit *e, const struct model *m)
{
	begin_section(e, "ledger", '[');
	for (uint32_t i = 0; i < m->ledger_count; i++) {
		const struct model_ledger_point *p = &m->ledger[i];

		emit_line(e);
		emit_open(e, '{');
		put_real(e, "t", p->t, 6);
		emit_key(e, "pid");
		emit_integer(e, p->pid);
		for (size_t c = 0; c < ledger_column_count; c++) {
			uint64_t value = ledger_value(p, &ledger_columns[c]);

			emit_key(e, ledger_columns[c].name);
			if (value == LEDGER_UNREAD)
				emit_null(e);
			else
				emit_unsigned(e, value);
		}
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

static void put_windows(struct emit *e, const struct model *m)
{
	begin_section(e, "windows", '[');
	for (uint32_t i = 0; i < m->window_count; i++) {
		const struct model_window *w = &m->windows[i];

		emit_line(e);
		emit_open(e, '{');
		put_real(e, "t", w->t, 6);
		put_real(e, "live_bytes", w->live_bytes, 0);
		put_real(e, "allocated_bytes", w->allocated_bytes, 0);
		put_real(e, "released_bytes", w->released_bytes, 0);
		put_real(e, "allocations", w->allocations, 0);
		put_real(e, "releases", w->releases, 0);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

/* "ended" is null while it ran, as is the status of one nobody waited for. */
static void put_processes(struct emit *e, const struct model *m)
{
	begin_section(e, "processes", '[');
	for (uint32_t i = 0; i < m->process_count; i++) {
		const struct model_process *p = &m->processes[i];

		emit_line(e);
		emit_open(e, '{');
		emit_key(e, "pid");
		emit_integer(e, p->pid);
		emit_key(e, "ppid");
		emit_integer(e, p->ppid);
		put_unsigned(e, "image", p->image);
		emit_key(e, "main");
		emit_bool(e, p->is_main);
		put_text(e, "exe", p->exe);
		put_text(e, "command", p->command);
		put_text(e, "allocator", p->allocator);
		put_real(e, "began", p->began, 6);
		put_real(e, "ended", p->ended < 0 ? NAN : p->ended, 6);
		emit_key(e, "wait_status");
		if (p->wait_status < 0)
			emit_null(e);
		else
			emit_integer(e, p->wait_status);
		put_unsigned(e, "allocations", p->allocations);
		put_unsigned(e, "releases", p->releases);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

static void put_threads(struct emit *e, const struct model *m)
{
	begin_section(e, "threads", '[');
	for (uint32_t i = 0; i < m->thread_count; i++) {
		const struct model_thread *t = &m->threads[i];

		emit_line(e);
		emit_open(e, '{');
		emit_key(e, "pid");
		emit_integer(e, t->pid);
		emit_key(e, "tid");
		emit_integer(e, t->tid);
		put_text(e, "name", t->name);
		put_real(e, "began", t->began, 6);
		put_real(e, "ended", t->ended < 0 ? NAN : t->ended, 6);
		put_real(e, "allocated_bytes", t->allocated_bytes, 0);
		put_real(e, "allocations", t->allocations, 0);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

static void put_marks(struct emit *e, const struct model *m)
{
	begin_section(e, "marks", '[');
	for (uint32_t i = 0; i < m->mark_count; i++) {
		emit_line(e);
		emit_open(e, '{');
		put_real(e, "t", m->marks[i].t, 6);
		put_text(e, "label", m->marks[i].label);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

static void put_place(struct emit *e, const struct model_frame *f)
{
	put_text(e, "function", f->function);
	put_text(e, "file", f->file);
	emit_key(e, "line");
	if (f->line > 0)
		emit_unsigned(e, f->line);
	else
		emit_null(e);
	put_text(e, "module", f->module);
}

/*
 * The frames of all stacks are few and recur by the hundred thousand: each is
 * written once, into one buffer, and copied from there.
 */
struct frame_texts {
	struct buf text;
	size_t *ends; /* frame i's text ends here; it begins at i - 1's */
};

static int frame_texts_init(struct frame_texts *ft, const struct model *m)
{
	*ft = (struct frame_texts) { .text = BUF_INIT };
	ft->ends = malloc((m->frame_count + 1) * sizeof(*ft->ends));
	if (!ft->ends)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->frame_count; i++) {
		const struct model_frame *f = &m->frames[i];
		struct emit e = { .out = &ft->text };

		emit_open(&e, '{');
		put_place(&e, f);
		put_text(&e, "kind", name_frame_kind(f->kind));
		if (f->inlined) {
			emit_key(&e, "inlined");
			emit_bool(&e, true);
		}
		emit_close(&e, '}');
		ft->ends[i] = ft->text.len;
	}
	return buf_status(&ft->text);
}

static void frame_texts_fini(struct frame_texts *ft)
{
	buf_free(&ft->text);
	free(ft->ends);
}

struct stack {
	VEC(uint32_t) frames; /* leaf first, as the tree is climbed */
};

static int put_stack(struct emit *e, const struct model *m,
		     const struct report_options *opt,
		     const struct frame_texts *ft, struct stack *stack,
		     uint32_t node)
{
	stack->frames.count = 0;
	for (; node != MODEL_NONE; node = m->nodes[node].parent) {
		uint32_t *frame, f = m->nodes[node].frame;

		if (report_hides(opt, &m->frames[f]))
			continue;
		frame = vec_push(&stack->frames);
		if (!frame)
			return -ENOMEM;
		*frame = f;
	}
	emit_key(e, "stack");
	emit_open(e, '[');
	for (size_t i = stack->frames.count; i-- > 0;) {
		uint32_t f = stack->frames.at[i];
		size_t start = f > 0 ? ft->ends[f - 1] : 0;

		emit_raw(e, ft->text.bytes + start, ft->ends[f] - start);
	}
	emit_close(e, ']');
	return 0;
}

static void put_site(struct emit *e, const struct model *m,
		     const struct report_options *opt,
		     const struct model_site *s)
{
	static const struct model_frame hidden = { .function = "[hidden]",
						   .module = "" };
	uint32_t blamed = sites_blamed(m, opt, s);

	put_place(e, blamed == MODEL_NONE ? &hidden : &m->frames[blamed]);
	put_estimate(e, "live", &s->live);
	put_estimate(e, "allocated", &s->allocated);
	put_estimate(e, "peak", &s->peak);
	put_estimate(e, "temporary", &s->temporary);
	put_estimate(e, "inherited_freed", &s->inherited_freed);
	put_real(e, "mapped_bytes", s->mapped, 0);
	put_unsigned(e, "samples", s->samples);
}

/* All of them unless the options ask for the top ones only. */
static int put_sites(struct emit *e, const struct model *m,
		     const struct report_options *opt)
{
	uint32_t count = m->site_count, *order = sites_ranked(m, opt->kind);
	struct stack stack = { VEC_INIT };
	struct frame_texts ft;
	int rc = frame_texts_init(&ft, m);

	if (!order)
		rc = -ENOMEM;
	if (opt->top > 0 && opt->top < count)
		count = opt->top;
	begin_section(e, "sites", '[');
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		const struct model_site *s = &m->sites[order[i]];

		emit_line(e);
		emit_open(e, '{');
		put_site(e, m, opt, s);
		rc = put_stack(e, m, opt, &ft, &stack, s->node);
		emit_close(e, '}');
	}
	emit_close(e, ']');
	vec_free(&stack.frames);
	frame_texts_fini(&ft);
	free(order);
	return rc;
}

static void put_losses(struct emit *e, const struct model *m)
{
	begin_section(e, "losses", '{');
	for (uint32_t i = 0; i < m->loss_count; i++)
		put_unsigned(e, m->losses[i].reason, m->losses[i].count);
	emit_close(e, '}');
}

static void put_cost(struct emit *e, const struct model_cost *c)
{
	begin_section(e, "cost", '{');
	put_real(e, "self_bytes_peak", c->self_bytes_peak, 0);
	put_real(e, "recording_bytes", c->recording_bytes, 0);
	put_real(e, "startup_ms", c->startup_ms, 3);
	put_real(e, "target_cpu_pct",
		 c->target_cpu_pct < 0 ? NAN : c->target_cpu_pct, 3);
	put_real(e, "profiler_cpu_pct", c->profiler_cpu_pct, 3);
	put_real(e, "profiler_rss_bytes", c->profiler_rss_bytes, 0);
	emit_close(e, '}');
}

static void put_problems(struct emit *e, const struct model *m)
{
	begin_section(e, "problems", '[');
	for (uint32_t i = 0; i < m->problem_count; i++) {
		emit_line(e);
		emit_text(e, m->problems[i]);
	}
	emit_close(e, ']');
}

/* What only the verdict and the request tracker can fill. */
static void put_judgement(struct emit *e)
{
	emit_line(e);
	emit_key(e, "verdict");
	emit_null(e);
	begin_section(e, "findings", '[');
	emit_close(e, ']');
	begin_section(e, "endpoints", '[');
	emit_close(e, ']');
}

int report_json(const struct model *m, const struct report_options *opt,
		struct buf *out)
{
	struct emit e = { .out = out };
	int rc;

	emit_open(&e, '{');
	emit_key(&e, "schema");
	emit_integer(&e, 1);
	put_recording(&e, m);
	emit_line(&e);
	put_text(&e, "kind", model_kind_name(opt->kind));
	put_judgement(&e);
	put_totals(&e, m);
	put_trends(&e, m);
	put_processes(&e, m);
	put_threads(&e, m);
	put_marks(&e, m);
	put_ledger(&e, m);
	put_windows(&e, m);
	rc = put_sites(&e, m, opt);
	put_losses(&e, m);
	put_cost(&e, &m->cost);
	put_problems(&e, m);
	emit_close(&e, '}');
	buf_putc(out, '\n');
	return rc < 0 ? rc : buf_status(out);
}
