#include "profiler/trace/reader.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/units.h"
#include "profiler/base/vec.h"
#include "profiler/trace/host.h"
#include "profiler/trace/image.h"
#include "profiler/trace/quota.h"
#include "profiler/trace/slabfile.h"

struct trace {
	struct trace_view view;
	char *path;
	json_t *meta;
	struct buf command;
	VEC(const char *) handlers; /* of `meta` */
	VEC(struct image *) images;
	VEC(struct trace_image) views;
	VEC(char *) problems;
	struct host host;
};

static const char *meta_text(const struct trace *t, const char *key)
{
	return json_string_value(json_object_get(t->meta, key));
}

static uint64_t meta_number(const struct trace *t, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(t->meta, key));
}

static int read_handlers(struct trace *t)
{
	json_t *names = json_object_get(t->meta, "handlers"), *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		const char **slot;

		if (!json_is_string(name))
			continue;
		slot = vec_push(&t->handlers);
		if (!slot)
			return -ENOMEM;
		*slot = json_string_value(name);
	}
	t->view.meta.handlers = t->handlers.at;
	t->view.meta.handler_count = t->handlers.count;
	return 0;
}

/* meta.json is a comfort: a recording without it is read all the same. */
static int read_meta(struct trace *t)
{
	json_t *words, *word;
	char *path = NULL;
	size_t i;

	if (asprintf(&path, "%s/meta.json", t->path) < 0)
		return -ENOMEM;
	t->meta = json_load_file(path, 0, NULL);
	free(path);
	words = json_object_get(t->meta, "command");
	json_array_foreach(words, i, word)
	{
		if (i)
			buf_putc(&t->command, ' ');
		if (json_is_string(word))
			buf_puts(&t->command, json_string_value(word));
	}
	t->view.meta = (struct trace_meta) {
		.command = t->command.bytes,
		.host = meta_text(t, "host"),
		.kernel = meta_text(t, "kernel"),
		.version = meta_text(t, "version"),
		.mode = meta_text(t, "mode"),
		.start_realtime_ns = meta_number(t, "start_realtime_ns"),
		.start_monotonic_ns = meta_number(t, "start_monotonic_ns"),
		.interval_ms = meta_number(t, "interval_ms"),
		.processor = meta_text(t, "processor"),
		.system = meta_text(t, "system"),
		.processors = meta_number(t, "processors"),
		.memory_bytes = meta_number(t, "memory_bytes"),
		.hertz = meta_number(t, "hertz"),
	};
	if (read_handlers(t) < 0)
		return -ENOMEM;
	return buf_status(&t->command);
}

static int add_problem(struct trace *t, const char *sentence)
{
	char **slot = vec_push(&t->problems);

	if (!slot)
		return -ENOMEM;
	*slot = strdup(sentence);
	return *slot ? 0 : -ENOMEM;
}

/*
 * A file whose process was killed while it began, or that is none of ours,
 * must not make the others unreadable.  A newer format does: what it holds
 * would be missing without a trace.
 */
static int read_image(struct trace *t, const char *name, struct err *err)
{
	struct image *im = NULL, **slot;
	struct err problem = ERR_INIT;
	const char *text;
	char *path = NULL;
	int rc;

	if (asprintf(&path, "%s/%s", t->path, name) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	rc = image_open(&im, path, &problem);
	free(path);
	if (rc == -EPROTO || rc == -ENOMEM)
		return err_set(err, rc, "%s", problem.text);
	slot = im ? vec_push(&t->images) : NULL;
	if (slot)
		*slot = im;
	text = im ? image_problem(im) : problem.text;
	if (text[0] && add_problem(t, text) < 0)
		rc = -ENOMEM;
	if (im && !slot) {
		image_close(im);
		rc = -ENOMEM;
	}
	return rc == -ENOMEM ? err_set(err, rc, "out of memory") : 0;
}

static int by_start(const void *a, const void *b)
{
	const struct slab_file *x =
		&image_view(*(struct image *const *)a)->header;
	const struct slab_file *y =
		&image_view(*(struct image *const *)b)->header;

	if (x->start_monotonic_ns != y->start_monotonic_ns)
		return x->start_monotonic_ns < y->start_monotonic_ns ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static int cannot_list(const char *path, struct err *err)
{
	if (errno == ENOENT)
		return err_set(err, -ENOENT, "%s: no such recording", path);
	if (errno == ENOTDIR)
		return err_set(err, -ENOTDIR,
			       "%s: not a recording: a recording is a "
			       "directory, NAME.strand",
			       path);
	return err_errno(err, "cannot open %s", path);
}

static int read_images(struct trace *t, struct err *err)
{
	DIR *dir = opendir(t->path);
	struct dirent *d;
	int rc = 0;

	if (!dir)
		return cannot_list(t->path, err);
	while (rc == 0 && (d = readdir(dir)))
		if (slabfile_is_image(d->d_name) ||
		    slabfile_is_probed(d->d_name))
			rc = read_image(t, d->d_name, err);
	closedir(dir);
	if (t->images.count)
		qsort(t->images.at, t->images.count, sizeof(*t->images.at),
		      by_start);
	return rc;
}

/* What the strandline process saw is worth having, but not needed. */
static int read_host(struct trace *t, struct err *err)
{
	struct err problem = ERR_INIT;
	char *path = NULL;
	int rc;

	if (asprintf(&path, "%s/host.slabs", t->path) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	rc = host_read(&t->host, path, &problem);
	free(path);
	if (rc == 0)
		return 0;
	if (rc == -EPROTO || rc == -ENOMEM)
		return err_set(err, rc, "%s", problem.text);
	t->host.torn = true;
	return add_problem(t, problem.text) < 0
		       ? err_set(err, -ENOMEM, "out of memory")
		       : 0;
}

static int check_not_empty(const struct trace *t, struct err *err)
{
	if (t->images.count)
		return 0;
	if (t->problems.count)
		return err_set(err, -EBADMSG, "%s", t->problems.at[0]);
	return err_set(err, -EBADMSG,
		       "%s: the recording holds no process: the server did "
		       "nothing meanwhile, the shim was not loaded (a static "
		       "program?), or the directory is not a recording",
		       t->path);
}

/* A server without some of its processes is not the whole server. */
static int read_unrecorded(struct trace *t)
{
	uint64_t count = quota_unrecorded(t->path);
	char text[200], number[UNITS_TEXT_MAX];

	if (!count)
		return 0;
	snprintf(text, sizeof(text),
		 "%s process%s of the server could not record: the "
		 "recording was at its size cap, or its directory could not "
		 "be written",
		 units_format_count(number, count), count == 1 ? "" : "es");
	return add_problem(t, text);
}

static int fill_view(struct trace *t)
{
	struct image **im;

	vec_foreach (&t->images, im) {
		struct trace_image *v = vec_push(&t->views);

		if (!v || image_charge(*im, t->host.handlers.at,
				       t->host.handlers.count) < 0)
			return -ENOMEM;
		*v = *image_view(*im);
	}
	t->view.path = t->path;
	t->view.images = t->views.at;
	t->view.image_count = t->views.count;
	t->view.ledger = t->host.ledger.at;
	t->view.ledger_count = t->host.ledger.count;
	t->view.processes = t->host.processes.at;
	t->view.process_count = t->host.processes.count;
	t->view.marks = t->host.marks.at;
	t->view.mark_count = t->host.marks.count;
	t->view.options = t->host.options.at;
	t->view.option_count = t->host.options.count;
	t->view.reaches = t->host.reaches.at;
	t->view.reach_count = t->host.reaches.count;
	t->view.objects = t->host.objects.at;
	t->view.objects_count = t->host.objects.count;
	t->view.threads = t->host.threads.at;
	t->view.thread_count = t->host.threads.count;
	t->view.handlers = t->host.handlers.at;
	t->view.handler_count = t->host.handlers.count;
	t->view.counters = t->host.counters.at;
	t->view.counter_count = t->host.counters.count;
	t->view.host_torn = t->host.torn;
	t->view.problems = (const char *const *)t->problems.at;
	t->view.problem_count = t->problems.count;
	return 0;
}

int trace_open(struct trace **out, const char *dir, struct err *err)
{
	struct trace *t = calloc(1, sizeof(*t));
	int rc;

	*out = NULL;
	if (t)
		t->path = strdup(dir);
	if (!t || !t->path) {
		free(t);
		return err_set(err, -ENOMEM, "out of memory");
	}
	rc = read_images(t, err);
	if (rc == 0)
		rc = check_not_empty(t, err);
	if (rc == 0)
		rc = read_host(t, err);
	if (rc < 0)
		goto close_trace;
	rc = read_meta(t);
	if (rc == 0)
		rc = read_unrecorded(t);
	if (rc == 0)
		rc = fill_view(t);
	if (rc < 0) {
		err_set(err, rc, "out of memory reading %s", dir);
		goto close_trace;
	}
	*out = t;
	return 0;

close_trace:
	trace_close(t);
	return rc;
}

void trace_close(struct trace *t)
{
	struct image **im;
	char **problem;

	if (!t)
		return;
	vec_foreach (&t->images, im)
		image_close(*im);
	vec_free(&t->images);
	vec_free(&t->views);
	vec_free(&t->handlers);
	vec_foreach (&t->problems, problem)
		free(*problem);
	vec_free(&t->problems);
	host_fini(&t->host);
	buf_free(&t->command);
	json_decref(t->meta);
	free(t->path);
	free(t);
}

const struct trace_view *trace_view(const struct trace *t)
{
	return &t->view;
}
