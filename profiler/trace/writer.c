#include "profiler/trace/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/wire/slab.h"

struct writer {
	int fd;
	struct slab_file *file;
	struct slab_head *slab; /* NULL until the first record */
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static void fill_header(struct slab_file *f)
{
	f->format = SLAB_FORMAT;
	f->header_size = SLAB_FILE_HEADER_SIZE;
	f->slab_size = SLAB_SIZE;
	f->clock = SLAB_CLOCK_MONOTONIC;
	f->start_realtime_ns = now_ns(CLOCK_REALTIME);
	f->start_monotonic_ns = now_ns(CLOCK_MONOTONIC);
	f->start_ticks = f->start_monotonic_ns;
	f->pid = getpid();
	strncpy(f->version, STRANDLINE_VERSION, sizeof(f->version) - 1);
	__atomic_store_n(&f->magic, SLAB_FILE_MAGIC, __ATOMIC_RELEASE);
}

int writer_open(struct writer **out, const char *dir, struct err *err)
{
	struct writer *w = calloc(1, sizeof(*w));
	char *path = NULL;
	int rc;

	*out = NULL;
	if (!w || asprintf(&path, "%s/host.slabs", dir) < 0) {
		free(w);
		return err_set(err, -ENOMEM, "out of memory");
	}
	w->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (w->fd < 0) {
		rc = err_errno(err, "cannot write %s", path);
		goto free_writer;
	}
	rc = posix_fallocate(w->fd, 0, SLAB_FILE_HEADER_SIZE);
	if (rc) {
		rc = err_set(err, -rc, "cannot write %s: %s", path,
			     strerror(rc));
		goto close_fd;
	}
	w->file = mmap(NULL, SLAB_FILE_HEADER_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED, w->fd, 0);
	if (w->file == MAP_FAILED) {
		rc = err_errno(err, "cannot map %s", path);
		goto close_fd;
	}
	if (w->file->magic != SLAB_FILE_MAGIC)
		fill_header(w->file);
	free(path);
	*out = w;
	return 0;

close_fd:
	close(w->fd);
free_writer:
	free(path);
	free(w);
	return rc;
}

static void slab_close(struct writer *w)
{
	if (!w->slab)
		return;
	w->slab->sealed = 1;
	munmap(w->slab, SLAB_SIZE);
	w->slab = NULL;
}

void writer_close(struct writer *w)
{
	if (!w)
		return;
	slab_close(w);
	munmap(w->file, SLAB_FILE_HEADER_SIZE);
	close(w->fd);
	free(w);
}

static int slab_begin(struct writer *w)
{
	uint64_t n =
		__atomic_fetch_add(&w->file->slabs_taken, 1, __ATOMIC_RELAXED);
	struct slab_head *head;
	int rc = posix_fallocate(w->fd, (off_t)slab_offset(n), SLAB_SIZE);

	if (rc)
		return -rc;
	head = mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd,
		    (off_t)slab_offset(n));
	if (head == MAP_FAILED)
		return -errno;
	head->kind = SLAB_HOST;
	head->seq = n;
	head->tid = getpid();
	head->first_ticks = now_ns(CLOCK_MONOTONIC);
	__atomic_store_n(&head->magic, SLAB_MAGIC, __ATOMIC_RELEASE);
	w->slab = head;
	return 0;
}

/* Room for a record of @size bytes; NULL with *@rc set. */
static void *room(struct writer *w, size_t size, int *rc)
{
	*rc = size > SLAB_ROOM ? -EMSGSIZE : 0;
	if (*rc < 0)
		return NULL;
	if (w->slab && w->slab->used + size > SLAB_ROOM)
		slab_close(w);
	if (!w->slab)
		*rc = slab_begin(w);
	return *rc < 0 ? NULL : (uint8_t *)(w->slab + 1) + w->slab->used;
}

static void publish(struct writer *w, size_t size)
{
	__atomic_store_n(&w->slab->used, w->slab->used + (uint32_t)size,
			 __ATOMIC_RELEASE);
}

static size_t aligned(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

int writer_ledger(struct writer *w, const struct wire_ledger *line)
{
	struct wire_ledger *to;
	int rc;

	to = room(w, sizeof(*to), &rc);
	if (!to)
		return rc;
	*to = *line;
	to->head =
		(struct wire_head) { .type = WIRE_LEDGER, .size = sizeof(*to) };
	publish(w, sizeof(*to));
	return 0;
}

int writer_mark(struct writer *w, uint64_t at_ns, const char *label)
{
	size_t size = aligned(sizeof(struct wire_mark) + strlen(label) + 1);
	struct wire_mark *to;
	int rc;

	to = room(w, size, &rc);
	if (!to)
		return rc;
	to->head = (struct wire_head) { .type = WIRE_MARK,
					.size = (uint32_t)size };
	to->at_ns = at_ns;
	strcpy(to->label, label);
	publish(w, size);
	return 0;
}

int writer_process(struct writer *w, const struct wire_process *process,
		   const char *exe, const char *const *words)
{
	size_t size = sizeof(*process) + strlen(exe) + 2;
	struct wire_process *to;
	char *at;
	int rc;

	for (size_t i = 0; words[i]; i++)
		size += strlen(words[i]) + 1;
	size = aligned(size);
	to = room(w, size, &rc);
	if (!to)
		return rc;
	*to = *process;
	to->head = (struct wire_head) { .type = WIRE_PROCESS,
					.size = (uint32_t)size };
	at = stpcpy(to->exe, exe) + 1;
	for (size_t i = 0; words[i]; i++)
		at = stpcpy(at, words[i]) + 1;
	*at = 0;
	publish(w, size);
	return 0;
}

int writer_meta(const char *dir, const struct writer_meta *meta,
		struct err *err)
{
	json_t *root = json_object(), *command = json_array();
	struct utsname un;
	char *path = NULL;
	int rc = 0;

	uname(&un);
	for (size_t i = 0; meta->command[i]; i++)
		json_array_append_new(
			command,
			json_stringn_nocheck(meta->command[i],
					     strlen(meta->command[i])));
	json_object_set_new(root, "format", json_integer(SLAB_FORMAT));
	json_object_set_new(root, "version", json_string(STRANDLINE_VERSION));
	json_object_set_new(root, "command", command);
	json_object_set_new(root, "host", json_string(un.nodename));
	json_object_set_new(root, "kernel", json_string(un.release));
	json_object_set_new(root, "mode", json_string(meta->mode));
	json_object_set_new(root, "interval_ms",
			    json_integer((json_int_t)meta->interval_ms));
	json_object_set_new(root, "start_realtime_ns",
			    json_integer((json_int_t)now_ns(CLOCK_REALTIME)));
	json_object_set_new(root, "start_monotonic_ns",
			    json_integer((json_int_t)now_ns(CLOCK_MONOTONIC)));
	if (asprintf(&path, "%s/meta.json", dir) < 0)
		rc = err_set(err, -ENOMEM, "out of memory");
	else if (json_dump_file(root, path, JSON_INDENT(1)) < 0)
		rc = err_set(err, -EIO, "cannot write %s", path);
	free(path);
	json_decref(root);
	return rc;
}
