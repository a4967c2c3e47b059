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

void interpreter_closing(void)
{
	if (!interpreter.mortal ||
	    __atomic_fetch_add(&interpreter.closing, 1, __ATOMIC_ACQUIRE))
		return;
	python_pause();
	pyobjects_pause();
}

void interpreter_closed(void)
{
	struct interpreter *i = &interpreter;

	if (!__atomic_load_n(&i->closing, __ATOMIC_RELAXED) ||
	    __atomic_sub_fetch(&i->closing, 1, __ATOMIC_RELEASE))
		return;
	if (!is_loaded()) {
		*i = (struct interpreter) {
			.verdict = CPYTHON_ABSENT,
			.looked = true,
		};
		python_forget();
		pyobjects_forget();
	}
	python_resume();
	pyobjects_resume();
}
