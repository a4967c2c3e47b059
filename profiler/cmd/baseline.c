/*
 * baseline: see baseline.h.
 */
#include "profiler/cmd/baseline.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "profiler/analysis/measure.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/cmd/command.h"
#include "profiler/cmd/progress.h"
#include "profiler/cmd/recording.h"
#include "profiler/cmd/terminal.h"
#include "profiler/model/model.h"
#include "profiler/model/wrappers.h"

struct stored {
	char *path;
	uint64_t began_ns;
};

typedef VEC(struct stored) store;

static int measure(struct measure **out, const char *recording,
		   const struct opt_list *wrappers, struct err *err)
{
	struct progress *progress = progress_begin("reading", recording);
	struct model *m;
	int rc = model_load(&m, recording, err);

	*out = NULL;
	for (size_t i = 0; i < wrappers->count && rc == 0; i++)
		rc = wrappers_add(m, wrappers->at[i], err);
	if (rc == 0)
		rc = measure_of(out, m, err);
	model_free(m);
	progress_end(progress);
	return rc;
}

static void store_free(store *s)
{
	struct stored *one;

	vec_foreach (s, one)
		free(one->path);
	vec_free(s);
}

static int newest_first(const void *a, const void *b)
{
	const struct stored *x = a, *y = b;

	if (x->began_ns != y->began_ns)
		return x->began_ns > y->began_ns ? -1 : 1;
	return strcmp(x->path, y->path);
}

static bool is_same(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static int add(store *s, const char *folder, const char *name,
	       const struct measure *like)
{
	struct stored *one;
	char *path;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		return -ENOMEM;
	if (!recording_is(path) || (like && is_same(path, like->path))) {
		free(path);
		return 0;
	}
	one = vec_push(s);
	if (!one) {
		free(path);
		return -ENOMEM;
	}
	one->path = path;
	one->began_ns = recording_began(path);
	return 0;
}

/* The recordings within @path, newest first. */
static int list(store *s, const char *path, const struct measure *like,
		struct err *err)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int rc = 0;

	if (!dir)
		return err_errno(err, "cannot open %s", path);
	while (rc == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			rc = add(s, path, entry->d_name, like);
	closedir(dir);
	if (rc < 0)
		return err_set(err, rc, "out of memory");
	if (s->count)
		qsort(s->at, s->count, sizeof(*s->at), newest_first);
	return 0;
}

/* One of several: what cannot be had is said and left out. */
static int take(struct baseline *b, const char *path,
		const struct measure *like, const struct opt_list *wrappers)
{
	struct err why = ERR_INIT;
	struct measure *m;
	int rc = measure(&m, path, wrappers, &why);

	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		terminal_note("left out of the baseline: %s", why.text);
		return 0;
	}
	if (!like && b->count)
		like = b->runs[0];
	if (like && strcmp(m->program, like->program) != 0) {
		terminal_note("left out of the baseline: %s is a recording of "
			      "'%s', not of '%s'",
			      path, m->program, like->program);
		measure_free(m);
		return 0;
	}
	b->runs[b->count++] = m;
	return 0;
}

static int load_folder(struct baseline *b, const char *path,
		       const struct measure *like,
		       const struct opt_list *wrappers, struct err *err)
{
	store s = VEC_INIT;
	int rc = list(&s, path, like, err);

	for (size_t i = 0; rc == 0 && i < s.count && b->count < BASELINE_MOST;
	     i++)
		rc = take(b, s.at[i].path, like, wrappers);
	if (rc == -ENOMEM)
		err_set(err, rc, "out of memory");
	if (rc == 0 && b->count == 0 && s.count == 0)
		rc = err_set(err, -EINVAL,
			     "%s is no recording, and there is none in it",
			     path);
	else if (rc == 0 && b->count == 0)
		rc = err_set(err, -EINVAL,
			     "%s has no recording of '%s' to compare with",
			     path, like ? like->program : "a program");
	store_free(&s);
	return rc;
}

int baseline_load(struct baseline *b, const char *path,
		  const struct measure *like, const struct opt_list *wrappers,
		  struct err *err)
{
	struct stat sb;
	int rc;

	*b = (struct baseline) { 0 };
	if (stat(path, &sb) == 0 && S_ISDIR(sb.st_mode) &&
	    !recording_is(path)) {
		rc = load_folder(b, path, like, wrappers, err);
	} else {
		rc = measure(&b->runs[0], path, wrappers, err);
		b->count = rc == 0;
	}
	if (rc < 0)
		baseline_free(b);
	return rc;
}

void baseline_free(struct baseline *b)
{
	for (size_t i = 0; i < b->count; i++)
		measure_free(b->runs[i]);
	b->count = 0;
}
