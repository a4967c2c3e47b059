/*
 * dump_json: stacks for programs, root first as in reports; see
 * reports/stacks-schema.json.
 */
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/cmd/dump.h"
#include "reports/emit.h"
#include "reports/names.h"

static const char *const state_names[] = {
	[DUMP_RUNNING] = "running",
	[DUMP_WAITING] = "waiting",
	[DUMP_KERNEL] = "kernel",
	[DUMP_UNSEEN] = "unseen",
};

static const char *const end_names[] = {
	[DUMP_ROOT] = "root",
	[DUMP_TRUNCATED] = "truncated",
	[DUMP_BROKEN] = "broken",
	[DUMP_GREENLET] = "greenlet",
};

static bool is_shown(const struct dump_frame *f, enum dump_view view)
{
	return view != DUMP_PYTHON || f->frame.kind == FRAME_PYTHON;
}

static void put_frame(struct emit *e, const struct dump_frame *f)
{
	emit_line(e);
	emit_open(e, '{');
	emit_key_text(e, "function", f->frame.function);
	emit_key_text(e, "file", f->frame.file);
	if (f->frame.line)
		emit_key_unsigned(e, "line", f->frame.line);
	emit_key_text(e, "module", f->frame.module[0] ? f->frame.module : NULL);
	emit_key_text(e, "kind", name_frame_kind(f->frame.kind));
	if (f->address) {
		emit_key_unsigned(e, "address", f->address);
		emit_key_unsigned(e, "offset", f->offset);
	}
	if (f->frame.inlined)
		emit_key_bool(e, "inlined", true);
	if (f->guessed)
		emit_key_bool(e, "guessed", true);
	if (f->signal)
		emit_key_bool(e, "interrupted_by_signal", true);
	emit_close(e, '}');
}

static void put_thread(struct emit *e, const struct dump_thread *t,
		       enum dump_view view)
{
	emit_line(e);
	emit_open(e, '{');
	emit_key_integer(e, "tid", t->tid);
	emit_key_integer(e, "own_tid", t->own_tid);
	emit_key_text(e, "name", t->name);
	if (t->python_name)
		emit_key_text(e, "python_name", t->python_name);
	emit_key_text(e, "state", state_names[t->state]);
	emit_key_text(e, "waits_for", t->waits);
	emit_key_text(e, "syscall", t->call);
	if (t->holder)
		emit_key_integer(e, "lock_holder", t->holder);
	emit_key_real(e, "cpu_seconds", t->cpu_s, 2);
	emit_key_text(e, "outer_end", end_names[t->end]);
	emit_key(e, "stack");
	emit_open(e, '[');
	for (size_t i = t->frames.count; i-- > 0;)
		if (is_shown(&t->frames.at[i], view))
			put_frame(e, &t->frames.at[i]);
	emit_close(e, ']');
	emit_close(e, '}');
}

static void put_task(struct emit *e, const struct dump_task *t)
{
	emit_line(e);
	emit_open(e, '{');
	emit_key_text(e, "name", t->name);
	emit_key_text(e, "state", t->state);
	emit_key_text(e, "waits_for", t->waits);
	emit_key(e, "stack");
	emit_open(e, '[');
	for (size_t i = t->frames.count; i-- > 0;)
		put_frame(e, &t->frames.at[i]);
	emit_close(e, ']');
	emit_close(e, '}');
}

static void put_tasks(struct emit *e, const struct dump *d)
{
	const struct dump_task *t;

	emit_line(e);
	emit_key(e, "tasks");
	emit_open(e, '[');
	vec_foreach (&d->tasks, t)
		put_task(e, t);
	emit_close(e, ']');
}

static void put_deadlocks(struct emit *e, const struct dump *d)
{
	bool inside = false;
	const pid_t *at;

	emit_line(e);
	emit_key(e, "deadlocks");
	emit_open(e, '[');
	vec_foreach (&d->deadlocks, at) {
		if (!inside)
			emit_open(e, '[');
		inside = *at != 0;
		if (inside)
			emit_integer(e, *at);
		else
			emit_close(e, ']');
	}
	emit_close(e, ']');
}

void dump_json(const struct dump *d, enum dump_view view, struct buf *out)
{
	struct emit e = { .out = out };
	const struct dump_thread *t;
	const char *const *problem;

	emit_open(&e, '{');
	emit_key_integer(&e, "schema", 1);
	emit_key_integer(&e, "pid", d->pid);
	emit_key_text(&e, "exe", d->exe);
	emit_key_text(&e, "command", d->command);
	emit_key_real(&e, "stopped_ms", d->stopped_ms, 3);
	emit_key_bool(&e, "stopped_by_signal", d->job_control);
	put_deadlocks(&e, d);
	emit_line(&e);
	emit_key(&e, "threads");
	emit_open(&e, '[');
	vec_foreach (&d->threads, t)
		put_thread(&e, t, view);
	emit_close(&e, ']');
	put_tasks(&e, d);
	emit_line(&e);
	emit_key(&e, "problems");
	emit_open(&e, '[');
	vec_foreach (&d->problems, problem)
		emit_text(&e, *problem);
	emit_close(&e, ']');
	emit_close(&e, '}');
	buf_putc(out, '\n');
}
