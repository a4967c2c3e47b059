#include "profiler/trace/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/trace/image.h"

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

static int add_record(struct host *h, const struct wire_head *w)
{
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
	return 0;
}

static int read_records(struct host *h, const uint8_t *slab, size_t size)
{
	const struct slab_head *head = (const struct slab_head *)slab;
	const uint8_t *at = (const uint8_t *)(head + 1);
	size_t room = size - sizeof(*head);

	if (head->magic != SLAB_MAGIC || head->kind != SLAB_HOST)
		return 0;
	if (head->used < room)
		room = head->used;
	while (room >= sizeof(struct wire_head)) {
		const struct wire_head *w = (const struct wire_head *)at;
		int rc;

		if (w->size < sizeof(*w) || w->size > room || w->size % 8) {
			h->torn = true;
			return 0;
		}
		rc = add_record(h, w);
		if (rc < 0)
			return rc;
		at += w->size;
		room -= w->size;
	}
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct wire_ledger *x = a, *y = b;

	return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

int host_read(struct host *h, const char *path, struct err *err)
{
	uint8_t *slab = NULL;
	struct slab_file header;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return errno == ENOENT ? 0
				       : err_errno(err, "cannot open %s", path);
	rc = image_read_header(fd, path, &header, err);
	if (rc < 0)
		goto close_fd;
	slab = malloc(SLAB_SIZE);
	for (uint64_t n = 0; slab && rc == 0; n++) {
		got = pread(fd, slab, SLAB_SIZE, (off_t)slab_offset(n));
		if (got < (ssize_t)sizeof(struct slab_head)) {
			h->torn |= got > 0;
			break;
		}
		rc = read_records(h, slab, (size_t)got);
	}
	if (!slab || rc < 0)
		rc = err_set(err, -ENOMEM, "out of memory reading %s", path);
	else if (h->ledger.count)
		qsort(h->ledger.at, h->ledger.count, sizeof(*h->ledger.at),
		      by_time);
	free(slab);
close_fd:
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
}
