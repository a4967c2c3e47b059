#include "preload/python.h"

#include "preload/internal.h"
#include "preload/interpreter.h"
#include "preload/sys.h"

#define ODD_MAX 16 /* a thread may be caught between two frames */

struct python python = { .verdict = CPYTHON_ABSENT };

static bool peek(void *context, uint64_t at, void *to, size_t size)
{
	(void)context;
	return sys_peek(to, at, size) == 0;
}

const struct cpython_reader python_careful = { .read = peek };

/* A program of that name that exports nothing is an interpreter, too. */
static bool named_python(void)
{
	const char *at = shim.file->exe, *base = at;
	static const char name[] = "python";
	size_t i = 0;

	for (; *at; at++)
		if (*at == '/')
			base = at + 1;
	while (name[i] && base[i] == name[i])
		i++;
	return !name[i];
}

static void settle(enum cpython_verdict verdict)
{
	if (python.verdict == verdict)
		return;
	python.verdict = verdict;
	python_tell();
	__atomic_store_n(&python.on, verdict == CPYTHON_OK, __ATOMIC_RELEASE);
}

static void find_interpreter(void)
{
	const struct interpreter *i = &interpreter;
	bool found = interpreter_find();
	enum cpython_verdict verdict = found ? i->verdict : CPYTHON_HIDDEN;

	if (!found && !named_python())
		return;
	if (verdict == CPYTHON_OK) {
		python.layout = i->layout;
		python.this_thread = (void *)i->symbols[CPYTHON_THIS_THREAD];
		python.holder = (void *)i->symbols[CPYTHON_HOLDER];
		if (i->symbols[CPYTHON_HOLDER_3_13])
			python.holder = (void *)i->symbols[CPYTHON_HOLDER_3_13];
		verdict = python.this_thread && python.holder ? CPYTHON_EARLY
							      : CPYTHON_HIDDEN;
	}
	if (python_codes_start())
		settle(verdict);
}

void python_refresh(void)
{
	if (shim.python && python.verdict == CPYTHON_ABSENT)
		find_interpreter();
}

void python_pause(void)
{
	while (__atomic_exchange_n(&python.busy, 1, __ATOMIC_ACQUIRE))
		sys3(SYS_sched_yield, 0, 0, 0);
	__atomic_store_n(&python.on, false, __ATOMIC_SEQ_CST);
}

void python_resume(void)
{
	__atomic_store_n(&python.on, python.verdict == CPYTHON_OK,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&python.busy, 0, __ATOMIC_RELEASE);
}

void python_forget(void)
{
	python.verdict = CPYTHON_ABSENT;
	python.odd = 0;
}

/* Ids are of the file, so every name goes on record once more. */
void python_begin(void)
{
	struct thread_state *ts = self.state;

	python_codes_forget();
	if (ts)
		python_stack_forget(ts);
	interpreter_recheck();
	if (python.verdict == CPYTHON_ABSENT)
		python_refresh();
	else
		python_tell();
}

/*
 * It is there: is it as it says?  Before it has an interpreter, its code may
 * not even be relocated.
 */
COLD static bool trust(void)
{
	const struct cpython *py = &python.layout;
	enum cpython_verdict verdict;
	uint64_t thread;

	if (python.verdict != CPYTHON_EARLY ||
	    !python_load(py->runtime + py->in_runtime.interpreters) ||
	    __atomic_exchange_n(&python.busy, 1, __ATOMIC_ACQUIRE))
		return false;
	thread = python.this_thread();
	verdict = thread && python.holder() == thread
			  ? cpython_check(py, &python_careful, thread)
			  : CPYTHON_EARLY;
	if (verdict == CPYTHON_ODD && ++python.odd < ODD_MAX)
		verdict = CPYTHON_EARLY;
	settle(verdict);
	__atomic_store_n(&python.busy, 0, __ATOMIC_RELEASE);
	return verdict == CPYTHON_OK;
}

uint64_t python_ident(void)
{
	uint64_t at;

	__asm__("movq %%fs:0, %0" : "=r"(at));
	return at;
}

/*
 * Until 3.11 a thread is known by its state in the first interpreter that it
 * ran in.  That of another one can be seen while it holds the lock, if it is
 * still there to be seen; without the lock it is looked for.
 */
COLD static uint64_t state_elsewhere(uint64_t thread)
{
	uint64_t holder = python.holder(), ident = 0;

	if (holder == thread)
		return thread;
	if (holder &&
	    sys_peek(&ident, holder + python.layout.in_thread.ident,
		     sizeof(ident)) == 0 &&
	    ident == python_ident())
		return holder;
	cpython_states(&python.layout, &python_careful, python_ident(), &thread,
		       1);
	return thread;
}

uint64_t python_thread(void)
{
	const struct cpython *py = &python.layout;
	uint64_t thread, ending;

	if (unlikely(!__atomic_load_n(&python.on, __ATOMIC_ACQUIRE)) &&
	    !trust())
		return 0;
	thread = python.this_thread();
	if (py->version < 0x030c0000 && python_has_several())
		thread = state_elsewhere(thread);
	ending = python_load(py->runtime + py->in_runtime.finalizing);
	return unlikely(ending && ending != thread) ? 0 : thread;
}
