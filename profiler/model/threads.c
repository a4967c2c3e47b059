/*
 * threads: who allocated, and what it is called.
 */
#include <errno.h>
#include <stdlib.h>

#include "profiler/base/hash.h"
#include "profiler/model/build.h"

/* What Python calls threads: those of a number, the latest first. */
struct names {
	const struct trace_view *v;
	struct hash *latest; /* pid << 32 | tid -> its place, + 1 */
	uint32_t *earlier;   /* by place: of the same number, + 1; 0: none */
};

static uint64_t key_of(int32_t pid, int32_t tid)
{
	return (uint64_t)(uint32_t)pid << 32 | (uint32_t)tid;
}

static int names_index(struct names *n, const struct trace_view *v)
{
	int rc = 0;

	*n = (struct names) {
		.v = v,
		.latest = hash_new(),
		.earlier = calloc(v->thread_count + 1, sizeof(*n->earlier)),
	};
	if (!n->latest || !n->earlier)
		return -ENOMEM;
	for (size_t i = 0; i < v->thread_count && rc >= 0; i++) {
		uint64_t key = key_of(v->threads[i].pid, v->threads[i].tid);
		const uint64_t *before = hash_find(n->latest, key);

		n->earlier[i] = before ? (uint32_t)*before : 0;
		rc = hash_set(n->latest, key, i + 1);
	}
	return rc < 0 ? rc : 0;
}

static void names_fini(struct names *n)
{
	hash_free(n->latest);
	free(n->earlier);
}

/*
 * What Python called it last, else what the kernel did.  A number is used
 * again: what was said after a thread's end is another one's name.
 */
static const char *name_of(const struct names *n, int32_t pid,
			   const struct fold_thread *f)
{
	const uint64_t *latest = hash_find(n->latest, key_of(pid, f->tid));
	uint32_t place = latest ? (uint32_t)*latest : 0;

	for (; place; place = n->earlier[place - 1]) {
		const struct trace_thread *t = &n->v->threads[place - 1];

		if (!f->ended_ns || t->at_ns <= f->ended_ns)
			return t->name;
	}
	return f->name;
}

static int add_threads(struct model *m, const struct trace_view *v,
		       const struct names *names, const struct trace_image *im)
{
	for (size_t k = 0; k < im->result.thread_count; k++) {
		const struct fold_thread *f = &im->result.threads[k];
		struct model_thread *t = &m->threads[m->thread_count++];

		t->pid = im->header.pid;
		t->tid = f->tid;
		t->name = model_string(m, name_of(names, t->pid, f));
		t->began = build_seconds(v, f->began_ns);
		t->ended = f->ended_ns ? build_seconds(v, f->ended_ns) : -1;
		t->allocated_bytes = f->allocated.bytes;
		t->allocations = f->allocated.count;
		if (!t->name)
			return -ENOMEM;
	}
	return 0;
}

int build_threads(struct model *m, const struct trace_view *v)
{
	struct names names;
	size_t count = 0;
	int rc = names_index(&names, v);

	for (size_t i = 0; i < v->image_count; i++)
		count += v->images[i].result.thread_count;
	m->threads = calloc(count + 1, sizeof(*m->threads));
	if (!m->threads)
		rc = -ENOMEM;
	for (size_t i = 0; i < v->image_count && rc == 0; i++)
		rc = add_threads(m, v, &names, &v->images[i]);
	names_fini(&names);
	return rc;
}
