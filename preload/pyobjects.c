#include "preload/pyobjects.h"

#include "preload/internal.h"
#include "preload/interpreter.h"
#include "preload/pyarenas.h"
#include "preload/python.h"
#include "preload/real.h"
#include "preload/sys.h"

enum domain { /* PyMemAllocatorDomain; the raw one is malloc, and hooked */
	      DOMAIN_MEM = 1,
	      DOMAIN_OBJECT = 2,
	      DOMAINS = 3,
};

struct allocator { /* PyMemAllocatorEx */
	void *context;
	void *(*malloc)(void *context, size_t size);
	void *(*calloc)(void *context, size_t count, size_t size);
	void *(*realloc)(void *context, void *old, size_t size);
	void (*free)(void *context, void *p);
};

struct functions { /* of the interpreter */
	void (*get)(int domain, struct allocator *out);
	void (*set)(int domain, const struct allocator *a);
	int (*is_initialized)(void);
	void *(*this_thread)(void); /* its state, with the GIL or without */
	void *(*unchecked)(void);   /* the state that holds the GIL */
	void *(*modules)(void);	    /* sys.modules */
};

static struct {
	struct functions python;
	enum slab_python_state found; /* NONE, KNOWN, or why not */
	struct slab_python told;      /* but for the arenas */
	bool wanted;
	bool wrapped; /* perhaps beneath somebody else's */
	bool small_known;
	uint32_t turns; /* refreshes in a row that no sample came before */
	uint32_t busy;	/* one refresh at a time */
} py;

/* What is read for each block: in one cache line where it is an object. */
static struct {
	/* What ours call; written before ours can be called by it. */
	struct allocator former[DOMAINS];
	/*
	 * Up to here a block is cut from an arena, and malloc is not called for
	 * it: nothing needs muting, so the way there costs a subtraction and a
	 * branch.  0 until that is known.
	 */
	size_t small_max;
} hot __attribute__((aligned(64)));
/* A sample came by since the last refresh: ours are in use. */
static uint32_t in_use;

/*
 * What lies within is not due while the thread is muted; its credit goes on
 * from where it was, less what this block costs.
 */
static inline int64_t mute(void)
{
	int64_t credit = self.credit;

	self.credit = 2 * MUTED;
	return credit;
}

static inline void *allocated(void *p, size_t size, int64_t credit,
			      unsigned api)
{
	if (likely(p))
		credit -= (int64_t)size + SAMPLE_CONSTANT;
	self.credit = credit;
	if (likely(credit >= 0 || !p))
		return p;
	if (unlikely(!__atomic_load_n(&in_use, __ATOMIC_RELAXED)))
		__atomic_store_n(&in_use, 1, __ATOMIC_RELAXED);
	return alloc_slow(p, size, api);
}

/* A small block is due; what is made for it within is not. */
static __attribute__((noinline)) void *due_malloc(enum domain d, void *context,
						  size_t size, unsigned api)
{
	int64_t credit = mute() + (int64_t)size + SAMPLE_CONSTANT;

	return allocated(hot.former[d].malloc(context, size), size, credit,
			 api);
}

static __attribute__((noinline)) void *due_calloc(enum domain d, void *context,
						  size_t size, unsigned api)
{
	int64_t credit = mute() + (int64_t)size + SAMPLE_CONSTANT;

	return allocated(hot.former[d].calloc(context, 1, size), size, credit,
			 api);
}

static __attribute__((noinline)) void *large_malloc(enum domain d,
						    void *context, size_t size,
						    unsigned api)
{
	int64_t credit = mute();
	void *p = hot.former[d].malloc(context, size);

	return allocated(p, size, credit, api);
}

static __attribute__((noinline)) void *large_calloc(enum domain d,
						    void *context, size_t count,
						    size_t size, unsigned api)
{
	int64_t credit = mute();
	void *p = hot.former[d].calloc(context, count, size);

	return allocated(p, count * size, credit, api);
}

/* Tail calls all: nothing is saved on the usual way. */
static inline void *domain_malloc(enum domain d, void *context, size_t size,
				  unsigned api)
{
	if (unlikely(size > hot.small_max))
		return large_malloc(d, context, size, api);
	if (unlikely(sample_due(size)))
		return due_malloc(d, context, size, api);
	return hot.former[d].malloc(context, size);
}

static inline void *domain_calloc(enum domain d, void *context, size_t count,
				  size_t size, unsigned api)
{
	size_t bytes = count * size; /* whoever asks has seen to overflow */

	if (unlikely(bytes > hot.small_max))
		return large_calloc(d, context, count, size, api);
	if (unlikely(sample_due(bytes)))
		return due_calloc(d, context, bytes, api);
	return hot.former[d].calloc(context, count, size);
}

/* As realloc in hooks.c, but that NULL is always a failure. */
static inline void *domain_realloc(enum domain d, void *context, void *old,
				   size_t size, unsigned api)
{
	bool recorded = old && filter_hit(old) && record_release(old);
	int64_t credit = mute();
	void *p = hot.former[d].realloc(context, old, size);

	if (unlikely(!p) && recorded) {
		self.credit = credit;
		record_unrelease(old);
		return p;
	}
	return allocated(p, size, credit, api);
}

/* A sample is released once, whoever asks again: muted in exact mode only. */
static __attribute__((noinline)) void release_free(enum domain d, void *context,
						   void *p)
{
	int64_t credit;

	record_release(p);
	if (shim.mode == SLAB_MODE_SAMPLE) {
		hot.former[d].free(context, p);
		return;
	}
	credit = mute();
	hot.former[d].free(context, p);
	self.credit = credit;
}

/* As above. */
static inline void domain_free(enum domain d, void *context, void *p)
{
	if (unlikely(filter_hit(p)))
		release_free(d, context, p);
	else
		hot.former[d].free(context, p);
}

#define DOMAIN_FUNCTIONS(name, d, api)                                       \
	static void *name##_malloc(void *context, size_t size)               \
	{                                                                    \
		return domain_malloc(d, context, size, api);                 \
	}                                                                    \
	static void *name##_calloc(void *context, size_t count, size_t size) \
	{                                                                    \
		return domain_calloc(d, context, count, size, api);          \
	}                                                                    \
	static void *name##_realloc(void *context, void *old, size_t size)   \
	{                                                                    \
		return domain_realloc(d, context, old, size, api);           \
	}                                                                    \
	static void name##_free(void *context, void *p)                      \
	{                                                                    \
		domain_free(d, context, p);                                  \
	}

DOMAIN_FUNCTIONS(mem, DOMAIN_MEM, API_PYTHON_MEM)
DOMAIN_FUNCTIONS(object, DOMAIN_OBJECT, API_PYTHON_OBJECT)

static const struct allocator ours[DOMAINS] = {
	[DOMAIN_MEM] = { NULL, mem_malloc, mem_calloc, mem_realloc, mem_free },
	[DOMAIN_OBJECT] = { NULL, object_malloc, object_calloc, object_realloc,
			    object_free },
};

/* False: it does not export all of them. */
static bool find_functions(struct functions *f, const struct interpreter *i)
{
	const struct link_map *m = i->object;
	uint64_t holder = i->symbols[CPYTHON_HOLDER];

	f->get = real_export(m, "PyMem_GetAllocator");
	f->set = real_export(m, "PyMem_SetAllocator");
	f->is_initialized = real_export(m, "Py_IsInitialized");
	f->modules = real_export(m, "PyImport_GetModuleDict");
	f->this_thread = (void *)i->symbols[CPYTHON_THIS_THREAD];
	f->unchecked =
		(void *)(holder ? holder : i->symbols[CPYTHON_HOLDER_3_13]);
	return f->get && f->set && f->is_initialized && f->modules &&
	       f->this_thread && f->unchecked;
}

static enum slab_python_state judge(enum cpython_verdict verdict)
{
	switch (verdict) {
	case CPYTHON_OK:
		return SLAB_PYTHON_KNOWN;
	case CPYTHON_IS_THREADED:
		return SLAB_PYTHON_FREE_THREADED;
	case CPYTHON_IS_DEBUG:
		return SLAB_PYTHON_DEBUG;
	default:
		return SLAB_PYTHON_VERSION;
	}
}

static bool same_functions(const struct allocator *a, const struct allocator *b)
{
	return a->malloc == b->malloc && a->calloc == b->calloc &&
	       a->realloc == b->realloc && a->free == b->free;
}

static void wrap(enum domain d)
{
	struct allocator a;

	py.python.get(d, &a);
	if (same_functions(&a, &ours[d]))
		return;
	hot.former[d] = a;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	a.malloc = ours[d].malloc;
	a.calloc = ours[d].calloc;
	a.realloc = ours[d].realloc;
	a.free = ours[d].free;
	py.python.set(d, &a);
}

static void unwrap(enum domain d)
{
	struct allocator a;

	py.python.get(d, &a);
	if (!same_functions(&a, &ours[d]))
		return; /* somebody wrapped ours: they will go on calling it */
	a.malloc = hot.former[d].malloc;
	a.calloc = hot.former[d].calloc;
	a.realloc = hot.former[d].realloc;
	a.free = hot.former[d].free;
	py.python.set(d, &a);
}

static void tell(void)
{
	struct slab_python *to;

	if (!shim.file)
		return;
	to = &shim.file->python;
	to->version = py.told.version;
	__atomic_store_n(&to->modules, py.told.modules, __ATOMIC_RELAXED);
	__atomic_store_n(&to->state, py.told.state, __ATOMIC_RELEASE);
}

#define PYMALLOC_MAX 512

/* With the GIL, when it runs: is what we call pymalloc itself? */
static void find_small(void)
{
	int64_t credit = mute();
	void *p = hot.former[DOMAIN_OBJECT].malloc(
		hot.former[DOMAIN_OBJECT].context, PYMALLOC_MAX);
	bool passed_on = self.credit != 2 * MUTED;

	if (p)
		hot.former[DOMAIN_OBJECT].free(
			hot.former[DOMAIN_OBJECT].context, p);
	self.credit = credit;
	if (p && !passed_on && shim.mode == SLAB_MODE_SAMPLE)
		hot.small_max = PYMALLOC_MAX;
	py.small_known = true;
}

static void wrap_all(void)
{
	hot.small_max = 0;
	py.small_known = false;
	wrap(DOMAIN_MEM);
	wrap(DOMAIN_OBJECT);
	pyarenas_wrap();
	py.wrapped = true;
	py.told.state = SLAB_PYTHON_WRAPPED;
	tell();
}

void pyobjects_find(void)
{
	const struct interpreter *i = &interpreter;

	if (!interpreter_find() || !find_functions(&py.python, i))
		return;
	py.told.version = i->layout.version >> 16;
	py.found = judge(i->verdict);
	pyarenas_find(i->object, py.told.version);
}

/* A sixteenth of a second from now, not a second: something is not known. */
static void look_soon(void)
{
	bool known = py.wanted ? py.small_known : py.told.modules != 0;

	if (!known)
		shim.allocator_ticks =
			ticks_now() - shim.second_ticks / 16 * 15;
}

void pyobjects_begin(bool now)
{
	if (!shim.file || py.found == SLAB_PYTHON_NONE)
		return;
	py.wanted = shim.python_objects && py.found == SLAB_PYTHON_KNOWN;
	py.turns = 0;
	py.told.state = py.found;
	if (py.found == SLAB_PYTHON_KNOWN && !py.wanted)
		py.told.state = SLAB_PYTHON_OFF;
	pyarenas_forget();
	if (py.wanted && now)
		wrap_all();
	look_soon();
	tell();
}

/*
 * Does what PyObject_Malloc does now come by ours?  A block of no bytes costs
 * the thread's credit exactly the constant, if and only if ours has it: libc
 * would be asked for one byte at least.
 */
static bool comes_by(enum domain d)
{
	int64_t credit = mute(), after;
	struct allocator a;
	void *p;

	py.python.get(d, &a);
	p = a.malloc(a.context, 0);
	after = self.credit;
	if (p)
		a.free(a.context, p);
	self.credit = credit;
	return !p || after == 2 * MUTED - SAMPLE_CONSTANT;
}

/* The interpreter that this thread is in; with its lock. */
static uint64_t current(void)
{
	return python_load((uint64_t)py.python.this_thread() +
			   interpreter.layout.in_thread.interpreter);
}

/*
 * And the interpreter is up: one that is being made, or ends, has no modules,
 * and whoever asks it for them ends the process.
 */
static bool holds_gil(void)
{
	const struct cpython *layout = &interpreter.layout;
	void *state;

	if (!py.python.is_initialized())
		return false;
	state = py.python.this_thread();
	return state && state == py.python.unchecked() &&
	       python_load(current() + layout->in_interpreter.modules);
}

/* With the lock.  The main interpreter's; another's only until it comes by. */
static void note_modules(void)
{
	const struct cpython *layout = &interpreter.layout;
	uint64_t head = layout->runtime + layout->in_runtime.interpreters,
		 modules;

	if (py.told.modules && current() != python_load(head + 8))
		return;
	modules = (uint64_t)py.python.modules();
	if (modules == py.told.modules)
		return;
	py.told.modules = modules;
	tell();
}

/* Samples come, and for some time none from Python: have we been replaced? */
static void look_after(void)
{
	bool held = holds_gil();
	uint32_t turn;

	if (held) {
		note_modules();
		if (py.wrapped && !py.small_known)
			find_small();
	}
	if (__atomic_exchange_n(&in_use, 0, __ATOMIC_RELAXED)) {
		py.turns = 0;
		return;
	}
	if (!held)
		return;
	turn = py.turns++;
	if (turn & (turn - 1))
		return; /* seldomer and seldomer where there is no object */
	if (!comes_by(DOMAIN_OBJECT))
		wrap_all();
}

static void look_again(void)
{
	if (py.wanted)
		look_after();
	else if (holds_gil()) /* scans find their way from them */
		note_modules();
	look_soon();
	if (shim.file && py.wanted)
		pyarenas_account(&shim.file->python);
}

void pyobjects_refresh(void)
{
	bool late = py.found == SLAB_PYTHON_NONE && interpreter_may_be_new();

	if ((py.found != SLAB_PYTHON_KNOWN && !late) ||
	    __atomic_exchange_n(&py.busy, 1, __ATOMIC_ACQUIRE))
		return;
	if (late) {
		pyobjects_find();
		pyobjects_begin(false);
	}
	if (py.found == SLAB_PYTHON_KNOWN)
		look_again();
	__atomic_store_n(&py.busy, 0, __ATOMIC_RELEASE);
}

void pyobjects_detach(void)
{
	if (!py.wrapped)
		return;
	py.wanted = false;
	unwrap(DOMAIN_OBJECT);
	unwrap(DOMAIN_MEM);
	pyarenas_detach();
	py.told.state = SLAB_PYTHON_DETACHED;
	tell();
}

void pyobjects_pause(void)
{
	while (__atomic_exchange_n(&py.busy, 1, __ATOMIC_ACQUIRE))
		sys3(SYS_sched_yield, 0, 0, 0);
}

void pyobjects_resume(void)
{
	__atomic_store_n(&py.busy, 0, __ATOMIC_RELEASE);
}

void pyobjects_forget(void)
{
	py.found = SLAB_PYTHON_NONE;
	py.wrapped = py.wanted = false;
	py.told = (struct slab_python) { 0 };
	pyarenas_forget();
	tell();
}

void pyobjects_fork_child(void)
{
	tell();
}
