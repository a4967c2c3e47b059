/*
 * heap_watch: see heap_watch.h.
 */
#include "profiler/probe/heap_watch.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/heap.h"
#include "bpf/heap.skel.h"
#include "bpf/targets.h"
#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/probe/allocator.h"
#include "profiler/probe/modules.h"
#include "profiler/probe/uprobe.h"

struct process {
	uint32_t pid, image;
	bool seen;		/* in the look that is going on */
	struct hash *looked_at; /* files */
	VEC(int) links;
};

struct known { /* a file's allocator */
	uint64_t id;
	size_t first, count; /* in functions */
};

struct heap_watch {
	struct heap_bpf *bpf;
	bool session;
	VEC(struct process) processes;
	VEC(struct known) files;
	VEC(struct allocator_function) functions;
	struct heap_watched done;
};

struct heap_watch *heap_watch_new(struct heap_bpf *bpf, bool session)
{
	struct heap_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->bpf = bpf;
	w->session = session;
	return w;
}

static void let_go(struct process *p)
{
	int *link;

	vec_foreach (&p->links, link)
		close(*link);
	vec_free(&p->links);
	hash_free(p->looked_at);
}

void heap_watch_free(struct heap_watch *w)
{
	struct process *p;

	if (!w)
		return;
	vec_foreach (&w->processes, p)
		let_go(p);
	vec_free(&w->processes);
	vec_free(&w->files);
	vec_free(&w->functions);
	free(w);
}

/* The allocator of a file, which is read once; NULL: out of memory. */
static const struct known *known_of(struct heap_watch *w,
				    const struct module *m)
{
	struct allocator_function found[ALLOCATOR_FUNCTIONS_MOST], *slot;
	struct known *k;

	vec_foreach (&w->files, k)
		if (k->id == m->id)
			return k;
	k = vec_push(&w->files);
	if (!k)
		return NULL;
	*k = (struct known) { m->id, w->functions.count, 0 };
	k->count = allocator_functions(m->path, found);
	for (size_t i = 0; i < k->count; i++) {
		slot = vec_push(&w->functions);
		if (!slot) {
			k->count = i;
			break;
		}
		*slot = found[i];
	}
	return k;
}

static uint64_t cookie_of(const struct allocator_function *f)
{
	return HEAP_COOKIE(f->kind, f->at, f->api) |
	       (f->stepped ? HEAP_COOKIE_STEPPED : 0) |
	       (f->passes_new ? HEAP_COOKIE_PASSES : 0);
}

/* The places of those functions that release, or of those that do not. */
static size_t places_of(const struct heap_watch *w, const struct known *k,
			bool release, struct uprobe_place *places)
{
	size_t count = 0;

	for (size_t i = k->first; i < k->first + k->count; i++) {
		const struct allocator_function *f = &w->functions.at[i];

		if ((f->kind == HEAP_RELEASE) == release)
			places[count++] = (struct uprobe_place) {
				.offset = f->offset,
				.cookie = cookie_of(f),
			};
	}
	return count;
}

struct watching { /* a file in a process */
	struct process *process;
	const char *path;
	struct uprobe_place places[ALLOCATOR_FUNCTIONS_MOST];
	size_t count;
};

static int attach(struct watching *at, struct bpf_program *program,
		  bool at_return)
{
	int fds[ALLOCATOR_FUNCTIONS_MOST], *slot, count, rc = 0;

	for (size_t i = 0; i < at->count; i++) {
		at->places[i].path = at->path;
		at->places[i].pid = (int)at->process->pid;
		at->places[i].at_return = at_return;
	}
	count = uprobe_attach_all(program, at->places, at->count, fds);
	for (int i = 0; i < count; i++) {
		slot = vec_push(&at->process->links);
		if (slot) {
			*slot = fds[i];
		} else {
			close(fds[i]);
			rc = -ENOMEM;
		}
	}
	return count < 0 ? count : rc;
}

/* Releases first: of a block that is told of, the death must be seen. */
static int watch(struct heap_watch *w, struct process *p, const char *path,
		 const struct known *k)
{
	struct watching at = { .process = p, .path = path };
	int rc;

	at.count = places_of(w, k, true, at.places);
	rc = attach(&at, w->bpf->progs.heap_release, false);
	at.count = places_of(w, k, false, at.places);
	if (rc == 0 && w->session)
		return attach(&at, w->bpf->progs.heap_session, false);
	if (rc == 0)
		rc = attach(&at, w->bpf->progs.heap_return, true);
	return rc < 0 ? rc : attach(&at, w->bpf->progs.heap_call, false);
}

struct looking {
	struct heap_watch *watch;
	size_t process; /* index */
};

static void note_done(struct heap_watch *w, const struct module *m,
		      const struct known *k)
{
	const char *slash = strrchr(m->name, '/');
	const char *name = slash ? slash + 1 : m->name;
	size_t len = strlen(w->done.names);

	if (!strstr(w->done.names, name))
		snprintf(w->done.names + len, sizeof(w->done.names) - len,
			 "%s%s", len ? ", " : "", name);
	w->done.functions += k->count;
	for (size_t i = k->first; i < k->first + k->count; i++)
		w->done.stepped += w->functions.at[i].stepped;
}

static void look_at(void *context, const struct module *m)
{
	const struct looking *l = context;
	struct heap_watch *w = l->watch;
	struct process *p = &w->processes.at[l->process];
	const struct known *k;
	int rc;

	if (hash_find(p->looked_at, m->id) ||
	    hash_set(p->looked_at, m->id, 1) < 0)
		return;
	k = known_of(w, m);
	if (!k || !k->count)
		return;
	rc = watch(w, p, m->path, k);
	if (rc < 0)
		w->done.refused = rc;
	else
		note_done(w, m, k);
}

static void look_into(struct heap_watch *w, size_t process)
{
	struct looking looking = { w, process };

	modules_each((pid_t)w->processes.at[process].pid, look_at, &looking);
}

/* True: it was known as another program. */
static bool see(struct heap_watch *w, uint32_t pid, uint32_t image, bool deep)
{
	struct process *p;
	bool changed;

	vec_foreach (&w->processes, p) {
		if (p->pid != pid)
			continue;
		changed = p->image != image;
		p->image = image;
		p->seen = true;
		if (changed || deep)
			look_into(w, (size_t)(p - w->processes.at));
		return changed;
	}
	p = vec_push(&w->processes);
	if (!p)
		return false;
	*p = (struct process) { .pid = pid, .image = image, .seen = true };
	p->looked_at = hash_new();
	if (p->looked_at)
		look_into(w, w->processes.count - 1);
	return false;
}

bool heap_watch_look(struct heap_watch *w, int targets, bool deep)
{
	struct target target;
	bool changed = false;
	uint32_t pid, *last = NULL;
	struct process *p;

	vec_foreach (&w->processes, p)
		p->seen = false;
	while (bpf_map_get_next_key(targets, last, &pid) == 0) {
		if (bpf_map_lookup_elem(targets, &pid, &target) == 0)
			changed |= see(w, pid, target.image, deep);
		last = &pid;
	}
	for (size_t i = w->processes.count; i-- > 0;) {
		p = &w->processes.at[i];
		if (p->seen)
			continue;
		let_go(p);
		*p = w->processes.at[--w->processes.count];
		changed = true;
	}
	return changed;
}

bool heap_watch_image(const struct heap_watch *w, uint32_t pid, uint32_t *image)
{
	const struct process *p;

	vec_foreach (&w->processes, p)
		if (p->pid == pid) {
			*image = p->image;
			return true;
		}
	return false;
}

const struct heap_watched *heap_watch_done(const struct heap_watch *w)
{
	return &w->done;
}
