/*
 * writer: see writer.h.
 *
 * A record is written behind `used`, then `used` is stored with release
 * order: a reader, and a reader after kill -9, sees whole records only.
 */
#include "profiler/trace/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/trace/reader.h"
#include "profiler/trace/slabfile.h"

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

/* Begin the file, unless another writer has.  Under the file's lock. */
static int begin_file(struct writer *w, const char *path, struct err *err)
{
	struct slab_file header;
	struct stat sb;
	int rc;

	if (fstat(w->fd, &sb) < 0)
		return err_errno(err, "cannot stat %s", path);
	rc = posix_fallocate(w->fd, 0, SLAB_FILE_HEADER_SIZE);
	if (rc)
		return err_set(err, -rc, "cannot write %s: %s", path,
			       strerror(rc));
	w->file = mmap(NULL, SLAB_FILE_HEADER_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED, w->fd, 0);
	if (w->file == MAP_FAILED) {
		w->file = NULL;
		return err_errno(err, "cannot map %s", path);
	}
	/* Zeros: whoever began it died before its magic. */
	if (!w->file->magic && sb.st_size <= SLAB_FILE_HEADER_SIZE)
		fill_header(w->file);
	return slabfile_header(w->fd, path, &header, err);
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
		goto close_writer;
	}
	flock(w->fd, LOCK_EX);
	rc = begin_file(w, path, err);
	flock(w->fd, LOCK_UN);
	if (rc < 0)
		goto close_writer;
	free(path);
	*out = w;
	return 0;

close_writer:
	free(path);
	writer_close(w);
	return rc;
}

static void slab_close(struct writer *w)
{
	if (!w->slab)
		return;
	__atomic_store_n(&w->slab->sealed, 1, __ATOMIC_RELEASE);
	munmap(w->slab, SLAB_SIZE);
	w->slab = NULL;
}

void writer_close(struct writer *w)
{
	if (!w)
		return;
	slab_close(w);
	if (w->file)
		munmap(w->file, SLAB_FILE_HEADER_SIZE);
	if (w->fd >= 0)
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

int writer_option(struct writer *w, uint64_t at_ns, const char *name,
		  const char *value)
{
	size_t size = aligned(sizeof(struct wire_option) + strlen(name) +
			      strlen(value) + 2);
	struct wire_option *to;
	int rc;

	to = room(w, size, &rc);
	if (!to)
		return rc;
	to->head = (struct wire_head) { .type = WIRE_OPTION,
					.size = (uint32_t)size };
	to->at_ns = at_ns;
	strcpy(stpcpy(to->text, name) + 1, value);
	publish(w, size);
	return 0;
}

int writer_counter(struct writer *w, uint64_t at_ns, const char *probe,
		   const char *reason, uint64_t count)
{
	size_t size = aligned(sizeof(struct wire_counter) + strlen(probe) +
			      strlen(reason) + 2);
	struct wire_counter *to;
	int rc;

	to = room(w, size, &rc);
	if (!to)
		return rc;
	to->head = (struct wire_head) { .type = WIRE_COUNTER,
					.size = (uint32_t)size };
	to->at_ns = at_ns;
	to->count = count;
	strcpy(stpcpy(to->text, probe) + 1, reason);
	publish(w, size);
	return 0;
}

/* How many of @words fit: a command line can be two megabytes long. */
static size_t fitting(const char *const *words, size_t *size)
{
	size_t n;

	for (n = 0; words[n]; n++) {
		size_t more = strlen(words[n]) + 1;

		if (*size + more > SLAB_ROOM / 2)
			break;
		*size += more;
	}
	return n;
}

int writer_process(struct writer *w, const struct wire_process *process,
		   const char *exe, const char *const *words)
{
	size_t size = sizeof(*process) + strlen(exe) + 2;
	size_t count = fitting(words, &size);
	struct wire_process *to;
	char *at;
	int rc;

	size = aligned(size);
	to = room(w, size, &rc);
	if (!to)
		return rc;
	*to = *process;
	to->head = (struct wire_head) { .type = WIRE_PROCESS,
					.size = (uint32_t)size };
	at = stpcpy(to->exe, exe) + 1;
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, words[i]) + 1;
	*at = 0;
	publish(w, size);
	return 0;
}

static int put_reach(struct writer *w, const struct wire_reach *summary,
		     const struct wire_reach_site *sites, size_t count)
{
	size_t size = sizeof(*summary) + count * sizeof(*sites);
	struct wire_reach *to;
	int rc;

	to = room(w, size, &rc);
	if (!to)
		return rc;
	*to = *summary;
	to->head = (struct wire_head) { .type = WIRE_REACH,
					.size = (uint32_t)size };
	to->site_count = (uint32_t)count;
	if (count)
		memcpy(to + 1, sites, count * sizeof(*sites));
	publish(w, size);
	return 0;
}

int writer_reach(struct writer *w, const struct wire_reach *summary,
		 const struct wire_reach_site *sites, size_t count)
{
	size_t most = (SLAB_ROOM / 2 - sizeof(*summary)) / sizeof(*sites);
	int rc;

	do { /* a scan that found nothing is worth a record */
		size_t some = count < most ? count : most;

		rc = put_reach(w, summary, sites, some);
		if (some)
			sites += some;
		count -= some;
	} while (rc == 0 && count);
	return rc;
}

int writer_objects(struct writer *w, const struct trace_objects *objects)
{
	size_t size = sizeof(struct wire_objects) + strlen(objects->type) +
		      strlen(objects->holder) + strlen(objects->holder_type) +
		      3;
	struct wire_objects *to;
	int rc;

	size = aligned(size);
	to = room(w, size, &rc);
	if (!to)
		return rc;
	*to = (struct wire_objects) {
		.head = { .type = WIRE_OBJECTS, .size = (uint32_t)size },
		.pid = objects->pid,
		.image = objects->image,
		.at_ns = objects->at_ns,
		.node = objects->node,
		.blocks = objects->blocks,
		.bytes = objects->bytes,
	};
	stpcpy(stpcpy(stpcpy(to->text, objects->type) + 1, objects->holder) + 1,
	       objects->holder_type);
	publish(w, size);
	return 0;
}

int writer_thread(struct writer *w, const struct trace_thread *thread)
{
	size_t size =
		aligned(sizeof(struct wire_thread) + strlen(thread->name) + 1);
	struct wire_thread *to;
	int rc;

	to = room(w, size, &rc);
	if (!to)
		return rc;
	*to = (struct wire_thread) {
		.head = { .type = WIRE_THREAD, .size = (uint32_t)size },
		.pid = thread->pid,
		.tid = thread->tid,
		.at_ns = thread->at_ns,
	};
	strcpy(to->text, thread->name);
	publish(w, size);
	return 0;
}

int writer_handler(struct writer *w, const struct trace_handler *handler)
{
	size_t size =
		aligned(sizeof(struct wire_handler) + strlen(handler->request) +
			strlen(handler->function) + strlen(handler->file) + 3);
	struct wire_handler *to;
	int rc;

	to = room(w, size, &rc);
	if (!to)
		return rc;
	to->head = (struct wire_head) {
		.type = WIRE_HANDLER,
		.size = (uint32_t)size,
	};
	stpcpy(stpcpy(stpcpy(to->text, handler->request) + 1,
		      handler->function) +
		       1,
	       handler->file);
	publish(w, size);
	return 0;
}
