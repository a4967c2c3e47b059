#include "preload/interpreter.h"

#include <link.h>

#include "preload/pyobjects.h"
#include "preload/python.h"
#include "preload/real.h"
#include "preload/sys.h"

struct interpreter interpreter = { .verdict = CPYTHON_ABSENT };

static bool peek(void *context, uint64_t at, void *to, size_t size)
{
	(void)context;
	return sys_peek(to, at, size) == 0;
}

static uint64_t export(const struct link_map *m, enum cpython_symbol symbol)
{
	return (uint64_t)real_export(m, cpython_symbol_name(symbol));
}

/* The object that is an interpreter, of those that are loaded; or NULL. */
static const struct link_map *find_object(void)
{
	const struct link_map *m;

	for (m = real_objects(); m; m = m->l_next)
		if (!real_is_ours(m) &&
		    (export(m, CPYTHON_RUNTIME) || export(m, CPYTHON_PYPY)))
			break;
	return m;
}

static void look(void)
{
	static const struct cpython_reader careful = { .read = peek };
	struct interpreter *i = &interpreter;
	const struct link_map *m;
	bool late;

	/* Somebody is at the list just now: the next event looks again. */
	if (!real_objects_rest())
		return;
	if (shim.file)
		i->seen = shim.file->stats.modules;
	m = find_object();
	late = i->looked || shim.late;
	i->looked = true;
	if (!m)
		return;
	for (int s = 0; s < CPYTHON_NSYMBOLS; s++)
		i->symbols[s] = export(m, (enum cpython_symbol)s);
	i->verdict = cpython_open(&i->layout, &careful, i->symbols);
	i->mortal = late && m != real_objects();
	__atomic_store_n(&i->object, m, __ATOMIC_RELEASE);
}

bool interpreter_find(void)
{
	struct interpreter *i = &interpreter;

	if (__atomic_load_n(&i->object, __ATOMIC_ACQUIRE))
		return true;
	if ((i->looked && !interpreter_may_be_new()) ||
	    __atomic_exchange_n(&i->busy, 1, __ATOMIC_ACQUIRE))
		return false;
	if (!i->object)
		look();
	__atomic_store_n(&i->busy, 0, __ATOMIC_RELEASE);
	return i->object != NULL;
}

static bool is_loaded(void)
{
	const struct link_map *m = real_objects();

	while (m && m != interpreter.object)
		m = m->l_next;
	return m &&
	       (export(m, CPYTHON_RUNTIME) ==
			interpreter.symbols[CPYTHON_RUNTIME] &&
		export(m, CPYTHON_PYPY) == interpreter.symbols[CPYTHON_PYPY]);
}

bool interpreter_closing(void)
{
	struct interpreter *i = &interpreter;

	if (!i->mortal)
		return false;
	self.closing++;
	if (__atomic_fetch_add(&i->closing, 1, __ATOMIC_ACQ_REL)) {
		while (!__atomic_load_n(&i->paused, __ATOMIC_ACQUIRE))
			sys3(SYS_sched_yield, 0, 0, 0);
		return true;
	}
	python_pause();
	pyobjects_pause();
	__atomic_store_n(&i->paused, true, __ATOMIC_RELEASE);
	return true;
}

void interpreter_closed(bool counted)
{
	struct interpreter *i = &interpreter;

	if (!counted)
		return;
	self.closing--;
	if (__atomic_sub_fetch(&i->closing, 1, __ATOMIC_ACQ_REL))
		return;
	/* `closing` stays: another thread may have begun to close by now. */
	if (!is_loaded()) {
		__atomic_store_n(&i->object, NULL, __ATOMIC_RELEASE);
		i->verdict = CPYTHON_ABSENT;
		i->mortal = false;
		i->seen = 0;
		python_forget();
		pyobjects_forget();
	}
	__atomic_store_n(&i->paused, false, __ATOMIC_RELEASE);
	python_resume();
	pyobjects_resume();
}

/*
 * Of those who searched or closed there is none in the child but this thread,
 * which may be in a destructor.  Is what another was unloading still there?
 * python_begin() looks.
 */
void interpreter_fork_child(void)
{
	struct interpreter *i = &interpreter;

	if (i->busy && !i->object)
		i->seen = 0; /* the search did not come to its end */
	i->busy = 0;
	i->closing = self.closing;
	if (i->closing)
		return;
	i->paused = false;
	python_resume();
	pyobjects_resume();
}
