/*
 * dump_python: Python frames in the place of the evaluators that run them.
 */
#include <errno.h>
#include <stdio.h>

#include "profiler/cmd/dump_source.h"
#include "profiler/sym/pythreads.h"

static void name_python(struct dump *d, struct dump_frame *f,
			const struct cpython_frame *from)
{
	struct cpython_code code;
	uint32_t line = 0;

	*f = (struct dump_frame) { 0 };
	f->frame.kind = FRAME_PYTHON;
	f->frame.module_kind = MODULE_PYTHON;
	f->frame.function = "?";
	f->frame.module = "";
	if (!pyframes_code(&d->source->python, from, &code, &line))
		return;
	f->frame.function = dump_keep(d, code.qualname);
	f->frame.file = dump_keep(d, code.file);
	f->frame.module = f->frame.file;
	f->frame.line = line;
}

static void add_python(struct dump *d, struct dump_thread *t,
		       const struct cpython_frame *from)
{
	struct dump_frame *f = vec_push(&t->frames);

	if (f)
		name_python(d, f, from);
}

struct dump_python dump_python_of(const struct dump *d,
				  const struct thread_copy *from,
				  const struct dump_thread *t)
{
	uint64_t ident = from->stopped ? from->regs.fs_base : 0;

	return (struct dump_python) {
		.thread = pyframes_thread(&d->source->python, ident,
					  (uint64_t)t->own_tid),
	};
}

bool dump_python_evaluator(struct dump *d, struct dump_thread *t,
			   struct dump_python *p)
{
	const struct pyframes_thread *from = p->thread;
	const struct cpython_frame *frames = d->source->python.frames.at;
	bool entry = false;

	while (from && p->next == from->count) {
		p->thread = from = pyframes_outer(&d->source->python, from);
		p->next = 0;
	}
	if (!from)
		return false;
	while (!entry && p->next < from->count) {
		const struct cpython_frame *f = &frames[from->first + p->next];

		add_python(d, t, f);
		entry = f->entry;
		p->next++;
	}
	return true;
}

void dump_python_rest(struct dump *d, struct dump_thread *t,
		      struct dump_python *p)
{
	while (dump_python_evaluator(d, t, p))
		;
}

void dump_python_problem(struct dump *d)
{
	const char *reason = cpython_reason(d->source->python.verdict);
	char text[256];

	if (!reason)
		return;
	snprintf(text, sizeof(text), "Python frames are not shown: %s", reason);
	dump_problem(d, text);
}

/* By pthread_self(), which the frames of a thread are known by, too. */
static void take_name(void *context, uint64_t ident, int32_t tid,
		      const char *name)
{
	struct dump *d = context;
	const struct pyframes_thread *python =
		pyframes_thread(&d->source->python, ident, 0);
	struct dump_thread *t;

	(void)tid;
	vec_foreach (&d->threads, t)
		if (python && t->python == python)
			t->python_name = dump_keep(d, name);
}

int dump_python_names(struct dump *d)
{
	const struct pyframes *p = &d->source->python;
	uint64_t modules = pyframes_modules(p);

	if (!modules)
		return 0;
	return pythreads_names(&d->source->there, p->layout.version >> 16,
			       modules, take_name, d);
}

/* "Future", or "task Task-7" where that is one. */
static const char *waits_of(struct dump *d, const struct pytask *task)
{
	const struct pytask *other =
		pytasks_at(&d->source->tasks, task->waits_on);
	char text[128];

	if (!task->waits[0])
		return NULL;
	snprintf(text, sizeof(text), other ? "task %s" : "%s",
		 other ? other->name : task->waits);
	return dump_keep(d, text);
}

static int add_task(struct dump *d, const struct pytask *from)
{
	static const char *const states[] = {
		[PYTASK_WAITING] = "waiting",
		[PYTASK_READY] = "ready",
		[PYTASK_RUNNING] = "running",
	};
	struct dump_task *t = vec_push(&d->tasks);

	if (!t)
		return -ENOMEM;
	t->name = dump_keep(d, from->name);
	t->state = states[from->state];
	t->waits = waits_of(d, from);
	for (size_t i = 0; i < from->count; i++) {
		struct dump_frame *f = vec_push(&t->frames);

		if (!f)
			return -ENOMEM;
		name_python(d, f, &d->source->tasks.frames.at[from->first + i]);
	}
	return 0;
}

int dump_python_tasks(struct dump *d)
{
	struct pytasks *tasks = &d->source->tasks;
	const struct pytask *task;
	int rc = 0;

	if (d->source->python.verdict != CPYTHON_OK)
		return 0;
	rc = pytasks_read(tasks, &d->source->python);
	vec_foreach (&tasks->tasks, task)
		if (rc == 0)
			rc = add_task(d, task);
	return rc;
}
