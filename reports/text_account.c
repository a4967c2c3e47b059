/*
 * text_account: what the server did, what was lost of it, and what watching
 * it cost.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/ledger.h"
#include "reports/text.h"

/* text_labelled() of what was put together; frees it. */
static void put_line(const struct layout *l, const char *label,
		     enum layout_style style, struct buf *text)
{
	if (text->failed)
		l->out->failed = true;
	else if (text->len > 0)
		text_labelled(l, label, style, text->bytes);
	buf_free(text);
}

static void add_count(struct buf *text, double count, const char *what)
{
	char figure[UNITS_TEXT_MAX];

	units_format_count(figure, count > 0 ? (uint64_t)(count + 0.5) : 0);
	buf_printf(text, "%s %s", figure, what);
}

static void put_allocations(const struct layout *l, const struct model *m)
{
	const struct model_totals *t = &m->totals;
	char size[UNITS_TEXT_MAX];
	struct buf text = BUF_INIT;

	if (t->allocated.bytes > 0) {
		buf_printf(&text, "%s in ",
			   units_format_bytes(size, t->allocated.bytes));
		add_count(&text, t->allocated.count, "blocks");
		if (m->duration > 0) {
			buf_printf(&text, " (%s and ",
				   units_format_bytes(size,
						      t->allocated.bytes /
							      m->duration));
			add_count(&text, t->allocated.count / m->duration,
				  "blocks a second)");
		}
		/* Samples cannot see it. */
		if (t->temporary.bytes > 0 || !(m->mean_bytes > 0))
			buf_printf(&text,
				   "; %.0f%% of the bytes were temporary",
				   t->temporary.bytes / t->allocated.bytes *
					   100);
	}
	put_line(l, "allocated", LAYOUT_PLAIN, &text);
}

static void put_work(const struct layout *l, const struct model *m)
{
	const struct model_ledger_point *p =
		ledger_last(m, ledger_column("cpu_user_ns"));
	char user[UNITS_TEXT_MAX], system[UNITS_TEXT_MAX];
	struct buf text = BUF_INIT;

	if (p && p->cpu_system_ns != LEDGER_UNREAD)
		buf_printf(&text, "%s user, %s system",
			   units_format_duration(user, (double)p->cpu_user_ns),
			   units_format_duration(system,
						 (double)p->cpu_system_ns));
	p = ledger_last(m, ledger_column("minor_faults"));
	if (p && p->major_faults != LEDGER_UNREAD) {
		buf_puts(&text, text.len > 0 ? "; " : "");
		add_count(&text, (double)p->minor_faults, "page faults, ");
		add_count(&text, (double)p->major_faults, "from disk");
	}
	put_line(l, "CPU", LAYOUT_PLAIN, &text);
}

void text_traffic(const struct layout *l, const struct model *m)
{
	put_allocations(l, m);
	put_work(l, m);
}

static void format_end(char out[UNITS_TEXT_MAX], const struct model_process *p)
{
	int status = p->wait_status;

	if (p->ended < 0)
		snprintf(out, UNITS_TEXT_MAX, "runs");
	else if (status < 0)
		snprintf(out, UNITS_TEXT_MAX, "ended");
	else if (WIFSIGNALED(status))
		snprintf(out, UNITS_TEXT_MAX, "signal %d", WTERMSIG(status));
	else
		snprintf(out, UNITS_TEXT_MAX, "exit %d", WEXITSTATUS(status));
}

/* The largest RSS of @pid that the ledger saw. */
static uint64_t peak_rss(const struct model *m, int32_t pid)
{
	uint64_t peak = 0;

	for (uint32_t i = 0; i < m->ledger_count; i++) {
		const struct model_ledger_point *p = &m->ledger[i];

		if (p->pid == pid && p->rss != LEDGER_UNREAD && p->rss > peak)
			peak = p->rss;
	}
	return peak;
}

#define STATE_WIDTH  10u
#define PEAK_WIDTH   11u
#define COUNT_WIDTH  15u
#define MALLOC_WIDTH 10u

#define MAX_PROCESSES 10u
#define MAX_PROBLEMS  5u

static void put_process(const struct layout *l, const struct model *m,
			const struct model_process *p)
{
	uint64_t peak = peak_rss(m, p->pid);
	char text[UNITS_TEXT_MAX];

	snprintf(text, sizeof(text), "%c%d", p->is_main ? '>' : ' ', p->pid);
	layout_put(l, text, TEXT_LABEL_WIDTH, LAYOUT_LEFT);
	format_end(text, p);
	layout_put(l, text, STATE_WIDTH, LAYOUT_LEFT);
	layout_put(l, peak ? units_format_bytes(text, (double)peak) : "-",
		   PEAK_WIDTH, LAYOUT_RIGHT);
	layout_put(l, units_format_count(text, p->allocations), COUNT_WIDTH,
		   LAYOUT_RIGHT);
	layout_fill(l, 2);
	layout_put(l, p->allocator ? p->allocator : "?", MALLOC_WIDTH,
		   LAYOUT_LEFT);
	layout_put(l, p->command,
		   l->columns - TEXT_LABEL_WIDTH - STATE_WIDTH - PEAK_WIDTH -
			   COUNT_WIDTH - 2 - MALLOC_WIDTH,
		   LAYOUT_LAST);
	buf_putc(l->out, '\n');
}

static void put_process_heads(const struct layout *l, const struct model *m)
{
	layout_style(l, LAYOUT_TITLE);
	layout_put(l, "PROCESSES", TEXT_LABEL_WIDTH, LAYOUT_LEFT);
	layout_style(l, LAYOUT_PLAIN);
	layout_style(l, LAYOUT_FAINT);
	layout_put(l, "state", STATE_WIDTH, LAYOUT_LEFT);
	layout_put(l, "RSS peak", PEAK_WIDTH, LAYOUT_RIGHT);
	layout_put(l, m->mean_bytes > 0 ? "samples" : "allocations",
		   COUNT_WIDTH, LAYOUT_RIGHT);
	layout_fill(l, 2);
	layout_put(l, "malloc", MALLOC_WIDTH, LAYOUT_LEFT);
	buf_puts(l->out, "command");
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
}

/* How many allocations the MAX_PROCESSES-th busiest process made. */
static uint64_t busy_enough(const struct model *m)
{
	uint64_t busiest[MAX_PROCESSES] = { 0 }; /* in descending order */

	for (uint32_t i = 0; i < m->process_count; i++) {
		uint64_t count = m->processes[i].allocations;

		for (size_t k = 0; k < MAX_PROCESSES; k++) {
			uint64_t lower = busiest[k];

			if (count <= lower)
				continue;
			busiest[k] = count;
			count = lower;
		}
	}
	return busiest[MAX_PROCESSES - 1];
}

/* A build or a CGI server starts thousands: the busiest are shown. */
void text_processes(const struct layout *l, const struct model *m)
{
	uint64_t enough = busy_enough(m);
	uint32_t shown = 0;

	if (m->process_count < 2)
		return;
	buf_putc(l->out, '\n');
	put_process_heads(l, m);
	for (uint32_t i = 0; i < m->process_count; i++) {
		const struct model_process *p = &m->processes[i];

		if (!p->is_main &&
		    (p->allocations < enough || shown > MAX_PROCESSES))
			continue;
		put_process(l, m, p);
		shown++;
	}
	if (shown < m->process_count)
		buf_printf(l->out, " … and %u that allocated less\n",
			   m->process_count - shown);
	buf_putc(l->out, '\n');
}

/* Every counter is named, so that a zero is a statement and not a silence. */
void text_losses(const struct layout *l, const struct model *m)
{
	struct buf some = BUF_INIT, none = BUF_INIT;
	bool lost;

	for (uint32_t i = 0; i < m->loss_count; i++) {
		const struct model_loss *loss = &m->losses[i];
		char figure[UNITS_TEXT_MAX];

		if (loss->count > 0)
			buf_printf(&some, "%s%s %s", some.len > 0 ? ", " : "",
				   loss->reason,
				   units_format_count(figure, loss->count));
		else
			buf_printf(&none, "%s%s", none.len > 0 ? ", " : "",
				   loss->reason);
	}
	lost = some.len > 0;
	if (none.len > 0) {
		buf_puts(&some, lost ? "; none by " : "none: ");
		buf_write(&some, none.bytes, none.len);
		buf_puts(&some, lost ? "" : " are all 0");
	}
	if (none.failed)
		some.failed = true;
	put_line(l, "lost", lost ? LAYOUT_ALARM : LAYOUT_PLAIN, &some);
	buf_free(&none);
}

void text_problems(const struct layout *l, const struct model *m)
{
	char more[64];

	for (uint32_t i = 0; i < m->note_count; i++)
		text_labelled(l, i == 0 ? "notes" : "", LAYOUT_PLAIN,
			      m->notes[i]);
	for (uint32_t i = 0; i < m->problem_count && i < MAX_PROBLEMS; i++)
		text_labelled(l, i == 0 ? "problems" : "", LAYOUT_PLAIN,
			      m->problems[i]);
	if (m->problem_count <= MAX_PROBLEMS)
		return;
	snprintf(more, sizeof(more), "… and %u more, in the JSON report",
		 m->problem_count - MAX_PROBLEMS);
	text_labelled(l, "", LAYOUT_FAINT, more);
}

void text_cost(const struct layout *l, const struct model *m)
{
	const struct model_cost *c = &m->cost;
	char size[UNITS_TEXT_MAX];
	struct buf text = BUF_INIT;

	buf_printf(&text, "%s in the server",
		   units_format_bytes(size, c->self_bytes_peak));
	if (c->target_cpu_pct >= 0)
		buf_printf(&text, ", %.1f%% of a core", c->target_cpu_pct);
	buf_printf(&text, ", %s at its start",
		   units_format_duration(size, c->startup_ms * 1e6));
	if (c->pause_ms > 0)
		buf_printf(&text, ", one thread still for %s",
			   units_format_duration(size, c->pause_ms * 1e6));
	if (c->still_ms > 0)
		buf_printf(&text, ", all for %s",
			   units_format_duration(size, c->still_ms * 1e6));
	if (c->profiler_rss_bytes > 0) /* else nobody watched from beside */
		buf_printf(&text, "; %s and %.1f%% of a core beside it",
			   units_format_bytes(size, c->profiler_rss_bytes),
			   c->profiler_cpu_pct);
	if (c->syscall_ns > 0)
		buf_printf(&text, "; %.0f ns on every system call of the host",
			   c->syscall_ns);
	buf_printf(&text, "; %s on disk",
		   units_format_bytes(size, c->recording_bytes));
	put_line(l, "cost", LAYOUT_PLAIN, &text);
}
