#include "profiler/trace/digest.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profiler/base/err.h"
#include "profiler/base/intern.h"
#include "profiler/trace/source.h"

/*
 * A record is written within microseconds of its stamp; what is older than
 * this is complete, whichever thread wrote it.
 */
#define SETTLE_NS 500000000ULL

struct digest {
	char *dir;
	struct intern *names; /* a file's id is its index in sources */
	VEC(struct source) sources;
};

int digest_open(struct digest **out, const char *dir, struct err *err)
{
	struct digest *d = calloc(1, sizeof(*d));

	*out = d;
	if (d) {
		d->dir = strdup(dir);
		d->names = intern_new();
		if (d->dir && d->names)
			return 0;
	}
	digest_close(d);
	*out = NULL;
	return err_set(err, -ENOMEM, "out of memory");
}

void digest_close(struct digest *d)
{
	struct source *s;

	if (!d)
		return;
	vec_foreach (&d->sources, s)
		source_fini(s);
	vec_free(&d->sources);
	intern_free(d->names);
	free(d->dir);
	free(d);
}

static int add_file(struct digest *d, const char *name)
{
	uint32_t id = intern_id(d->names, name);
	struct source *s;

	if (id < d->sources.count)
		return 0;
	s = id == INTERN_NONE ? NULL : vec_push(&d->sources);
	return s ? source_init(s, d->dir, name) : -ENOMEM;
}

/* Files that came since the last look. */
static int find_files(struct digest *d, struct err *err)
{
	DIR *dir = opendir(d->dir);
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return err_errno(err, "cannot open %s", d->dir);
	while (rc == 0 && (entry = readdir(dir)))
		if (slabfile_is_image(entry->d_name))
			rc = add_file(d, entry->d_name);
	closedir(dir);
	return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

/* Digest @s; the first trouble of each file is told, later ones are not. */
static int digest_source(struct source *s, uint64_t until_ns, struct err *err)
{
	struct err trouble = ERR_INIT;
	int rc = source_digest(s, until_ns, &trouble);

	if (rc == 0 || s->said)
		return 0;
	s->said = true;
	return err_set(err, rc, "%s", trouble.text);
}

/*
 * The fullest file, and any that is half full: digesting takes time in which
 * the caller reads no ledger.
 */
int digest_poll(struct digest *d, struct err *err)
{
	struct source *s, *fullest = NULL;
	struct timespec ts;
	uint64_t now;
	int rc = find_files(d, err), one;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
	vec_foreach (&d->sources, s) {
		source_look(s, now);
		if (s->ours && s->held && s->held >= s->cap / 4 &&
		    (!fullest || s->held > fullest->held))
			fullest = s;
	}
	vec_foreach (&d->sources, s) {
		if (!s->ours || !s->held ||
		    (s != fullest && s->held < s->cap / 2))
			continue;
		one = digest_source(s, now - SETTLE_NS, err);
		rc = rc < 0 ? rc : one;
	}
	return rc;
}

int digest_flush(struct digest *d, uint64_t until_ns, struct err *err)
{
	int rc = find_files(d, err), one;
	struct source *s;

	vec_foreach (&d->sources, s) {
		if (!s->ours)
			continue;
		one = digest_source(s, until_ns, err);
		rc = rc < 0 ? rc : one;
	}
	return rc;
}
