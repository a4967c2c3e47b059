/*
 * oracle: LD_PRELOAD it, and at every ORACLE_EVERY-th malloc of a thread (1)
 * its stack is unwound twice, by us and by libunwind's unw_step(), and the
 * return addresses are compared frame for frame.
 *
 * At exit one line goes to the file ORACLE_OUT (standard error), appended:
 *
 *   PID NAME: stacks N frames N deepest N broken N different N
 *
 * `broken` counts stacks whose unwinding we gave up where libunwind went no
 * further either; `different` all others that do not agree.  The first few
 * of both are printed before it, with what is at odds.
 *
 * libunwind comes by dlopen: linked, it would take over the program's
 * exceptions.
 */
#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libunwind.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/programs/unwind/self.h"

#define MAX_FRAMES 4096
#define SHOWN	   3

static struct {
	int (*getcontext)(unw_context_t *context);
	int (*init)(unw_cursor_t *cursor, unw_context_t *context);
	int (*step)(unw_cursor_t *cursor);
	int (*get_reg)(unw_cursor_t *cursor, int reg, unw_word_t *value);
	int (*is_signal)(unw_cursor_t *cursor);
	struct rules *rules;
	struct unwind_modules *modules;
	unsigned every;
	bool ready;
	unsigned long stacks, frames, deepest, broken, different;
} oracle;

static __thread struct {
	struct stack *stack;
	struct stack_bounds bounds;
	unsigned until;
	bool busy;
} self;

static void add(unsigned long *to, unsigned long by)
{
	__atomic_fetch_add(to, by, __ATOMIC_RELAXED);
}

static int out_fd(void)
{
	const char *path = getenv("ORACLE_OUT");

	if (!path)
		return dup(2);
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static void print_frame(int fd, const char *whose, unsigned long number,
			uint64_t pc)
{
	Dl_info info = { 0 };

	dladdr((void *)(pc - 1), &info);
	dprintf(fd, "  %s %lu: %#lx %s(%s+%#lx)\n", whose, number, pc,
		info.dli_fname ? info.dli_fname : "?",
		info.dli_sname ? info.dli_sname : "?",
		info.dli_fname ? pc - (uint64_t)info.dli_fbase : 0);
}

/* Both leaf first. */
static void show(const char *what, const unw_word_t *theirs, unsigned n)
{
	unsigned ours = stack_depth(self.stack), at = 1;
	int fd = out_fd();

	while (at < ours && at < n &&
	       stack_frame(self.stack, ours - 1 - at).pc == theirs[at])
		at++;
	dprintf(fd, "%s: we have %u frames and end with %d, libunwind %u\n",
		what, ours, (int)stack_end(self.stack), n);
	for (unsigned i = at > 2 ? at - 3 : 0; i < at + 3; i++) {
		if (i < ours)
			print_frame(fd, "ours", i,
				    stack_frame(self.stack, ours - 1 - i).pc);
		if (i < n)
			print_frame(fd, "theirs", i, theirs[i]);
	}
	close(fd);
}

/* We keep the innermost STACK_MAX_FRAMES. */
static bool agree(const unw_word_t *theirs, unsigned n)
{
	unsigned ours = stack_depth(self.stack);

	if (n > STACK_MAX_FRAMES && stack_end(self.stack) == STACK_TRUNCATED)
		n = STACK_MAX_FRAMES;
	if (ours != n)
		return false;
	for (unsigned i = 1; i < n; i++)
		if (stack_frame(self.stack, n - 1 - i).pc != theirs[i])
			return false;
	return true;
}

static void judge(const unw_word_t *theirs, unsigned n)
{
	add(&oracle.stacks, 1);
	add(&oracle.frames, n);
	if (n > oracle.deepest)
		oracle.deepest = n;
	if (!agree(theirs, n)) {
		add(&oracle.different, 1);
		if (oracle.different <= SHOWN)
			show("different", theirs, n);
	} else if (stack_end(self.stack) == STACK_BROKEN) {
		add(&oracle.broken, 1);
		if (oracle.broken <= SHOWN)
			show("broken", theirs, n);
	}
}

static void unwind(const struct stack_regs *regs)
{
	stack_unwind(self.stack, regs, &self.bounds, oracle.modules,
		     oracle.rules);
}

/* dlopen has brought a module. */
static bool refresh(uint64_t pc)
{
	static uint32_t generation = 1;
	struct unwind_modules *new = self_modules(
		__atomic_add_fetch(&generation, 1, __ATOMIC_RELAXED));

	for (uint32_t i = 0; i < new->count; i++) {
		if (pc >= new->at[i].start && pc < new->at[i].end) {
			/* The old one may be in use: it stays. */
			__atomic_store_n(&oracle.modules, new,
					 __ATOMIC_RELEASE);
			return true;
		}
	}
	free(new);
	return false;
}

__attribute__((noinline)) static void compare(void)
{
	static __thread unw_word_t theirs[MAX_FRAMES];
	struct stack_regs regs;
	unw_context_t context;
	unw_cursor_t cursor;
	unsigned n = 0;

	self_regs(&regs);
	oracle.getcontext(&context);
	unwind(&regs);
	if (stack_missing_pc(self.stack) &&
	    refresh(stack_missing_pc(self.stack)))
		unwind(&regs);
	oracle.init(&cursor, &context);
	do {
		oracle.get_reg(&cursor, UNW_REG_IP, &theirs[n]);
		if (!theirs[n])
			break;
		/* What a signal interrupted: see struct stack_frame. */
		theirs[n++] += oracle.is_signal(&cursor) > 0;
	} while (n < MAX_FRAMES && oracle.step(&cursor) > 0);
	judge(theirs, n);
}

/* Where code does not live on its thread's stack there is no comparing. */
static bool on_own_stack(void)
{
	uint64_t sp = (uint64_t)__builtin_frame_address(0);

	return sp >= self.bounds.low && sp < self.bounds.high;
}

static void due(void)
{
	int saved_errno = errno;

	self.busy = true;
	if (!self.stack) {
		self.bounds = self_bounds();
		self.stack = self_stack();
	}
	self.until = oracle.every;
	if (on_own_stack())
		compare();
	self.busy = false;
	errno = saved_errno;
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
	static void *(*next)(size_t size);
	void *p;

	/* Whatever allocator the program brings frees what it gave. */
	if (!next)
		next = dlsym(RTLD_NEXT, "malloc");
	p = next(size);
	if (oracle.ready && !self.busy && --self.until >= oracle.every)
		due();
	return p;
}

__attribute__((constructor)) static void begin(void)
{
	const char *every = getenv("ORACLE_EVERY");
	void *lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return;
	oracle.getcontext = dlsym(lib, "_Ux86_64_getcontext");
	oracle.init = dlsym(lib, "_ULx86_64_init_local");
	oracle.step = dlsym(lib, "_ULx86_64_step");
	oracle.get_reg = dlsym(lib, "_ULx86_64_get_reg");
	oracle.is_signal = dlsym(lib, "_ULx86_64_is_signal_frame");
	oracle.rules = self_rules(14);
	oracle.modules = self_modules(1);
	oracle.every = every ? (unsigned)atoi(every) : 1;
	oracle.ready = oracle.getcontext && oracle.init && oracle.step &&
		       oracle.get_reg && oracle.is_signal && oracle.every;
}

__attribute__((destructor)) static void finish(void)
{
	char name[64] = "";
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);

	oracle.ready = false;
	if (fd >= 0) {
		ssize_t n = read(fd, name, sizeof(name) - 1);

		name[n > 0 ? n - 1 : 0] = 0;
		close(fd);
	}
	fd = out_fd();
	dprintf(fd,
		"%d %s: stacks %lu frames %lu deepest %lu broken %lu different "
		"%lu\n",
		(int)getpid(), name, oracle.stacks, oracle.frames,
		oracle.deepest, oracle.broken, oracle.different);
	close(fd);
}
