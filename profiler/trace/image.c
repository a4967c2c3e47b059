#include "profiler/trace/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/trace/checkpoint.h"
#include "profiler/trace/codes.h"
#include "profiler/trace/handlers.h"
#include "profiler/trace/weights.h"

#define ATTEMPTS 5 /* a digest is replaced while it is read: once a second */

struct image {
	struct trace_image view;
	struct checkpoint checkpoint;
	char *path, *digest_path;
	int fd;
	uint8_t *scratch; /* SLAB_SIZE */
	struct wire_node *nodes;
	uint32_t node_count, node_capacity;
	VEC(struct trace_module) modules;
	VEC(struct trace_route) routes;
	VEC(struct trace_patch) patches;
	struct weights weights;
	VEC(struct wire_slow) slow;
	VEC(struct trace_slow_part) slow_parts;
	struct codes codes;
	VEC(char *) strings;
	struct err problem;
};

static char *keep(struct image *im, const char *text, size_t len)
{
	char **slot = vec_push(&im->strings);

	if (!slot)
		return NULL;
	*slot = strndup(text, len);
	return *slot;
}

/* Make room for @count nodes; those never written are NODE_UNFINISHED. */
static int node_room(struct image *im, uint32_t count)
{
	uint32_t capacity = im->node_capacity ? im->node_capacity : 4096;
	struct wire_node *grown;

	if (count > im->node_count)
		im->node_count = count;
	if (count <= im->node_capacity)
		return 0;
	while (capacity < count)
		capacity *= 2;
	grown = realloc(im->nodes, capacity * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + im->node_capacity, 0,
	       (capacity - im->node_capacity) * sizeof(*grown));
	im->nodes = grown;
	im->node_capacity = capacity;
	return 0;
}

static int read_nodes(struct image *im, const uint8_t *slab, size_t size)
{
	const struct slab_head *head = (const struct slab_head *)slab;
	const struct wire_node *from = (const struct wire_node *)(head + 1);
	size_t count = (size - sizeof(*head)) / sizeof(*from);
	uint64_t first = head->seq * WIRE_NODES_PER_SLAB;

	if (head->seq > FOLD_NODE_MAX / WIRE_NODES_PER_SLAB) {
		im->view.torn = true;
		return 0;
	}
	while (count && !from[count - 1].kind_module)
		count--;
	if (!count)
		return 0;
	if (node_room(im, (uint32_t)(first + count)) < 0)
		return -ENOMEM;
	memcpy(im->nodes + first, from, count * sizeof(*from));
	return 0;
}

/*
 * A node is made after its caller's, so a parent has the smaller id; who
 * walks to the root may rely on it.
 */
static void check_nodes(struct image *im)
{
	for (uint32_t i = 0; i < im->node_count; i++) {
		struct wire_node *n = &im->nodes[i];

		if (wire_node_kind(n) == NODE_MIXED && n->value > i) {
			n->value = 0;
			im->view.torn = true;
		}
		if (n->parent <= i)
			continue;
		n->parent = 0;
		im->view.torn = true;
	}
}

static int read_module(struct image *im, const struct wire_module *w)
{
	struct trace_module *m = vec_push(&im->modules);

	if (!m)
		return -ENOMEM;
	*m = (struct trace_module) {
		.id = w->id,
		.build_id_size = w->build_id_size <= sizeof(w->build_id)
					 ? w->build_id_size
					 : 0,
		.bias = w->bias,
		.start = w->start,
		.end = w->end,
		.ticks = w->ticks,
		.path = keep(im, w->path, w->head.size - sizeof(*w)),
	};
	memcpy(m->build_id, w->build_id, sizeof(m->build_id));
	return m->path ? 0 : -ENOMEM;
}

static int read_route(struct image *im, const struct wire_route *w)
{
	struct trace_route *r = vec_push(&im->routes);

	if (!r)
		return -ENOMEM;
	r->id = w->id;
	r->text = keep(im, w->text, w->head.size - sizeof(*w));
	return r->text ? 0 : -ENOMEM;
}

static int read_patch(struct image *im, const struct wire_patch *w)
{
	size_t size = w->head.size - sizeof(*w);
	size_t name = strnlen(w->text, size);
	struct trace_patch *p;

	if (name == size) /* no NUL: not of this format */
		return 0;
	p = vec_push(&im->patches);
	if (!p)
		return -ENOMEM;
	*p = (struct trace_patch) {
		.function = keep(im, w->text, name),
		.module = keep(im, w->text + name + 1, size - name - 1),
		.state = w->state < PATCH_NSTATES ? w->state : PATCH_NSTATES,
	};
	return p->function && p->module ? 0 : -ENOMEM;
}

static int read_slow(struct image *im, const struct wire_slow *w)
{
	struct wire_slow *s = vec_push(&im->slow);

	size_t size = w->head.size < sizeof(*s) ? w->head.size : sizeof(*s);

	if (!s)
		return -ENOMEM;
	*s = (struct wire_slow) { 0 };
	memcpy(s, w, size);
	return 0;
}

static bool part_ok(const struct wire_slow_part *p)
{
	return (p->kind == WEIGHT_CPU || p->kind == WEIGHT_OFFCPU) &&
	       p->who < SLOW_NWHOS && p->why < BLOCKED_NREASONS &&
	       p->node <= FOLD_NODE_MAX;
}

static int read_slow_parts(struct image *im, const struct wire_slow_parts *w)
{
	size_t count = (w->head.size - sizeof(*w)) / sizeof(w->at[0]);

	for (size_t i = 0; i < count; i++) {
		struct trace_slow_part *p;

		if (!part_ok(&w->at[i]))
			continue;
		p = vec_push(&im->slow_parts);
		if (!p)
			return -ENOMEM;
		*p = (struct trace_slow_part) { w->at_ns, w->route, w->at[i] };
	}
	return 0;
}

static int read_meta_record(void *context, const struct wire_head *w)
{
	if (w->type == WIRE_MODULE && w->size > sizeof(struct wire_module))
		return read_module(context, (const struct wire_module *)w);
	if (w->type == WIRE_ROUTE && w->size > sizeof(struct wire_route))
		return read_route(context, (const struct wire_route *)w);
	if (w->type == WIRE_PATCH && w->size > sizeof(struct wire_patch))
		return read_patch(context, (const struct wire_patch *)w);
	if (w->type == WIRE_CODE || w->type == WIRE_PYTHON)
		return codes_record(&((struct image *)context)->codes, w);
	if (w->type == WIRE_SLOW && w->size >= WIRE_SLOW_OLD)
		return read_slow(context, (const struct wire_slow *)w);
	if (w->type == WIRE_SLOW_PARTS &&
	    w->size >= sizeof(struct wire_slow_parts))
		return read_slow_parts(context,
				       (const struct wire_slow_parts *)w);
	return weights_record(&((struct image *)context)->weights, w);
}

static int visit_slab(void *context, uint64_t number,
		      const struct slab_head *head)
{
	struct image *im = context;
	size_t size;

	if (head->kind != SLAB_NODES && head->kind != SLAB_META)
		return 0;
	size = slabfile_read(im->fd, number, im->scratch);
	if (!size) {
		im->view.torn = true;
		return 0;
	}
	if (head->kind == SLAB_NODES)
		return read_nodes(im, im->scratch, size);
	return slabfile_records(im->scratch, size, &im->view.torn,
				read_meta_record, im);
}

static int by_id(const void *a, const void *b)
{
	const struct trace_module *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int by_route(const void *a, const void *b)
{
	const struct trace_route *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Every stack's node is one of nodes[].  0 or -ENOMEM. */
static int need_nodes(struct image *im)
{
	const struct trace_image *v = &im->view;
	const struct trace_slow_part *p;
	uint32_t most = 0;

	if (v->result.stack_count)
		most = v->result.stacks[v->result.stack_count - 1].node;
	if (v->weight_count && v->weights[v->weight_count - 1].node > most)
		most = v->weights[v->weight_count - 1].node;
	vec_foreach (&im->slow_parts, p)
		if (p->part.node > most)
			most = p->part.node;
	return most ? node_room(im, most) : 0;
}

static int fill_view(struct image *im)
{
	struct trace_image *v = &im->view;
	struct fold *fold = im->checkpoint.fold;
	int rc = fold_finish(fold, &v->header);

	if (rc < 0)
		return rc;
	v->result = *fold_result(fold);
	v->result.torn_slabs += im->checkpoint.bad_heads;
	weights_finish(&im->weights, v);
	v->slow = im->slow.at;
	v->slow_count = im->slow.count;
	codes_finish(&im->codes, v);
	v->slow_parts = im->slow_parts.at;
	v->slow_part_count = im->slow_parts.count;
	if (need_nodes(im) < 0)
		return -ENOMEM;
	check_nodes(im);
	if (im->modules.count)
		qsort(im->modules.at, im->modules.count,
		      sizeof(*im->modules.at), by_id);
	v->file = im->path;
	v->nodes = im->nodes;
	v->node_count = im->node_count;
	v->modules = im->modules.at;
	v->module_count = im->modules.count;
	if (im->routes.count)
		qsort(im->routes.at, im->routes.count, sizeof(*im->routes.at),
		      by_route);
	v->routes = im->routes.at;
	v->route_count = im->routes.count;
	v->patches = im->patches.at;
	v->patch_count = im->patches.count;
	v->torn |= v->result.torn_slabs ||
		   (!v->header.ended_monotonic_ns && !v->probed);
	return 0;
}

static void forget(struct image *im)
{
	char **s;

	vec_foreach (&im->strings, s)
		free(*s);
	im->strings.count = 0;
	im->modules.count = 0;
	im->routes.count = 0;
	im->patches.count = 0;
	weights_fini(&im->weights);
	im->slow.count = 0;
	im->slow_parts.count = 0;
	codes_fini(&im->codes);
	im->view.torn = im->view.headless = false;
	checkpoint_fini(&im->checkpoint);
}

/* What tells the digest that lies there now from any other; 0: none. */
static uint64_t digest_now(const struct image *im)
{
	struct stat sb;

	if (stat(im->digest_path, &sb) < 0)
		return 0;
	return hash_mix((uint64_t)sb.st_ino << 32 ^
			(uint64_t)sb.st_mtim.tv_sec * 1000000000ULL ^
			(uint64_t)sb.st_mtim.tv_nsec);
}

static int load_checkpoint(struct image *im)
{
	struct err err = ERR_INIT;
	int rc = checkpoint_load(&im->checkpoint, im->digest_path,
				 &im->view.header, &err);

	if (rc == 0)
		return 0;
	if (rc != -ENOENT && rc != -ENOTDIR) { /* read what else there is */
		im->problem = err;
		im->view.torn = im->view.headless = true;
	}
	return checkpoint_init(&im->checkpoint, &im->view.header);
}

static int read_once(struct image *im, struct err *err)
{
	int rc = slabfile_header(im->fd, im->path, &im->view.header, err);

	if (rc < 0)
		return rc;
	rc = load_checkpoint(im);
	if (rc == 0)
		rc = checkpoint_survey(&im->checkpoint, im->fd, visit_slab, im);
	if (rc == 0)
		rc = checkpoint_fold(&im->checkpoint, im->fd, UINT64_MAX);
	if (rc < 0)
		return err_set(err, rc, "cannot read %s: %s", im->path,
			       strerror(-rc));
	return 0;
}

/*
 * A strandline process may digest the file meanwhile: what it gave back after
 * we read its older digest is in the newer one, so begin again.
 */
static int read_whole(struct image *im, struct err *err)
{
	int rc;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		uint64_t digest = digest_now(im);

		forget(im);
		rc = read_once(im, err);
		if (rc < 0)
			return rc;
		if (digest_now(im) == digest)
			break;
	}
	rc = fill_view(im);
	if (rc < 0)
		err_set(err, rc, "out of memory reading %s", im->path);
	return rc;
}

int image_open(struct image **out, const char *path, struct err *err)
{
	struct image *im = calloc(1, sizeof(*im));
	int rc = -ENOMEM;

	*out = NULL;
	if (!im)
		return err_set(err, -ENOMEM, "out of memory");
	im->fd = -1;
	im->path = strdup(path);
	im->view.probed = slabfile_is_probed(basename(path));
	im->scratch = malloc(SLAB_SIZE);
	if (!im->path || !im->scratch ||
	    asprintf(&im->digest_path, "%s" CHECKPOINT_SUFFIX, path) < 0) {
		err_set(err, rc, "out of memory");
		goto close_image;
	}
	im->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (im->fd < 0) {
		rc = err_errno(err, "cannot open %s", path);
		goto close_image;
	}
	rc = read_whole(im, err);
	if (rc < 0)
		goto close_image;
	close(im->fd);
	im->fd = -1;
	free(im->scratch);
	im->scratch = NULL;
	*out = im;
	return 0;

close_image:
	image_close(im);
	return rc;
}

void image_close(struct image *im)
{
	if (!im)
		return;
	forget(im);
	if (im->fd >= 0)
		close(im->fd);
	vec_free(&im->strings);
	vec_free(&im->modules);
	vec_free(&im->routes);
	vec_free(&im->patches);
	vec_free(&im->slow);
	vec_free(&im->slow_parts);
	free(im->nodes);
	free(im->scratch);
	free(im->digest_path);
	free(im->path);
	free(im);
}

int image_charge(struct image *im, const struct trace_handler *handlers,
		 size_t count)
{
	/* They are the fold's, and so this image's. */
	struct fold_stack *stacks = (struct fold_stack *)im->view.result.stacks;

	return handlers_charge(&im->view, stacks, handlers, count);
}

const struct trace_image *image_view(const struct image *im)
{
	return &im->view;
}

const char *image_problem(const struct image *im)
{
	return im->problem.text;
}
