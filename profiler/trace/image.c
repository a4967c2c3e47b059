#include "profiler/trace/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/trace/events.h"

#define NODES_MAX (16u << 20)

struct image {
	struct trace_image view;
	char *path;
	int fd;
	struct wire_node *nodes;
	uint32_t node_count, node_capacity;
	VEC(struct trace_module) modules;
	VEC(struct trace_code) codes;
	VEC(char *) strings;
	VEC(struct events_slab) slabs;
	struct fold *fold;
};

int image_read_header(int fd, const char *name, struct slab_file *header,
		      struct err *err)
{
	ssize_t got = pread(fd, header, sizeof(*header), 0);

	if (got < 0)
		return err_errno(err, "cannot read %s", name);
	if ((size_t)got < sizeof(*header))
		return err_set(err, -EBADMSG,
			       "%s: %zd bytes, too short for a recording", name,
			       got);
	if (header->magic != SLAB_FILE_MAGIC)
		return err_set(err, -EBADMSG,
			       "%s: not a strandline recording, or one whose "
			       "process was killed while it began",
			       name);
	if (header->format > SLAB_FORMAT)
		return err_set(err, -EPROTO,
			       "%s: recorded by a newer strandline (format "
			       "%u); upgrade to read it",
			       name, header->format);
	if (header->header_size != SLAB_FILE_HEADER_SIZE ||
	    header->slab_size != SLAB_SIZE)
		return err_set(err, -EBADMSG, "%s: damaged header", name);
	header->exe[sizeof(header->exe) - 1] = 0;
	header->comm[sizeof(header->comm) - 1] = 0;
	header->version[sizeof(header->version) - 1] = 0;
	header->command[sizeof(header->command) - 1] = 0;
	return 0;
}

static char *keep(struct image *im, const char *text, size_t len)
{
	char **slot = vec_push(&im->strings);

	if (!slot)
		return NULL;
	*slot = strndup(text, len);
	return *slot;
}

static int node_room(struct image *im, uint64_t count)
{
	uint32_t capacity = im->node_capacity ? im->node_capacity : 4096;
	struct wire_node *grown;

	if (count > NODES_MAX)
		return -EBADMSG;
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

static int read_nodes(struct image *im, const uint8_t *bytes, size_t size)
{
	const struct slab_head *head = (const struct slab_head *)bytes;
	uint64_t first = head->seq * WIRE_NODES_PER_SLAB;
	size_t count = (size - sizeof(*head)) / sizeof(struct wire_node);
	int rc;

	if (head->seq > NODES_MAX / WIRE_NODES_PER_SLAB) {
		im->view.torn = true;
		return 0;
	}
	rc = node_room(im, first + count);
	if (rc < 0)
		return rc;
	memcpy(im->nodes + first, head + 1, count * sizeof(struct wire_node));
	if (first + count > im->node_count)
		im->node_count = (uint32_t)(first + count);
	return 0;
}

static int read_module(struct image *im, const struct wire_module *w)
{
	size_t room = w->head.size - sizeof(*w);
	struct trace_module *m = vec_push(&im->modules);

	if (!m)
		return -ENOMEM;
	*m = (struct trace_module) {
		.id = w->id,
		.build_id_size = w->build_id_size <= 32 ? w->build_id_size : 0,
		.bias = w->bias,
		.start = w->start,
		.end = w->end,
		.ticks = w->ticks,
		.path = keep(im, w->path, room),
	};
	memcpy(m->build_id, w->build_id, sizeof(m->build_id));
	return m->path ? 0 : -ENOMEM;
}

static int read_meta(struct image *im, const uint8_t *bytes, size_t size)
{
	const struct slab_head *head = (const struct slab_head *)bytes;
	const uint8_t *at = (const uint8_t *)(head + 1);
	size_t room = size - sizeof(*head);

	if (head->used < room)
		room = head->used;
	while (room >= sizeof(struct wire_head)) {
		const struct wire_head *w = (const struct wire_head *)at;
		int rc = 0;

		if (w->size < sizeof(*w) || w->size > room || w->size % 8) {
			im->view.torn = true;
			break;
		}
		if (w->type == WIRE_MODULE &&
		    w->size > sizeof(struct wire_module))
			rc = read_module(im, (const void *)w);
		if (rc < 0)
			return rc;
		at += w->size;
		room -= w->size;
	}
	return 0;
}

static int read_slab(struct image *im, uint64_t number,
		     const struct slab_head *head, uint8_t *scratch)
{
	struct events_slab *slab;
	ssize_t got;

	if (head->kind == SLAB_EVENTS) {
		slab = vec_push(&im->slabs);
		if (!slab)
			return -ENOMEM;
		*slab = (struct events_slab) { number, head->first_ticks,
					       head->tid };
		return 0;
	}
	got = pread(im->fd, scratch, SLAB_SIZE, (off_t)slab_offset(number));
	if (got < (ssize_t)sizeof(*head)) {
		im->view.torn = true;
		return 0;
	}
	if (head->kind == SLAB_NODES)
		return read_nodes(im, scratch, (size_t)got);
	if (head->kind == SLAB_META)
		return read_meta(im, scratch, (size_t)got);
	return 0;
}

static int read_slabs(struct image *im)
{
	uint8_t *scratch = malloc(SLAB_SIZE);
	struct slab_head head;
	struct stat sb;
	uint64_t count;
	int rc = 0;

	if (!scratch)
		return -ENOMEM;
	if (fstat(im->fd, &sb) < 0) {
		rc = -errno;
		goto free_scratch;
	}
	count = (uint64_t)sb.st_size > SLAB_FILE_HEADER_SIZE
			? ((uint64_t)sb.st_size - SLAB_FILE_HEADER_SIZE +
			   SLAB_SIZE - 1) /
				  SLAB_SIZE
			: 0;
	for (uint64_t n = 0; n < count && rc == 0; n++) {
		ssize_t got = pread(im->fd, &head, sizeof(head),
				    (off_t)slab_offset(n));

		if (got < (ssize_t)sizeof(head))
			im->view.torn = true;
		else if (head.magic == SLAB_MAGIC)
			rc = read_slab(im, n, &head, scratch);
		else if (head.magic)
			im->view.torn = true;
	}
free_scratch:
	free(scratch);
	return rc;
}

static int by_id(const void *a, const void *b)
{
	const struct trace_module *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int fill_view(struct image *im)
{
	struct trace_image *v = &im->view;
	uint64_t torn = 0;
	int rc;

	if (im->modules.count)
		qsort(im->modules.at, im->modules.count,
		      sizeof(*im->modules.at), by_id);
	im->fold = fold_new(&v->header);
	if (!im->fold)
		return -ENOMEM;
	rc = events_fold(im->fd, im->slabs.at, im->slabs.count, im->fold,
			 &torn);
	if (rc == 0)
		rc = fold_finish(im->fold);
	v->file = im->path;
	v->nodes = im->nodes;
	v->node_count = im->node_count;
	v->modules = im->modules.at;
	v->module_count = im->modules.count;
	v->result = *fold_result(im->fold);
	v->result.torn_slabs = torn;
	v->torn |= torn || !v->header.ended_monotonic_ns;
	return rc;
}

int image_open(struct image **out, const char *path, struct err *err)
{
	struct image *im = calloc(1, sizeof(*im));
	int rc = -ENOMEM;

	*out = NULL;
	if (!im)
		return err_set(err, -ENOMEM, "out of memory");
	im->path = strdup(path);
	im->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (im->fd < 0) {
		rc = err_errno(err, "cannot open %s", path);
		goto close_image;
	}
	rc = image_read_header(im->fd, path, &im->view.header, err);
	if (rc < 0)
		goto close_image;
	rc = read_slabs(im);
	if (rc == 0)
		rc = fill_view(im);
	if (rc < 0) {
		err_set(err, rc, "cannot read %s: %s", path, strerror(-rc));
		goto close_image;
	}
	close(im->fd);
	im->fd = -1;
	vec_free(&im->slabs);
	*out = im;
	return 0;

close_image:
	image_close(im);
	return rc;
}

void image_close(struct image *im)
{
	char **s;

	if (!im)
		return;
	if (im->fd >= 0)
		close(im->fd);
	vec_foreach (&im->strings, s)
		free(*s);
	vec_free(&im->strings);
	vec_free(&im->modules);
	vec_free(&im->codes);
	vec_free(&im->slabs);
	fold_free(im->fold);
	free(im->nodes);
	free(im->path);
	free(im);
}

const struct trace_image *image_view(const struct image *im)
{
	return &im->view;
}
