#include "profiler/trace/digest.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profiler/base/err.h"
#include "profiler/base/intern.h"
#include "profiler/trace/quota.h"
#include "profiler/trace/source.h"

/*
 * A record is written within microseconds of its stamp; what is older than
 * this is complete, whichever thread wrote it.
 */
#define SETTLE_NS 100000000ULL

#define SETTLE_POLLS 5 /* the disk is looked at about once a second */
#define FEW_SLABS    8 /* nodes, modules and what threads have at hand */

struct digest {
	char *dir;
	struct intern *names; /* a file's id is its index in sources */
	VEC(struct source) sources;
	struct wire_quota *quota; /* NULL: each file has a cap of its own */
	struct quota_share share; /* when the disk was looked at last */
	unsigned polls;
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
	quota_close(d->quota);
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
		if (slabfile_is_image(entry->d_name) ||
		    slabfile_is_probed(entry->d_name))
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

/* Look at the disk often only while it fills. */
static void settle(struct digest *d)
{
	if (!d->quota)
		d->quota = quota_open(d->dir);
	if (d->quota && (d->polls++ % SETTLE_POLLS == 0 ||
			 d->quota->held_bytes > d->quota->max_bytes / 4))
		d->share = quota_settle(d->quota, d->dir);
}

struct pressure {
	const struct source *fullest;
	uint64_t held, cap; /* of all files; 0 where each has its own cap */
	size_t files;
};

static struct pressure look(struct digest *d, uint64_t now)
{
	struct pressure p = { 0 };
	struct source *s;

	if (d->quota) {
		p.held = d->share.held / SLAB_SIZE;
		p.cap = d->share.most / SLAB_SIZE;
	}
	vec_foreach (&d->sources, s) {
		source_look(s, now);
		if (!s->ours || !s->held)
			continue;
		p.files++;
		if (p.cap)
			s->cap = p.cap;
		if ((s->held >= s->cap / 4 || (p.cap && p.held >= p.cap / 4)) &&
		    (!p.fullest || s->held > p.fullest->held))
			p.fullest = s;
	}
	return p;
}

/*
 * The fullest file, and any that is half full, or holds more than its share
 * when all together are: digesting takes time in which the caller reads no
 * ledger.
 */
static bool due(const struct pressure *p, const struct source *s)
{
	if (!s->ours || !s->held)
		return false;
	return s == p->fullest || s->held >= s->cap / 2 ||
	       (p->cap && p->held >= p->cap / 2 && s->held >= FEW_SLABS &&
		s->held * p->files >= p->held);
}

int digest_poll(struct digest *d, struct err *err)
{
	int rc = find_files(d, err), one;
	struct pressure pressure;
	struct source *s;
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
	settle(d);
	pressure = look(d, now);
	vec_foreach (&d->sources, s) {
		if (!due(&pressure, s))
			continue;
		one = digest_source(s, now - SETTLE_NS, err);
		rc = rc < 0 ? rc : one;
	}
	if (pressure.fullest)
		settle(d);
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
