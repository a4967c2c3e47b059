#include "profiler/trace/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/trace/slabfile.h"

#define HANDLERS_MAX 4096

static char *keep(struct host *h, char *text)
{
	char **slot = text ? vec_push(&h->strings) : NULL;

	if (!slot) {
		free(text);
		return NULL;
	}
	*slot = text;
	return text;
}

/* Words that each end with NUL, the last with two, joined by spaces. */
static char *join_words(const char *at, size_t room)
{
	char *text = malloc(room + 1);
	size_t len = 0;

	if (!text)
		return NULL;
	while (room && *at) {
		size_t n = strnlen(at, room);

		if (len)
			text[len++] = ' ';
		memcpy(text + len, at, n);
		len += n;
		at += n < room ? n + 1 : n;
		room -= n < room ? n + 1 : n;
	}
	text[len] = 0;
	return text;
}

static int add_process(struct host *h, const struct wire_process *w)
{
	struct trace_process *p = vec_push(&h->processes);
	size_t room = w->head.size - sizeof(*w), n = strnlen(w->exe, room);

	if (!p)
		return -ENOMEM;
	*p = (struct trace_process) {
		.pid = w->pid,
		.ppid = w->ppid,
		.at_ns = w->at_ns,
		.ended = w->ended,
		.wait_status = w->wait_status,
		.exe = keep(h, strndup(w->exe, n)),
	};
	n = n < room ? n + 1 : n;
	p->command = keep(h, join_words(w->exe + n, room - n));
	return p->exe && p->command ? 0 : -ENOMEM;
}

static int add_mark(struct host *h, const struct wire_mark *w)
{
	struct trace_mark *m = vec_push(&h->marks);

	if (!m)
		return -ENOMEM;
	m->at_ns = w->at_ns;
	m->label = keep(h, strndup(w->label, w->head.size - sizeof(*w)));
	return m->label ? 0 : -ENOMEM;
}

static int add_option(struct host *h, const struct wire_option *w)
{
	struct trace_option *o = vec_push(&h->options);
	size_t room = w->head.size - sizeof(*w), n = strnlen(w->text, room);

	if (!o)
		return -ENOMEM;
	o->at_ns = w->at_ns;
	o->name = keep(h, strndup(w->text, n));
	n = n < room ? n + 1 : n;
	o->value = keep(h, strndup(w->text + n, room - n));
	return o->name && o->value ? 0 : -ENOMEM;
}

static int add_reach(struct host *h, const struct wire_reach *w)
{
	size_t room =
		(w->head.size - sizeof(*w)) / sizeof(struct wire_reach_site);
	struct trace_reach *r = vec_push(&h->reaches);
	size_t size;
	char *sites;

	if (!r)
		return -ENOMEM;
	r->summary = *w;
	r->site_count = w->site_count < room ? w->site_count : room;
	size = r->site_count * sizeof(struct wire_reach_site);
	sites = keep(h, malloc(size + 1));
	if (!sites)
		return -ENOMEM;
	memcpy(sites, w + 1, size);
	r->sites = (const struct wire_reach_site *)sites;
	return 0;
}

/* The text from *@at on, and *@at past it. */
static char *take_text(struct host *h, const char **at, const char *end)
{
	size_t n = strnlen(*at, (size_t)(end - *at));
	char *text = keep(h, strndup(*at, n));

	*at += n;
	if (*at < end)
		++*at;
	return text;
}

static int add_objects(struct host *h, const struct wire_objects *w)
{
	const char *at = w->text, *end = (const char *)w + w->head.size;
	struct trace_objects *o = vec_push(&h->objects);

	if (!o)
		return -ENOMEM;
	*o = (struct trace_objects) {
		.pid = w->pid,
		.image = w->image,
		.at_ns = w->at_ns,
		.node = w->node,
		.blocks = w->blocks,
		.bytes = w->bytes,
		.type = take_text(h, &at, end),
		.holder = take_text(h, &at, end),
		.holder_type = take_text(h, &at, end),
	};
	return o->type && o->holder && o->holder_type ? 0 : -ENOMEM;
}

static int add_thread(struct host *h, const struct wire_thread *w)
{
	const char *at = w->text, *end = (const char *)w + w->head.size;
	struct trace_thread *t = vec_push(&h->threads);

	if (!t)
		return -ENOMEM;
	*t = (struct trace_thread) {
		.pid = w->pid,
		.tid = w->tid,
		.at_ns = w->at_ns,
		.name = take_text(h, &at, end),
	};
	return t->name ? 0 : -ENOMEM;
}

/* Scans tell the same again. */
static int add_handler(struct host *h, const struct wire_handler *w)
{
	const char *at = w->text, *end = (const char *)w + w->head.size;
	struct trace_handler one = {
		.request = take_text(h, &at, end),
		.function = take_text(h, &at, end),
		.file = take_text(h, &at, end),
	};
	struct trace_handler *k;

	if (!one.request || !one.function || !one.file)
		return -ENOMEM;
	vec_foreach (&h->handlers, k)
		if (strcmp(k->request, one.request) == 0 &&
		    strcmp(k->function, one.function) == 0 &&
		    strcmp(k->file, one.file) == 0)
			return 0;
	k = h->handlers.count < HANDLERS_MAX ? vec_push(&h->handlers) : NULL;
	if (k)
		*k = one;
	return k || h->handlers.count >= HANDLERS_MAX ? 0 : -ENOMEM;
}

/* Each says how much it is so far: the greatest is the latest. */
static int add_counter(struct host *h, const struct wire_counter *w)
{
	size_t room = w->head.size - sizeof(*w), n = strnlen(w->text, room);
	const char *reason = w->text + (n < room ? n + 1 : n);
	size_t left = room - (size_t)(reason - w->text);
	struct trace_counter *c;

	vec_foreach (&h->counters, c) {
		if (strncmp(c->probe, w->text, room) != 0 ||
		    strncmp(c->reason, reason, left) != 0)
			continue;
		if (w->count > c->count)
			c->count = w->count;
		return 0;
	}
	c = vec_push(&h->counters);
	if (!c)
		return -ENOMEM;
	*c = (struct trace_counter) {
		.probe = keep(h, strndup(w->text, n)),
		.reason = keep(h, strndup(reason, left)),
		.count = w->count,
	};
	return c->probe && c->reason ? 0 : -ENOMEM;
}

static int add_record(void *context, const struct wire_head *w)
{
	struct host *h = context;
	struct wire_ledger *l;

	if (w->type == WIRE_LEDGER && w->size >= sizeof(*l)) {
		l = vec_push(&h->ledger);
		if (!l)
			return -ENOMEM;
		memcpy(l, w, sizeof(*l));
		return 0;
	}
	if (w->type == WIRE_PROCESS && w->size > sizeof(struct wire_process))
		return add_process(h, (const void *)w);
	if (w->type == WIRE_MARK && w->size > sizeof(struct wire_mark))
		return add_mark(h, (const void *)w);
	if (w->type == WIRE_OPTION && w->size > sizeof(struct wire_option))
		return add_option(h, (const void *)w);
	if (w->type == WIRE_REACH && w->size >= sizeof(struct wire_reach))
		return add_reach(h, (const void *)w);
	if (w->type == WIRE_OBJECTS && w->size > sizeof(struct wire_objects))
		return add_objects(h, (const void *)w);
	if (w->type == WIRE_THREAD && w->size > sizeof(struct wire_thread))
		return add_thread(h, (const void *)w);
	if (w->type == WIRE_HANDLER && w->size > sizeof(struct wire_handler))
		return add_handler(h, (const void *)w);
	if (w->type == WIRE_COUNTER && w->size > sizeof(struct wire_counter))
		return add_counter(h, (const void *)w);
	return 0;
}

struct reading {
	struct host *host;
	int fd;
	uint8_t slab[SLAB_SIZE] __attribute__((aligned(8)));
};

static int read_slab(void *context, uint64_t number,
		     const struct slab_head *head)
{
	struct reading *r = context;
	size_t size;

	if (head->kind != SLAB_HOST)
		return 0;
	size = slabfile_read(r->fd, number, r->slab);
	r->host->torn |= size < SLAB_SIZE;
	if (!size)
		return 0;
	return slabfile_records(r->slab, size, &r->host->torn, add_record,
				r->host);
}

/* Several writers, each with slabs of its own: put together by time. */
#define BY_TIME(name, type)                            \
	static int name(const void *a, const void *b)  \
	{                                              \
		uint64_t x = ((const type *)a)->at_ns; \
		uint64_t y = ((const type *)b)->at_ns; \
                                                       \
		return x < y ? -1 : x > y;             \
	}
BY_TIME(ledger_by_time, struct wire_ledger)
BY_TIME(process_by_time, struct trace_process)
BY_TIME(mark_by_time, struct trace_mark)
BY_TIME(option_by_time, struct trace_option)
BY_TIME(objects_by_time, struct trace_objects)
BY_TIME(thread_by_time, struct trace_thread)

/* The parts of one scan stay together; whoever reads them adds them up. */
static int reach_by_time(const void *a, const void *b)
{
	const struct trace_reach *x = a, *y = b;

	if (x->summary.at_ns != y->summary.at_ns)
		return x->summary.at_ns < y->summary.at_ns ? -1 : 1;
	return (x->summary.pid > y->summary.pid) -
	       (x->summary.pid < y->summary.pid);
}

#define sort_by(v, order)                                                    \
	do {                                                                 \
		if ((v)->count)                                              \
			qsort((v)->at, (v)->count, sizeof(*(v)->at), order); \
	} while (0)

static int read_slabs(struct host *h, int fd)
{
	struct reading *r = calloc(1, sizeof(*r));
	struct slablist slabs = { 0 };
	uint64_t torn = 0;
	int rc;

	if (!r)
		return -ENOMEM;
	r->host = h;
	r->fd = fd;
	rc = slabfile_scan(fd, &slabs, &torn, read_slab, r);
	h->torn |= torn;
	sort_by(&h->ledger, ledger_by_time);
	sort_by(&h->processes, process_by_time);
	sort_by(&h->marks, mark_by_time);
	sort_by(&h->options, option_by_time);
	sort_by(&h->reaches, reach_by_time);
	sort_by(&h->objects, objects_by_time);
	sort_by(&h->threads, thread_by_time);
	vec_free(&slabs.kept);
	free(r);
	return rc;
}

int host_read(struct host *h, const char *path, struct err *err)
{
	struct slab_file header;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return errno == ENOENT ? 0
				       : err_errno(err, "cannot open %s", path);
	rc = slabfile_header(fd, path, &header, err);
	if (rc == 0) {
		rc = read_slabs(h, fd);
		if (rc < 0)
			err_set(err, rc, "cannot read %s: %s", path,
				strerror(-rc));
	}
	close(fd);
	return rc;
}

void host_fini(struct host *h)
{
	char **s;

	vec_foreach (&h->strings, s)
		free(*s);
	vec_free(&h->strings);
	vec_free(&h->ledger);
	vec_free(&h->processes);
	vec_free(&h->marks);
	vec_free(&h->options);
	vec_free(&h->reaches);
	vec_free(&h->objects);
	vec_free(&h->threads);
	vec_free(&h->handlers);
	vec_free(&h->counters);
}
