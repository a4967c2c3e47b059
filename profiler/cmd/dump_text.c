/*
 * dump_text: stacks for a person, innermost frame first; threads that are at
 * the same place are told once.
 */
#include <stdio.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "profiler/cmd/dump.h"
#include "reports/layout.h"
#include "reports/names.h"

#define NUMBERS_SHOWN 8 /* of threads with one stack */

static bool is_shown(const struct dump_frame *f, enum dump_view view)
{
	return view != DUMP_PYTHON || f->frame.kind == FRAME_PYTHON;
}

static bool same_frame(const struct dump_frame *a, const struct dump_frame *b)
{
	return a->address == b->address && a->frame.line == b->frame.line &&
	       strcmp(a->frame.function, b->frame.function) == 0;
}

static bool same_place(const struct dump_thread *a, const struct dump_thread *b)
{
	const char *x = a->waits ? a->waits : "", *y = b->waits ? b->waits : "";

	if (a->state != b->state || a->holder != b->holder || strcmp(x, y) ||
	    a->frames.count != b->frames.count)
		return false;
	for (size_t i = 0; i < a->frames.count; i++)
		if (!same_frame(&a->frames.at[i], &b->frames.at[i]))
			return false;
	return true;
}

static bool is_first_of_kind(const struct dump *d, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (same_place(&d->threads.at[k], &d->threads.at[i]))
			return false;
	return true;
}

/* How many threads are where that one is, and what CPU time they took. */
static size_t count_there(const struct dump *d, size_t first, double *cpu_s)
{
	size_t count = 0;

	*cpu_s = 0;
	for (size_t i = first; i < d->threads.count; i++) {
		if (!same_place(&d->threads.at[first], &d->threads.at[i]))
			continue;
		*cpu_s += d->threads.at[i].cpu_s;
		count++;
	}
	return count;
}

static const char *name_of(const struct dump_thread *t)
{
	return t->python_name ? t->python_name : t->name;
}

static void put_who(const struct dump *d, size_t first, size_t count,
		    struct buf *out)
{
	const struct dump_thread *t = &d->threads.at[first];

	if (count == 1) {
		buf_printf(out, "thread %d \"%s\"", (int)t->tid, name_of(t));
		return;
	}
	buf_printf(out, "%zu threads", count);
	count = 0;
	for (size_t i = first; i < d->threads.count; i++) {
		const struct dump_thread *other = &d->threads.at[i];

		if (!same_place(t, other))
			continue;
		if (count == NUMBERS_SHOWN) {
			buf_puts(out, ", ...");
			return;
		}
		buf_printf(out, "%s %d \"%s\"", count++ ? "," : "",
			   (int)other->tid, name_of(other));
	}
}

/* "a mutex of thread 4711 (futex)" */
static void put_waits(const struct dump_thread *t, struct buf *out)
{
	size_t what = strcspn(t->waits, "(");

	if (!t->holder || what == 0) {
		buf_puts(out, t->waits);
		return;
	}
	buf_write(out, t->waits, what);
	buf_printf(out, "of thread %d %s", (int)t->holder, t->waits + what);
}

static void put_state(const struct dump_thread *t, bool many, struct buf *out)
{
	switch (t->state) {
	case DUMP_RUNNING:
		buf_puts(out, many ? "run" : "runs");
		break;
	case DUMP_WAITING:
		buf_printf(out, "%s for ", many ? "wait" : "waits");
		put_waits(t, out);
		break;
	case DUMP_KERNEL:
		buf_printf(out, "inside the kernel, cannot be stopped%s%s",
			   t->waits ? ": " : "", t->waits ? t->waits : "");
		break;
	case DUMP_UNSEEN:
		buf_puts(out, "did not stop in time");
		break;
	}
}

static void put_frame(const struct layout *l, const struct dump_frame *f)
{
	struct buf line = BUF_INIT;
	struct model_frame shown = f->frame;
	bool python = shown.kind == FRAME_PYTHON;

	shown.module = name_base(shown.module);
	if (!python && shown.file)
		shown.file = name_base(shown.file);
	buf_puts(&line, "    ");
	name_put_function(&line, &f->frame);
	if (f->frame.file || !name_is_address(&f->frame)) {
		buf_puts(&line, " (");
		name_put_place(&line, &shown, shown.line, false);
		buf_puts(&line, ")");
	}
	if (f->signal)
		buf_puts(&line, " [interrupted by a signal]");
	if (f->guessed)
		buf_puts(&line, " [guess]");
	layout_line(l, python ? LAYOUT_ACCENT : LAYOUT_PLAIN,
		    line.bytes ? line.bytes : "");
	buf_free(&line);
}

static void put_thread(const struct dump *d, size_t i, enum dump_view view,
		       const struct layout *l)
{
	const struct dump_thread *t = &d->threads.at[i];
	char cpu[UNITS_TEXT_MAX];
	struct buf line = BUF_INIT;
	const struct dump_frame *f;
	double cpu_s;
	size_t count = count_there(d, i, &cpu_s);

	buf_putc(l->out, '\n');
	put_who(d, i, count, &line);
	buf_puts(&line, ": ");
	put_state(t, count > 1, &line);
	buf_printf(&line, "; CPU %s", units_format_duration(cpu, cpu_s * 1e9));
	layout_line(l, LAYOUT_TITLE, line.bytes ? line.bytes : "");
	vec_foreach (&t->frames, f)
		if (is_shown(f, view))
			put_frame(l, f);
	if (t->end == DUMP_TRUNCATED)
		layout_line(l, LAYOUT_FAINT, "    [truncated]");
	if (t->end == DUMP_BROKEN && t->frames.count && view != DUMP_PYTHON)
		layout_line(l, LAYOUT_FAINT, "    [broken]");
	if (t->end == DUMP_GREENLET && view != DUMP_PYTHON)
		layout_line(l, LAYOUT_FAINT, "    [greenlet]");
	buf_free(&line);
}

static bool same_task_place(const struct dump_task *a,
			    const struct dump_task *b)
{
	const char *x = a->waits ? a->waits : "", *y = b->waits ? b->waits : "";

	if (strcmp(a->state, b->state) || strcmp(x, y) ||
	    a->frames.count != b->frames.count)
		return false;
	for (size_t i = 0; i < a->frames.count; i++)
		if (!same_frame(&a->frames.at[i], &b->frames.at[i]))
			return false;
	return true;
}

/* Those from @first on that are where it is; 0: an earlier one is. */
static size_t put_task_names(const struct dump *d, size_t first,
			     struct buf *out)
{
	const struct dump_task *t = &d->tasks.at[first];
	size_t count = 0;

	for (size_t i = 0; i < first; i++)
		if (same_task_place(&d->tasks.at[i], t))
			return 0;
	for (size_t i = first; i < d->tasks.count; i++) {
		if (!same_task_place(&d->tasks.at[i], t))
			continue;
		if (count++ < NUMBERS_SHOWN)
			buf_printf(out, "%s%s", count > 1 ? ", " : "",
				   d->tasks.at[i].name);
	}
	if (count > NUMBERS_SHOWN)
		buf_puts(out, ", ...");
	return count;
}

static void put_task(const struct dump *d, size_t i, const struct layout *l)
{
	const struct dump_task *t = &d->tasks.at[i];
	struct buf names = BUF_INIT, line = BUF_INIT;
	size_t count = put_task_names(d, i, &names);
	const struct dump_frame *f;

	if (count) {
		buf_putc(l->out, '\n');
		if (count == 1)
			buf_puts(&line, "task ");
		else
			buf_printf(&line, "%zu tasks ", count);
		buf_printf(&line, "%s: %s", names.bytes, t->state);
		if (t->waits)
			buf_printf(&line, " for %s%s",
				   strchr(t->waits, ' ') ? "" : "a ", t->waits);
		layout_line(l, LAYOUT_TITLE, line.bytes ? line.bytes : "");
		vec_foreach (&t->frames, f)
			put_frame(l, f);
	}
	buf_free(&names);
	buf_free(&line);
}

static void put_head(const struct dump *d, const struct layout *l)
{
	struct buf line = BUF_INIT;
	size_t count = d->threads.count;

	buf_printf(&line, "process %d  %s", (int)d->pid,
		   d->command[0] ? d->command : d->exe);
	layout_line(l, LAYOUT_TITLE, line.bytes ? line.bytes : "");
	buf_clear(&line);
	buf_printf(&line, "%zu thread%s, stopped for %.2f ms to look%s", count,
		   count == 1 ? "" : "s", d->stopped_ms,
		   d->job_control ? "; a signal had stopped it before, and it "
				    "stays so"
				  : "");
	layout_line(l, LAYOUT_FAINT, line.bytes ? line.bytes : "");
	buf_free(&line);
}

static void put_deadlocks(const struct dump *d, const struct layout *l)
{
	struct buf line = BUF_INIT;
	const pid_t *at;

	vec_foreach (&d->deadlocks, at) {
		if (*at) {
			buf_printf(&line, "%s%d",
				   line.len ? " waits for thread "
					    : "deadlock: thread ",
				   (int)*at);
			continue;
		}
		buf_puts(&line, " waits for the first");
		layout_line(l, LAYOUT_ALARM, line.bytes ? line.bytes : "");
		buf_clear(&line);
	}
	buf_free(&line);
}

void dump_text(const struct dump *d, enum dump_view view,
	       const struct layout *l)
{
	const char *const *problem;

	put_head(d, l);
	put_deadlocks(d, l);
	for (size_t i = 0; i < d->threads.count; i++)
		if (is_first_of_kind(d, i))
			put_thread(d, i, view, l);
	for (size_t i = 0; i < d->tasks.count; i++)
		put_task(d, i, l);
	if (d->problems.count)
		buf_putc(l->out, '\n');
	vec_foreach (&d->problems, problem)
		layout_line(l, LAYOUT_FAINT, *problem);
}
