/*
 * JSON: everything the model holds, by reports/schema.json.  Sizes in bytes,
 * times as their keys say, stacks root first, null where nothing is known.
 */
#include "reports/json.h"

#include <math.h>
#include <time.h>

#include "profiler/base/buf.h"
#include "reports/emit.h"
#include "reports/formats.h"
#include "reports/ledger.h"

void json_section(struct emit *e, const char *key, char bracket)
{
	emit_line(e);
	emit_key(e, key);
	emit_open(e, bracket);
}

static void put_known(struct emit *e, const char *key, uint64_t value)
{
	emit_key(e, key);
	if (value)
		emit_unsigned(e, value);
	else
		emit_null(e);
}

static void put_environment(struct emit *e, const struct model *m)
{
	emit_key_text(e, "system", m->system);
	emit_key_text(e, "processor", m->processor);
	put_known(e, "processors", m->processors);
	put_known(e, "memory_bytes", m->memory_bytes);
	emit_key_text(e, "python", m->python);
}

static void put_recording(struct emit *e, const struct model *m)
{
	time_t seconds = (time_t)(m->start_unix_ns / 1000000000u);
	char started[32] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_section(e, "recording", '{');
	emit_key_text(e, "name", m->name);
	emit_key_text(e, "path", m->path);
	emit_key_text(e, "command", m->command);
	emit_key_text(e, "host", m->host);
	emit_key_text(e, "kernel", m->kernel);
	put_environment(e, m);
	emit_key_text(e, "version", m->version);
	emit_key_text(e, "mode", m->mode);
	emit_key_real(e, "mean_bytes", m->mean_bytes, 0);
	emit_key_bool(e, "probed", m->probed);
	emit_key_text(e, "started", started);
	emit_key_unsigned(e, "start_unix_ns", m->start_unix_ns);
	emit_key_real(e, "duration_s", m->duration, 6);
	emit_key_bool(e, "torn", m->torn);
	emit_close(e, '}');
}

static void put_totals(struct emit *e, const struct model *m)
{
	const struct model_totals *t = &m->totals;

	json_section(e, "totals", '{');
	json_estimate(e, "live", &t->live);
	json_estimate(e, "allocated", &t->allocated);
	json_estimate(e, "peak", &t->peak);
	json_estimate(e, "temporary", &t->temporary);
	emit_key_real(e, "peak_t", t->peak_t, 6);
	emit_key_unsigned(e, "records", t->records);
	emit_key_unsigned(e, "allocations", t->allocations);
	emit_key_unsigned(e, "releases", t->releases);
	emit_key_unsigned(e, "inherited_releases", t->inherited_releases);
	emit_key_unsigned(e, "sites", m->site_count);
	emit_close(e, '}');
}

static void put_trend(struct emit *e, const char *key,
		      const struct model_trend *t)
{
	emit_key(e, key);
	emit_open(e, '{');
	emit_key_real(e, "baseline", t->baseline, 0);
	emit_key_real(e, "peak", t->peak, 0);
	emit_key_real(e, "peak_t", t->peak_t, 6);
	emit_key_real(e, "final", t->final, 0);
	emit_key_real(e, "growth_per_second", t->growth_per_second, 6);
	emit_key_real(e, "volatility", t->volatility, 3);
	emit_close(e, '}');
}

static void put_trends(struct emit *e, const struct model *m)
{
	json_section(e, "trends", '{');
	put_trend(e, "rss", &m->rss_trend);
	put_trend(e, "live", &m->live_trend);
	put_trend(e, "threads", &m->thread_trend);
	put_trend(e, "fds", &m->fd_trend);
	emit_close(e, '}');
}

static void put_ledger(struct emit *e, const struct model *m)
{
	json_section(e, "ledger", '[');
	for (uint32_t i = 0; i < m->ledger_count; i++) {
		const struct model_ledger_point *p = &m->ledger[i];

		emit_line(e);
		emit_open(e, '{');
		emit_key_real(e, "t", p->t, 6);
		emit_key_integer(e, "pid", p->pid);
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
	json_section(e, "windows", '[');
	for (uint32_t i = 0; i < m->window_count; i++) {
		const struct model_window *w = &m->windows[i];

		emit_line(e);
		emit_open(e, '{');
		emit_key_real(e, "t", w->t, 6);
		emit_key_real(e, "live_bytes", w->live_bytes, 0);
		emit_key_real(e, "allocated_bytes", w->allocated_bytes, 0);
		emit_key_real(e, "released_bytes", w->released_bytes, 0);
		emit_key_real(e, "allocations", w->allocations, 0);
		emit_key_real(e, "releases", w->releases, 0);
		emit_key_real(e, "requests", w->requests, 0);
		emit_key_real(e, "errors", w->errors, 0);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

/* "ended" is null while it ran, as is the status of one nobody waited for. */
static void put_processes(struct emit *e, const struct model *m)
{
	json_section(e, "processes", '[');
	for (uint32_t i = 0; i < m->process_count; i++) {
		const struct model_process *p = &m->processes[i];

		emit_line(e);
		emit_open(e, '{');
		emit_key_integer(e, "pid", p->pid);
		emit_key_integer(e, "ppid", p->ppid);
		emit_key_unsigned(e, "image", p->image);
		emit_key_bool(e, "main", p->is_main);
		emit_key_text(e, "exe", p->exe);
		emit_key_text(e, "command", p->command);
		emit_key_text(e, "allocator", p->allocator);
		emit_key_real(e, "began", p->began, 6);
		emit_key_real(e, "ended", p->ended < 0 ? NAN : p->ended, 6);
		emit_key(e, "wait_status");
		if (p->wait_status < 0)
			emit_null(e);
		else
			emit_integer(e, p->wait_status);
		emit_key_unsigned(e, "allocations", p->allocations);
		emit_key_unsigned(e, "releases", p->releases);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

static void put_threads(struct emit *e, const struct model *m)
{
	json_section(e, "threads", '[');
	for (uint32_t i = 0; i < m->thread_count; i++) {
		const struct model_thread *t = &m->threads[i];

		emit_line(e);
		emit_open(e, '{');
		emit_key_integer(e, "pid", t->pid);
		emit_key_integer(e, "tid", t->tid);
		emit_key_text(e, "name", t->name);
		emit_key_real(e, "began", t->began, 6);
		emit_key_real(e, "ended", t->ended < 0 ? NAN : t->ended, 6);
		emit_key_real(e, "allocated_bytes", t->allocated_bytes, 0);
		emit_key_real(e, "allocations", t->allocations, 0);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

static void put_marks(struct emit *e, const struct model *m)
{
	json_section(e, "marks", '[');
	for (uint32_t i = 0; i < m->mark_count; i++) {
		emit_line(e);
		emit_open(e, '{');
		emit_key_real(e, "t", m->marks[i].t, 6);
		emit_key_text(e, "label", m->marks[i].label);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

static void put_losses(struct emit *e, const struct model *m)
{
	json_section(e, "losses", '{');
	for (uint32_t i = 0; i < m->loss_count; i++)
		emit_key_unsigned(e, m->losses[i].reason, m->losses[i].count);
	emit_close(e, '}');
}

static void put_cost(struct emit *e, const struct model_cost *c)
{
	json_section(e, "cost", '{');
	emit_key_real(e, "self_bytes_peak", c->self_bytes_peak, 0);
	emit_key_real(e, "recording_bytes", c->recording_bytes, 0);
	emit_key_real(e, "startup_ms", c->startup_ms, 3);
	emit_key_real(e, "target_cpu_pct",
		      c->target_cpu_pct < 0 ? NAN : c->target_cpu_pct, 3);
	emit_key_real(e, "profiler_cpu_pct", c->profiler_cpu_pct, 3);
	emit_key_real(e, "profiler_rss_bytes", c->profiler_rss_bytes, 0);
	if (c->pause_ms > 0)
		emit_key_real(e, "pause_ms", c->pause_ms, 3);
	if (c->still_ms > 0)
		emit_key_real(e, "still_ms", c->still_ms, 3);
	if (c->syscall_ns > 0)
		emit_key_real(e, "syscall_ns", c->syscall_ns, 1);
	emit_close(e, '}');
}

static void put_sentences(struct emit *e, const char *key,
			  const char *const *texts, uint32_t count)
{
	json_section(e, key, '[');
	for (uint32_t i = 0; i < count; i++) {
		emit_line(e);
		emit_text(e, texts[i]);
	}
	emit_close(e, ']');
}

int json_before_sites(struct emit *e, const struct model *m,
		      const struct report_options *opt)
{
	int rc;

	emit_key_integer(e, "schema", 1);
	put_recording(e, m);
	emit_line(e);
	emit_key_text(e, "kind", model_kind_name(opt->kind));
	rc = json_verdict(e, m, opt);
	json_endpoints(e, m, opt->checks);
	json_slow(e, m, opt);
	if (m->slow_count && rc == 0)
		rc = json_slow_requests(e, m, opt);
	if (m->span_count || m->spans_forgotten)
		json_spans(e, m);
	if (m->handler_count)
		json_handlers(e, m);
	put_totals(e, m);
	put_trends(e, m);
	put_processes(e, m);
	put_threads(e, m);
	put_marks(e, m);
	if (m->mark_count)
		json_phases(e, m);
	put_ledger(e, m);
	put_windows(e, m);
	return rc;
}

void json_after_sites(struct emit *e, const struct model *m)
{
	json_scans(e, m);
	put_losses(e, m);
	put_cost(e, &m->cost);
	put_sentences(e, "problems", m->problems, m->problem_count);
	if (m->note_count)
		put_sentences(e, "notes", m->notes, m->note_count);
}

int report_json(const struct model *m, const struct report_options *opt,
		struct buf *out)
{
	struct emit e = { .out = out };
	int rc;

	emit_open(&e, '{');
	rc = json_before_sites(&e, m, opt);
	if (rc == 0)
		rc = json_sites(&e, m, opt);
	json_after_sites(&e, m);
	emit_close(&e, '}');
	buf_putc(out, '\n');
	return rc < 0 ? rc : buf_status(out);
}
