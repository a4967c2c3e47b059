/*
 * dump: takes the threads of a process and gives their frames names.
 */
#include "profiler/cmd/dump_source.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/intern.h"
#include "profiler/model/modules.h"
#include "profiler/proc/procfs.h"
#include "profiler/sym/pynames.h"
#include "profiler/sym/symtab.h"

#define PATIENCE_NS                                               \
	200000000ULL /* a thread that has not stopped is left out \
		      */
#define COMMAND_MOST 4096

const char *dump_keep(struct dump *d, const char *text)
{
	uint32_t id = intern_id(d->source->strings, text);

	return id == INTERN_NONE ? "" : intern_text(d->source->strings, id);
}

static const char *keep_buf(struct dump *d, struct buf *text)
{
	const char *kept = dump_keep(d, text->bytes ? text->bytes : "");

	buf_clear(text);
	return kept;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int module_of(struct dump *d, const struct image_map *m)
{
	char path[4200];
	const struct symtab_module module = {
		.path = images_file(d->source->images, m->path, path,
				    sizeof(path)),
		.build_id = m->build_id,
		.build_id_size = m->build_id_size,
	};

	return symtab_module(d->source->symbols, &module);
}

static struct dump_frame *add_frame(struct dump_thread *t,
				    const struct backtrace_frame *at)
{
	struct dump_frame *f = vec_push(&t->frames);

	if (!f)
		return NULL;
	f->address = at->pc;
	f->guessed = at->guessed;
	f->signal = at->signal;
	f->frame.kind = FRAME_NATIVE;
	f->frame.module = "";
	return f;
}

/* "libc.so.6+0x29d90", or the address where no file is. */
static const char *unnamed(struct dump *d, const struct image_map *m,
			   uint64_t pc)
{
	char text[4200];

	if (m && m->path[0])
		snprintf(text, sizeof(text), "%s+0x%llx", base_of(m->path),
			 (unsigned long long)(pc - (m->is_elf ? m->bias
							      : m->start)));
	else
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)pc);
	return dump_keep(d, text);
}

static bool is_evaluator(const struct symbol *s)
{
	return s->function && pynames_is_evaluator(s->function);
}

/* Nothing outside of the last frame is of this stack. */
static bool is_greenlet(const struct dump_thread *t)
{
	return t->frames.count &&
	       pynames_is_greenlet(
		       t->frames.at[t->frames.count - 1].frame.function);
}

static int name_frame(struct dump *d, struct dump_thread *t,
		      struct dump_python *python,
		      const struct backtrace_frame *at)
{
	const struct image_map *m = images_find(d->source->images, at->pc);
	struct symbol symbols[SYMBOL_MAX_INLINED] = { { 0 } };
	unsigned count = 1;
	int module = m && m->is_elf ? module_of(d, m) : -1;

	if (module >= 0)
		count = symtab_resolve(d->source->symbols, module,
				       at->pc - m->bias, symbols);
	if (is_evaluator(&symbols[count - 1]) &&
	    dump_python_evaluator(d, t, python))
		return 0;
	for (unsigned i = 0; i < count; i++) {
		const struct symbol *from = &symbols[i];
		struct dump_frame *f = add_frame(t, at);

		if (!f)
			return -ENOMEM;
		f->frame.function =
			from->function ? from->function : unnamed(d, m, at->pc);
		f->frame.file = from->file;
		f->frame.line = from->line;
		f->frame.inlined = from->inlined;
		f->frame.module = m ? dump_keep(d, m->path) : "";
		f->frame.module_kind = modules_kind(f->frame.module, d->exe);
		f->offset = from->offset;
	}
	return 0;
}

void dump_problem(struct dump *d, const char *problem)
{
	const char *kept = dump_keep(d, problem), **slot;

	for (size_t i = 0; i < d->problems.count; i++)
		if (d->problems.at[i] == kept)
			return;
	slot = vec_push(&d->problems);
	if (slot)
		*slot = kept;
}

static int fill_frames(struct dump *d, struct dump_thread *t,
		       const struct thread_copy *from)
{
	struct backtrace *bt = &d->source->stack;
	struct dump_python python = dump_python_of(d, from, t);
	int rc = backtrace_of(d->source->backtraces, from, bt);
	bool greenlet = false;

	t->python = python.thread;
	for (size_t i = 0; i < bt->frames.count && rc == 0 && !greenlet; i++) {
		rc = name_frame(d, t, &python, &bt->frames.at[i]);
		greenlet = is_greenlet(t);
	}
	dump_python_rest(d, t, &python);
	t->end = greenlet			  ? DUMP_GREENLET
		 : bt->end == BACKTRACE_ROOT	  ? DUMP_ROOT
		 : bt->end == BACKTRACE_TRUNCATED ? DUMP_TRUNCATED
						  : DUMP_BROKEN;
	return rc;
}

static bool waits_on_futex(const struct task_call *call)
{
	int op = (int)call->args[1] & FUTEX_CMD_MASK;

	return call->number == SYS_futex &&
	       (op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET ||
		op == FUTEX_LOCK_PI);
}

static void describe_wait(struct dump *d, struct dump_thread *t,
			  const struct thread_copy *from)
{
	const struct task_call *call = &from->task.call;
	const char *name = task_call_name(call->number);
	struct buf text = BUF_INIT;

	if (!from->waits)
		return;
	task_describe_call(&text, call, d->source->dir);
	t->waits = keep_buf(d, &text);
	t->call = name;
	if (waits_on_futex(call))
		t->futex = call->args[0];
	buf_free(&text);
}

/* The thread's number where the process is: the last of NSpid. */
static pid_t own_number(int dir, pid_t tid)
{
	struct buf text = BUF_INIT;
	char name[64];
	const char *at = NULL, *last = NULL;

	snprintf(name, sizeof(name), "task/%d/status", (int)tid);
	if (procfs_read(dir, name, &text) == 0)
		at = strstr(text.bytes, "\nNSpid:");
	for (at = at ? at + strlen("\nNSpid:") : NULL; at && *at && *at != '\n';
	     at++)
		if (*at == '\t')
			last = at + 1;
	if (last)
		tid = (pid_t)strtol(last, NULL, 10);
	buf_free(&text);
	return tid;
}

static int add_thread(struct dump *d, const struct thread_copy *from)
{
	struct dump_thread *t = vec_push(&d->threads);

	if (!t)
		return -ENOMEM;
	t->tid = from->task.tid;
	t->own_tid = own_number(d->source->dir, t->tid);
	t->name = dump_keep(d, from->task.name);
	t->cpu_s = (double)(from->task.user_ticks + from->task.system_ticks) /
		   (double)sysconf(_SC_CLK_TCK);
	if (from->stopped)
		t->state = from->waits ? DUMP_WAITING : DUMP_RUNNING;
	else
		t->state = from->task.state == 'D' ? DUMP_KERNEL : DUMP_UNSEEN;
	describe_wait(d, t, from);
	if (t->state == DUMP_KERNEL && !t->waits && from->task.wchan[0])
		t->waits = dump_keep(d, from->task.wchan);
	return fill_frames(d, t, from);
}

static void read_command(struct dump *d)
{
	struct buf text = BUF_INIT;
	char exe[4096];

	if (procfs_link(d->source->dir, "exe", exe, sizeof(exe)) < 0)
		exe[0] = '\0';
	d->exe = dump_keep(d, exe);
	if (procfs_read(d->source->dir, "cmdline", &text) == 0) {
		while (text.len && !text.bytes[text.len - 1])
			text.len--;
		if (text.len > COMMAND_MOST)
			text.len = COMMAND_MOST;
		for (size_t i = 0; i < text.len; i++)
			if (!text.bytes[i])
				text.bytes[i] = ' ';
		buf_putc(&text, '\0'); /* the rest is cut off */
	}
	d->command = keep_buf(d, &text);
	buf_free(&text);
}

/* Modules that could not be read; asked again costs nothing. */
static void note_problems(struct dump *d)
{
	const struct dump_thread *t;
	const struct dump_frame *f;

	vec_foreach (&d->threads, t)
		vec_foreach (&t->frames, f) {
			const struct image_map *m =
				images_find(d->source->images, f->address);
			int id = m && m->is_elf ? module_of(d, m) : -1;
			const char *problem =
				id < 0 ? NULL
				       : symtab_problem(d->source->symbols, id);

			if (problem)
				dump_problem(d, problem);
		}
}

static int name_all(struct dump *d, struct err *err)
{
	struct dump_source *s = d->source;
	const struct thread_copy *from;
	char root[PROCFS_ROOT_MAX] = "";
	int dir = procfs_open("/proc", d->pid), rc = 0;

	if (dir >= 0) {
		procfs_root(dir, d->pid, root);
		close(dir);
	}
	s->images = images_new(s->threads.maps.bytes, s->threads.maps.len,
			       &s->there, root);
	s->backtraces = s->images ? backtraces_new(s->images, &s->there) : NULL;
	if (!s->backtraces)
		return err_set(err, -ENOMEM, "out of memory");
	vec_foreach (&s->threads.list, from) {
		rc = add_thread(d, from);
		if (rc < 0)
			return err_set(err, rc, "out of memory");
	}
	note_problems(d);
	dump_python_problem(d);
	if (dump_python_names(d) < 0 || dump_python_tasks(d) < 0 ||
	    dump_find_locks(d, &s->there) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int open_source(struct dump *d, struct err *err)
{
	struct dump_source *s = calloc(1, sizeof(*s));

	d->source = s;
	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->dir = -1;
	s->python.verdict = CPYTHON_ABSENT; /* until it is looked for */
	s->strings = intern_new();
	s->symbols = symtab_new("");
	if (!s->strings || !s->symbols)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* Before the stop; a process that cannot be read says so there. */
static void find_python(struct dump_source *s, pid_t pid)
{
	const struct remote there = remote_process(pid);
	int dir = procfs_open("/proc", pid);
	struct buf maps = BUF_INIT;

	if (dir < 0)
		return;
	if (procfs_read(dir, "maps", &maps) == 0)
		s->images = images_new(maps.bytes, maps.len, &there, "");
	if (s->images && pyframes_find(&s->python, s->images, &there) < 0)
		s->python.verdict = CPYTHON_ABSENT;
	images_free(s->images);
	s->images = NULL;
	buf_free(&maps);
	close(dir);
}

static void copy_python(void *ctx, const struct threads *threads)
{
	struct dump_source *s = ctx;

	(void)threads;
	pyframes_copy(&s->python);
}

/*
 * @dir was opened first, and is of that process for ever.  What one left that
 * has ended meanwhile can be shown, but not with what another has there.
 */
static int check_number(int dir, pid_t pid, struct err *err)
{
	struct procfs_stat stat;
	int now;

	if (dir < 0 || procfs_stat(dir, &stat) == 0)
		return 0;
	now = procfs_open("/proc", pid);
	if (now < 0)
		return 0;
	close(now);
	return err_set(err, -ESRCH,
		       "process %d has ended; its number is another's now",
		       (int)pid);
}

static int take(struct dump *d, pid_t pid, enum dump_view view, struct err *err)
{
	struct threads_options opt = {
		.patience_ns = PATIENCE_NS,
		.while_stopped = copy_python,
	};
	struct dump_source *s;
	int rc = open_source(d, err);

	opt.ctx = s = d->source;
	if (rc == 0 && view != DUMP_NATIVE)
		find_python(s, pid);
	if (rc == 0)
		rc = threads_copy(&s->threads, pid, &opt, err);
	if (rc == 0) {
		d->pid = s->threads.pid;
		d->stopped_ms = (double)s->threads.stopped_ns / 1e6;
		d->job_control = s->threads.job_control;
		s->there = remote_process(d->pid);
		s->dir = procfs_open("/proc", d->pid);
		read_command(d);
		rc = name_all(d, err);
	}
	return rc;
}

int dump_take(struct dump *d, pid_t pid, enum dump_view view, struct err *err)
{
	int dir = procfs_open("/proc", pid), rc;

	*d = (struct dump) { 0 };
	rc = take(d, pid, view, err);
	if (rc == 0)
		rc = check_number(dir, pid, err);
	if (dir >= 0)
		close(dir);
	if (rc < 0)
		dump_fini(d);
	return rc;
}

void dump_fini(struct dump *d)
{
	struct dump_source *s = d->source;
	struct dump_thread *t;
	struct dump_task *task;

	vec_foreach (&d->threads, t)
		vec_free(&t->frames);
	vec_foreach (&d->tasks, task)
		vec_free(&task->frames);
	vec_free(&d->tasks);
	vec_free(&d->threads);
	vec_free(&d->deadlocks);
	vec_free(&d->problems);
	if (s) {
		pyframes_fini(&s->python);
		pytasks_fini(&s->tasks);
		backtraces_free(s->backtraces);
		images_free(s->images);
		backtrace_fini(&s->stack);
		threads_free(&s->threads);
		symtab_free(s->symbols);
		intern_free(s->strings);
		if (s->dir >= 0)
			close(s->dir);
		free(s);
	}
	*d = (struct dump) { 0 };
}
