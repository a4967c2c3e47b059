#include "profiler/attach/pyframes.h"

#include <errno.h>
#include <stdlib.h>

#include "profiler/attach/pages.h"
#include "profiler/sym/pyline.h"

#define FRAMES_THREAD	  16384UL /* of one thread; then it is cut */
#define FRAMES_ALL	  262144UL
#define INTERPRETERS_MOST 10000
#define LINES_MOST	  (16U << 20) /* bytes of a table; more is damage */

static bool read_kept(void *context, uint64_t at, void *to, size_t size)
{
	return pages_read(context, at, to, size);
}

static bool read_now(void *context, uint64_t at, void *to, size_t size)
{
	return remote_read(context, at, to, size) == 0;
}

static struct cpython_reader reader_of_stop(struct pyframes *p)
{
	return (struct cpython_reader) { read_kept, p->pages };
}

static struct cpython_reader reader_of_now(struct pyframes *p)
{
	return (struct cpython_reader) { read_now, &p->there };
}

/* The image that exports an interpreter's symbols. */
static bool find_symbols(struct images *images,
			 uint64_t symbols[CPYTHON_NSYMBOLS])
{
	const struct image_map *m;
	size_t pos = 0;
	bool found = false;

	while (!found && (m = images_next(images, &pos))) {
		if (!m->is_elf || !m->dynamic)
			continue;
		for (int i = 0; i < CPYTHON_NSYMBOLS; i++)
			symbols[i] =
				images_export(images, m,
					      cpython_symbol_name(
						      (enum cpython_symbol)i));
		found = symbols[CPYTHON_RUNTIME] || symbols[CPYTHON_PYPY];
	}
	return found;
}

int pyframes_find(struct pyframes *p, struct images *images,
		  const struct remote *there)
{
	uint64_t symbols[CPYTHON_NSYMBOLS];
	struct cpython_reader r;

	*p = (struct pyframes) { .there = *there };
	p->verdict = CPYTHON_ABSENT;
	if (!find_symbols(images, symbols))
		return 0;
	p->pages = pages_new(there);
	/* Touched now, not while the process stands still. */
	if (!p->pages || vec_reserve(&p->threads, PYFRAMES_THREADS) < 0 ||
	    vec_reserve(&p->frames, FRAMES_THREAD) < 0)
		return -ENOMEM;
	r = reader_of_now(p);
	p->verdict = cpython_open(&p->layout, &r, symbols);
	return 0;
}

static void copy_thread(struct pyframes *p, const struct cpython_reader *r,
			const struct cpython_thread *id)
{
	struct pyframes_thread *t = vec_push(&p->threads);
	size_t left = FRAMES_ALL - p->frames.count;

	if (left > FRAMES_THREAD)
		left = FRAMES_THREAD;
	if (!t || vec_reserve(&p->frames, p->frames.count + left) < 0)
		return;
	t->id = *id;
	t->first = p->frames.count;
	t->count = cpython_frames(&p->layout, r, id->state,
				  p->frames.at + t->first, left);
	p->frames.count += t->count;
}

static bool has_interpreter(const struct pyframes *p,
			    const struct cpython_reader *r)
{
	uint64_t first = 0;

	return r->read(r->context,
		       p->layout.runtime + p->layout.in_runtime.interpreters,
		       &first, sizeof(first)) &&
	       first;
}

void pyframes_copy(struct pyframes *p)
{
	struct cpython_thread *ids;
	struct cpython_reader r;
	size_t count;

	if (p->verdict != CPYTHON_OK)
		return;
	ids = calloc(PYFRAMES_THREADS, sizeof(*ids));
	if (!ids)
		return;
	r = reader_of_stop(p);
	count = cpython_threads(&p->layout, &r, ids, PYFRAMES_THREADS);
	/* Where there is an interpreter, it has a thread. */
	p->verdict =
		count || !has_interpreter(p, &r) ? CPYTHON_EARLY : CPYTHON_ODD;
	for (size_t i = 0; i < count && p->verdict == CPYTHON_EARLY; i++)
		p->verdict = cpython_check(&p->layout, &r, ids[i].state);
	for (size_t i = 0; i < count && p->verdict == CPYTHON_OK; i++)
		copy_thread(p, &r, &ids[i]);
	free(ids);
}

bool pyframes_code(struct pyframes *p, const struct cpython_frame *f,
		   struct cpython_code *code, uint32_t *line)
{
	struct cpython_reader r = reader_of_now(p);
	struct pyline_table lines;
	uint8_t *table;

	*line = 0;
	if (!cpython_code(&p->layout, &r, f->code, code))
		return false;
	if (code->lines_size > LINES_MOST)
		return true;
	table = malloc(code->lines_size + 1UL);
	lines = (struct pyline_table) {
		.version = p->layout.version,
		.first_line = code->first_line,
		.bytes = table,
		.size = code->lines_size,
	};
	if (table &&
	    remote_read(&p->there, code->lines, table, code->lines_size) == 0)
		*line = pyline(&lines, f->instruction);
	free(table);
	return true;
}

const struct pyframes_thread *pyframes_thread(const struct pyframes *p,
					      uint64_t ident, uint64_t native)
{
	const struct pyframes_thread *t;

	vec_foreach (&p->threads, t)
		if (ident ? t->id.ident == ident
			  : native && t->id.native == native)
			return t;
	return NULL;
}

const struct pyframes_thread *pyframes_outer(
	const struct pyframes *p, const struct pyframes_thread *inner)
{
	const struct pyframes_thread *t = inner + 1;
	const struct pyframes_thread *end = p->threads.at + p->threads.count;

	while (t < end && (t->id.ident != inner->id.ident || !t->count))
		t++;
	return t < end ? t : NULL;
}

void pyframes_fini(struct pyframes *p)
{
	pages_free(p->pages);
	vec_free(&p->threads);
	vec_free(&p->frames);
	*p = (struct pyframes) { 0 };
}

uint64_t pyframes_modules(const struct pyframes *p)
{
	const struct cpython *py = &p->layout;
	uint64_t at = 0, id = 0, modules = 0;
	int steps = 0;

	if (p->verdict != CPYTHON_OK ||
	    remote_read(&p->there, py->runtime + py->in_runtime.interpreters,
			&at, sizeof(at)) < 0)
		return 0;
	/* The main interpreter is number 0, and the last of the list. */
	while (at && steps++ < INTERPRETERS_MOST) {
		if (remote_read(&p->there, at + py->in_interpreter.id, &id,
				sizeof(id)) < 0)
			return 0;
		if (id == 0)
			break;
		if (remote_read(&p->there, at + py->in_interpreter.next, &at,
				sizeof(at)) < 0)
			return 0;
	}
	if (!at || remote_read(&p->there, at + py->in_interpreter.modules,
			       &modules, sizeof(modules)) < 0)
		return 0;
	return modules;
}
