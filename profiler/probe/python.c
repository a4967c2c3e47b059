/*
 * python: see python.h.
 */
#include "profiler/probe/python.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/stack.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/probe/tables.h"
#include "profiler/proc/remote.h"
#include "profiler/sym/dynsym.h"
#include "profiler/trace/probefile.h"
#include "profiler/unwind/cpython.h"

#define THREADS_MOST 256
#define ATTEMPTS     200
#define ODD_MOST     16		 /* times so many, a second apart */
#define LINES_MOST   (16u << 20) /* bytes of a table; more is damage */

struct python {
	pid_t pid;
	struct remote there;
	enum cpython_verdict verdict;
	struct cpython layout;
	uint64_t space; /* hash of that in which it was looked for */
	int odd;
	struct hash *codes;    /* address and looks -> id */
	struct hash *contents; /* what it says -> id */
};

struct python *python_new(pid_t pid)
{
	struct python *py = calloc(1, sizeof(*py));

	if (!py)
		return NULL;
	py->pid = pid;
	py->there = remote_process(pid);
	py->verdict = CPYTHON_ABSENT;
	py->codes = hash_new();
	py->contents = hash_new();
	if (py->codes && py->contents)
		return py;
	python_free(py);
	return NULL;
}

void python_free(struct python *py)
{
	if (!py)
		return;
	hash_free(py->codes);
	hash_free(py->contents);
	free(py);
}

static bool read_there(void *context, uint64_t at, void *to, size_t size)
{
	return remote_read(context, at, to, size) == 0;
}

static struct cpython_reader reader_of(struct python *py)
{
	return (struct cpython_reader) { read_there, &py->there };
}

/* An interpreter is a program, or a library whose name says so. */
static bool may_be_python(const char *path, bool first)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash : path;

	return first || strstr(name, "python") || strstr(name, "pypy");
}

static bool find_symbols(const char *path, uint64_t bias,
			 uint64_t symbols[CPYTHON_NSYMBOLS])
{
	const char *names[CPYTHON_NSYMBOLS];
	struct err why = ERR_INIT;

	for (int i = 0; i < CPYTHON_NSYMBOLS; i++)
		names[i] = cpython_symbol_name((enum cpython_symbol)i);
	if (dynsym_find(path, names, CPYTHON_NSYMBOLS, symbols, &why) <= 0)
		return false;
	for (int i = 0; i < CPYTHON_NSYMBOLS; i++)
		if (symbols[i])
			symbols[i] += bias;
	return symbols[CPYTHON_RUNTIME] || symbols[CPYTHON_PYPY];
}

static void find(struct python *py, struct tables *tables,
		 const struct tables_space *space)
{
	uint64_t symbols[CPYTHON_NSYMBOLS];
	struct cpython_reader r = reader_of(py);
	uint32_t last = 0;

	for (size_t i = 0; i < space->count; i++) {
		const struct tables_range *range = &space->ranges[i];
		const struct tables_module *m =
			tables_module(tables, range->module);

		if (!m || range->module == last ||
		    !may_be_python(m->path, last == 0))
			continue;
		last = range->module;
		if (!find_symbols(m->path, range->bias, symbols))
			continue;
		py->verdict = cpython_open(&py->layout, &r, symbols);
		if (py->verdict == CPYTHON_OK)
			py->verdict = CPYTHON_EARLY; /* until it was checked */
		return;
	}
}

/* Where there is an interpreter, it has a thread. */
static bool has_interpreter(const struct python *py)
{
	uint64_t first;

	return remote_read(&py->there,
			   py->layout.runtime +
				   py->layout.in_runtime.interpreters,
			   &first, sizeof(first)) == 0 &&
	       first;
}

/* By any thread. */
static enum cpython_verdict check_threads(struct python *py,
					  struct cpython_thread *threads)
{
	struct cpython_reader r = reader_of(py);
	size_t count = cpython_threads(&py->layout, &r, threads, THREADS_MOST);
	enum cpython_verdict verdict = CPYTHON_EARLY, one;

	if (!count && has_interpreter(py))
		return CPYTHON_ODD;
	for (size_t i = 0; i < count && verdict != CPYTHON_OK; i++) {
		one = cpython_check(&py->layout, &r, threads[i].state);
		if (one != CPYTHON_EARLY)
			verdict = one;
	}
	return verdict;
}

/* Those that run are between two frames more often than not. */
static void check(struct python *py)
{
	struct cpython_thread *threads = calloc(THREADS_MOST, sizeof(*threads));
	enum cpython_verdict verdict = CPYTHON_ODD;

	if (!threads)
		return;
	for (int i = 0; i < ATTEMPTS && verdict == CPYTHON_ODD; i++)
		verdict = check_threads(py, threads);
	free(threads);
	if (verdict == CPYTHON_ODD && ++py->odd < ODD_MOST)
		verdict = CPYTHON_EARLY;
	py->verdict = verdict;
}

static uint32_t last_of(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t code_size(const struct cpython *l)
{
	uint32_t last =
		last_of(last_of(l->in_code.file, l->in_code.lines),
			last_of(l->in_code.qualname, l->in_code.first_line));

	return last + 8;
}

/* What the programs need of it; false: it is too large for them. */
static bool for_kernel(const struct cpython *l, struct stack_python *to)
{
	*to = (struct stack_python) {
		.interpreters = l->runtime + l->in_runtime.interpreters,
		.code_type = l->code_type,
		.interpreter_next = l->in_interpreter.next,
		.interpreter_threads = l->in_interpreter.threads,
		.thread_next = l->in_thread.next,
		.thread_ident = l->in_thread.ident,
		.thread_frame = l->in_thread.frame,
		.thread_cframe = l->in_thread.cframe,
		.cframe_frame = l->in_cframe.frame,
		.frame_size = l->in_frame.size,
		.frame_previous = l->in_frame.previous,
		.frame_code = l->in_frame.code,
		.frame_instruction = l->in_frame.instruction,
		.frame_owner = l->in_frame.owner,
		.frame_entry = l->in_frame.entry,
		.code_size = code_size(l),
		.code_line = l->in_code.first_line,
		.code_file = l->in_code.file,
		.code_name = l->in_code.qualname,
		.code_lines = l->in_code.lines,
		.code_instructions = l->in_code.instructions,
		.index_scale = l->index_scale,
		.entry_flag = l->entry_flag,
		.entry_owner = l->entry_owner,
		.finest_tag = l->finest_tag,
	};
	return to->frame_size <= STACK_PYTHON_FRAME_SIZE &&
	       to->code_size <= STACK_PYTHON_CODE_SIZE;
}

static void tell(const struct python *py, struct probefile *file)
{
	const char *reason = cpython_reason(py->verdict);
	char link[64], folder[PATH_MAX] = "";
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/cwd", (int)py->pid);
	n = readlink(link, folder, sizeof(folder) - 1);
	folder[n > 0 ? n : 0] = 0;
	(void)probefile_python(file, &(struct probefile_python) {
					     .version = py->layout.version,
					     .reason = reason ? reason : "",
					     .folder = folder,
				     });
}

void python_look(struct python *py, struct tables *tables,
		 const struct tables_space *space, struct probefile *file)
{
	struct stack_python kernel;

	if (py->verdict == CPYTHON_ABSENT && py->space != space->hash) {
		py->space = space->hash;
		find(py, tables, space);
		if (cpython_reason(py->verdict))
			tell(py, file);
	}
	if (py->verdict != CPYTHON_EARLY)
		return;
	check(py);
	if (py->verdict == CPYTHON_OK &&
	    (!for_kernel(&py->layout, &kernel) ||
	     tables_python(tables, py->pid, &kernel) < 0))
		py->verdict = CPYTHON_ODD;
	if (py->verdict != CPYTHON_EARLY)
		tell(py, file);
}

void python_forget(struct python *py, struct tables *tables)
{
	if (py->verdict == CPYTHON_OK)
		(void)tables_python(tables, py->pid, NULL);
	py->verdict = CPYTHON_ABSENT;
	py->space = 0;
	py->odd = 0;
}

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		h = (h ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ULL;
	return hash_mix(h + size);
}

/* Code that is made over and over is written once. */
static uint32_t id_of(struct python *py, struct probefile *file,
		      const struct probefile_code *code)
{
	uint64_t h = hash_bytes(code->first_line, code->qualname,
				strlen(code->qualname)),
		 *found;
	uint32_t id;

	h = hash_bytes(h, code->file, strlen(code->file));
	h = hash_bytes(h, code->lines, code->lines_size);
	found = hash_find(py->contents, h);
	if (found)
		return (uint32_t)*found;
	id = probefile_code(file, code);
	if (id)
		(void)hash_set(py->contents, h, id);
	return id;
}

static uint32_t learn(struct python *py, struct probefile *file,
		      uint64_t address)
{
	struct cpython_reader r = reader_of(py);
	struct cpython_code code;
	uint8_t *lines;
	uint32_t id = 0;

	if (!cpython_code(&py->layout, &r, address, &code) ||
	    code.lines_size > LINES_MOST)
		return 0;
	lines = malloc(code.lines_size + 1UL);
	if (lines &&
	    remote_read(&py->there, code.lines, lines, code.lines_size) == 0)
		id = id_of(py, file,
			   &(struct probefile_code) {
				   .qualname = code.qualname,
				   .file = code.file,
				   .first_line = code.first_line,
				   .version = py->layout.version,
				   .lines = lines,
				   .lines_size = code.lines_size,
			   });
	free(lines);
	return id;
}

uint32_t python_code(struct python *py, struct probefile *file,
		     uint64_t address, uint32_t looks)
{
	uint64_t key = hash_mix(address ^ (uint64_t)looks << 33);
	uint64_t *found = hash_find(py->codes, key);
	uint32_t id;

	if (found)
		return (uint32_t)*found;
	id = learn(py, file, address);
	if (id)
		(void)hash_set(py->codes, key, id);
	return id;
}
