#include "profiler/attach/pytasks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/sym/pyattr.h"
#include "profiler/sym/pydict.h"
#include "profiler/sym/pypages.h"
#include "profiler/sym/pyrefs.h"
#include "profiler/sym/pytypes.h"

#define TASKS_MOST    20000
#define CHAIN_MOST    256  /* coroutines of one task */
#define TASK_SIZE     512  /* bytes; a task has some 200 */
#define THREAD_BEGIN  160  /* of a thread's state: the list is past it, */
#define THREAD_END    2048 /* and before it */
#define WEAKREF_TO    16   /* weakref.wr_object */
#define WRAPPED	      16   /* what a wrapper of a coroutine has first */
#define TYPE	      8	   /* object.ob_type */
#define TYPE_NAME     24   /* its tp_name */
#define FRAME_POINTER 16   /* until 3.10 */
/* A task has them one after the other: */
#define TO_WAITER  (-8) /* from its coroutine */
#define TO_NAME	   8
#define TO_LINKS   24 /* since 3.14 */
#define LINKS_PREV 8

struct reading {
	struct pytasks *to;
	struct pypages *pages;
	struct pytypes *types;
	const struct cpython *py;
	struct cpython_reader reader;
	uint32_t version; /* 0x030b for 3.11 */
};

static bool read_page(void *context, uint64_t at, void *to, size_t size)
{
	return pypages_read(context, at, to, size);
}

static uint64_t word(const struct reading *r, uint64_t at)
{
	uint64_t value;

	return pypages_word(r->pages, at, &value) ? value : 0;
}

/* Without its module; "" where there is no object. */
static const char *type_name(const struct reading *r, uint64_t object)
{
	const struct pytype *type =
		object ? pytypes_of(r->types, object) : NULL;
	const char *dot = type ? strrchr(type->name, '.') : NULL;

	return !type ? "" : dot ? dot + 1 : type->name;
}

static bool is_a(const struct reading *r, uint64_t object, const char *name)
{
	return strcmp(type_name(r, object), name) == 0;
}

static bool is_coroutine(const struct reading *r, uint64_t object)
{
	return is_a(r, object, "coroutine") || is_a(r, object, "generator") ||
	       is_a(r, object, "async_generator");
}

/* Where the coroutine stands in what could be a task; 0: it is none. */
static uint64_t coroutine_in(const struct reading *r, uint64_t task)
{
	const struct pytype *type = pytypes_of(r->types, task);
	uint64_t end;

	if (!type || type->size < 64)
		return 0;
	end = (uint64_t)(type->size < TASK_SIZE ? type->size : TASK_SIZE);
	for (uint64_t at = 24; at + 16 <= end; at += 8)
		if (is_coroutine(r, word(r, task + at)))
			return task + at;
	return 0;
}

/* Where the coroutine's frame is; 0: it has ended. */
static uint64_t frame_of(const struct reading *r, uint64_t coroutine)
{
	if (r->version <= 0x030a)
		return word(r, coroutine + FRAME_POINTER);
	return coroutine + (r->version == 0x030b ? 80 : 72);
}

/* As Python has it: below 0 it is suspended or has not begun, 0: it runs. */
static int state_of(const struct reading *r, uint64_t coroutine)
{
	uint64_t frame = frame_of(r, coroutine), at;
	int8_t state = 1; /* it has ended */

	if (!frame)
		return state;
	if (r->version == 0x0309) { /* gi_running */
		pypages_read(r->pages, coroutine + 24, &state, 1);
		return state ? 0 : -1;
	}
	if (r->version == 0x030a)
		at = frame + 108;
	else
		at = coroutine + (r->version == 0x030b ? 75 : 67);
	pypages_read(r->pages, at, &state, 1);
	return state;
}

/*
 * Is it within an await, not at a yield of its own?  A coroutine always is;
 * of a generator the instruction that it goes on with says so, since 3.13 its
 * state.
 */
static bool is_awaiting(const struct reading *r, uint64_t coroutine,
			const struct cpython_frame *f, int state)
{
	uint8_t next[2] = { 0, 0 };

	if (r->version >= 0x030d)
		return state == -1;
	if (state != -1 || f->instruction < 0)
		return false; /* it has not begun */
	if (is_a(r, coroutine, "coroutine"))
		return true;
	return r->version >= 0x030b &&
	       pypages_read(r->pages,
			    f->code + r->py->in_code.instructions +
				    (uint64_t)(int64_t)f->instruction + 2,
			    next, sizeof(next)) &&
	       (next[1] & 3) >= 2;
}

/* By the name alone: types nobody has asked anything of are not ready. */
static bool has_type_named(const struct reading *r, uint64_t object,
			   const char *name)
{
	uint64_t at = word(r, word(r, object + TYPE) + TYPE_NAME);
	size_t size = strlen(name) + 1;
	char text[32];

	return size <= sizeof(text) && pypages_read(r->pages, at, text, size) &&
	       memcmp(text, name, size) == 0;
}

/* The coroutine within what is awaited; or what else that is. */
static uint64_t unwrapped(const struct reading *r, uint64_t object)
{
	static const char *const wrappers[] = {
		"coroutine_wrapper",
		"async_generator_asend",
		"async_generator_athrow",
		"anext_awaitable",
	};
	size_t i = 0;

	while (i < sizeof(wrappers) / sizeof(wrappers[0])) {
		if (!has_type_named(r, object, wrappers[i++]))
			continue;
		object = word(r, object + WRAPPED);
		i = 0;
	}
	return object;
}

/* One step inwards: what the coroutine awaits; 0: nothing. */
static uint64_t follow(struct reading *r, uint64_t coroutine)
{
	int state = state_of(r, coroutine);
	struct cpython_frame *slot, f;

	if (state >= 0 || !frame_of(r, coroutine) ||
	    !cpython_frame(r->py, &r->reader, frame_of(r, coroutine), &f))
		return 0;
	slot = vec_push(&r->to->frames);
	if (!slot)
		return 0;
	*slot = f;
	if (!is_awaiting(r, coroutine, &f, state))
		return 0;
	return unwrapped(r, cpython_awaited(r->py, &r->reader, f.frame));
}

static void turn_round(struct pytasks *t, size_t first)
{
	size_t last = t->frames.count;

	while (first + 1 < last) {
		struct cpython_frame f = t->frames.at[first];

		t->frames.at[first++] = t->frames.at[--last];
		t->frames.at[last] = f;
	}
}

/* Since 3.12 a number, until somebody asks for the name. */
static void read_name(const struct reading *r, uint64_t at, char *to,
		      size_t size)
{
	uint64_t name = word(r, at);

	if (is_a(r, name, "int"))
		snprintf(to, size, "Task-%llu",
			 (unsigned long long)pyattr_int(r->pages, r->version,
							name));
	else if (!is_a(r, name, "str") ||
		 !pydict_text(r->pages, r->version, name, to, size))
		snprintf(to, size, "?");
}

/* The task whose coroutine is at @place.  False: there is no memory. */
static bool read_task(struct reading *r, uint64_t place)
{
	uint64_t coroutine = word(r, place), at = coroutine;
	uint64_t waiter = word(r, place + (uint64_t)TO_WAITER);
	int state = state_of(r, coroutine);
	struct pytask *task;

	if (state > 0)
		return true; /* it has ended */
	task = vec_push(&r->to->tasks);
	if (!task)
		return false;
	*task = (struct pytask) { .place = place };
	task->first = r->to->frames.count;
	for (int i = 0; i < CHAIN_MOST && is_coroutine(r, at); i++)
		at = follow(r, at);
	task->count = r->to->frames.count - task->first;
	turn_round(r->to, task->first);
	read_name(r, place + TO_NAME, task->name, sizeof(task->name));
	waiter = *type_name(r, waiter) && !is_a(r, waiter, "NoneType") ? waiter
								       : 0;
	task->state = state == 0 ? PYTASK_RUNNING
		      : waiter	 ? PYTASK_WAITING
				 : PYTASK_READY;
	snprintf(task->waits, sizeof(task->waits), "%s", type_name(r, waiter));
	if (waiter && strstr(task->waits, "Task"))
		task->waits_on = coroutine_in(r, waiter);
	return true;
}

static void take_task(struct reading *r, uint64_t task)
{
	uint64_t place = coroutine_in(r, task);

	if (place && r->to->tasks.count < TASKS_MOST)
		read_task(r, place);
}

/* Of a WeakSet's set: a weak reference, or a hole. */
static void take_reference(void *context, const struct pyref *ref)
{
	struct reading *r = context;
	const struct pytype *type = pytypes_of(r->types, ref->to);

	if (type && type->kind == PYTYPE_WEAK)
		take_task(r, word(r, ref->to + WEAKREF_TO));
	else if (type)
		take_task(r, ref->to); /* asyncio's eager ones */
}

static void nothing_of_its_own(void *context, uint64_t at, const char *what)
{
	(void)context;
	(void)at;
	(void)what;
}

static void read_set(struct reading *r, uint64_t set)
{
	const struct pytype *type = set ? pytypes_of(r->types, set) : NULL;
	const struct pyrefs refs = {
		.pages = r->pages,
		.types = r->types,
		.version = r->version,
		.refer = take_reference,
		.own = nothing_of_its_own,
		.context = r,
	};

	if (type && type->kind == PYTYPE_SET)
		pyrefs_of(&refs, set, type);
}

static void read_sets(struct reading *r, uint64_t modules)
{
	static const char *const weak[] = { "_all_tasks", "_scheduled_tasks" };
	const char *const tasks = "asyncio.tasks";

	for (int i = 0; i < 2; i++) {
		uint64_t set = pyattr_global(r->pages, r->version, modules,
					     tasks, weak[i]);

		if (set)
			read_set(r, pyattr(r->pages, r->types, r->version, set,
					   "data"));
	}
	read_set(r, pyattr_global(r->pages, r->version, modules, tasks,
				  "_eager_tasks"));
}

/*
 * Is there a list of tasks whose head is at @at?  It names its first and its
 * last, each of which names it, and the first is a task.
 */
static bool is_list(const struct reading *r, uint64_t at)
{
	uint64_t first = word(r, at), last = word(r, at + LINKS_PREV);

	return first != at && first % 8 == 0 && last % 8 == 0 &&
	       word(r, first + LINKS_PREV) == at && word(r, last) == at &&
	       is_coroutine(r, word(r, first - TO_LINKS));
}

static void read_list(struct reading *r, uint64_t head)
{
	uint64_t at = word(r, head);

	for (int i = 0; i < TASKS_MOST && at && at != head; i++) {
		if (!is_coroutine(r, word(r, at - TO_LINKS)) ||
		    !read_task(r, at - TO_LINKS))
			return;
		at = word(r, at);
	}
}

/* Behind each thread's state; where, is not the same in all builds. */
static void read_lists(struct reading *r, const struct pyframes *python)
{
	const struct pyframes_thread *t;

	vec_foreach (&python->threads, t)
		for (uint64_t at = THREAD_BEGIN; at < THREAD_END; at += 8)
			if (is_list(r, t->id.state + at)) {
				read_list(r, t->id.state + at);
				break;
			}
}

/* "Task-9" before "Task-10", and names in the order of their text. */
static int by_name(const void *a, const void *b)
{
	const struct pytask *x = a, *y = b;
	size_t m = strlen(x->name), n = strlen(y->name);

	if (m != n && strncmp(x->name, "Task-", 5) == 0 &&
	    strncmp(y->name, "Task-", 5) == 0)
		return m < n ? -1 : 1;
	return strcmp(x->name, y->name);
}

int pytasks_read(struct pytasks *t, const struct pyframes *python)
{
	uint64_t modules = pyframes_modules(python);
	struct reading r = {
		.to = t,
		.py = &python->layout,
		.version = python->layout.version >> 16,
		.pages = pypages_new(&python->there),
	};

	*t = (struct pytasks) { 0 };
	if (r.pages)
		r.types = pytypes_new(r.pages, r.version);
	if (r.types && modules) {
		r.reader = (struct cpython_reader) { read_page, r.pages };
		read_sets(&r, modules);
		if (r.version >= 0x030e)
			read_lists(&r, python);
		if (t->tasks.count)
			qsort(t->tasks.at, t->tasks.count, sizeof(*t->tasks.at),
			      by_name);
	}
	pytypes_free(r.types);
	pypages_free(r.pages);
	return r.types ? 0 : -ENOMEM;
}

const struct pytask *pytasks_at(const struct pytasks *t, uint64_t place)
{
	const struct pytask *task;

	vec_foreach (&t->tasks, task)
		if (place && task->place == place)
			return task;
	return NULL;
}

void pytasks_fini(struct pytasks *t)
{
	vec_free(&t->tasks);
	vec_free(&t->frames);
}
