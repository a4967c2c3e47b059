#include "profiler/trace/source.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/trace/ticks.h"

#define WAIT_MAX      3	 /* the shim trusts a keeper for five seconds */
#define WAIT_MAX_DEAD 32 /* no such process, as far as we can see */
#define WORTH_IT      4	 /* slabs that an ended process must have left */

int source_init(struct source *s, const char *dir, const char *name)
{
	*s = (struct source) { .fd = -1, .ours = true };
	return asprintf(&s->path, "%s/%s", dir, name) < 0 ? -ENOMEM : 0;
}

static void let_go(struct source *s)
{
	checkpoint_fini(&s->checkpoint);
	if (s->fd >= 0)
		close(s->fd); /* and unlocks it */
	s->fd = -1;
}

void source_fini(struct source *s)
{
	let_go(s);
	free(s->path);
}

/* Look at an idle file less often: there may be one of every exec. */
static void pace(struct source *s, const struct slab_file *h)
{
	uint64_t activity = h->stats.allocations + h->stats.releases +
			    h->slabs_taken + h->stats.ticks_spent;
	bool dead = kill(h->pid, 0) < 0 && errno == ESRCH;
	unsigned most = dead ? WAIT_MAX_DEAD : WAIT_MAX;

	s->idle = activity == s->activity ? s->idle + 1 : 0;
	s->wait = s->idle < most ? s->idle : most;
	s->activity = activity;
	if (s->wait == WAIT_MAX_DEAD)
		let_go(s); /* its memory; it is loaded again when it moves */
}

/* Each process holds a lock on the first byte of the file it records to. */
static bool has_writer(int fd)
{
	struct flock first_byte = { .l_type = F_WRLCK, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &first_byte) < 0 ||
	       first_byte.l_type != F_UNLCK;
}

static void look(struct source *s, int fd, uint64_t now_ns)
{
	struct slab_file h;

	if (slabfile_header(fd, s->path, &h, NULL) < 0)
		return; /* perhaps it is just being made */
	s->cap = h.control.slabs_max;
	s->held = h.slabs_taken > h.slabs_given_back
			  ? h.slabs_taken - h.slabs_given_back
			  : 0;
	s->ended = h.ended_monotonic_ns && !has_writer(fd);
	if (pwrite(fd, &now_ns, sizeof(now_ns),
		   offsetof(struct slab_file, control.keeper_ns)) < 0 ||
	    (s->ended && s->held < WORTH_IT)) {
		let_go(s);
		s->ours = false;
		return;
	}
	pace(s, &h);
}

void source_look(struct source *s, uint64_t now_ns)
{
	int fd;

	if (!s->ours)
		return;
	if (s->wait) {
		s->wait--;
		return;
	}
	if (s->fd >= 0) {
		look(s, s->fd, now_ns);
		return;
	}
	fd = open(s->path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	look(s, fd, now_ns);
	close(fd);
}

/*
 * Open it for digesting, from where an earlier digester left off.  1: go on;
 * 0: another one is at it.
 */
static int take_up(struct source *s, const struct slab_file *h, struct err *err)
{
	struct err trouble = ERR_INIT;
	char *digest;
	int rc;

	if (flock(s->fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	if (asprintf(&digest, "%s" CHECKPOINT_SUFFIX, s->path) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	rc = checkpoint_load(&s->checkpoint, digest, h, &trouble);
	if (rc == -ENOENT)
		rc = checkpoint_init(&s->checkpoint, h);
	free(digest);
	return rc < 0 ? err_set(err, rc, "%s", trouble.text) : 1;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct numbers {
	VEC(uint64_t) at;
};

/*
 * The slabs whose records are all in the fold and to which none will be
 * added, and those that an earlier digester punched out before it died.
 * `used` and `sealed` lie in one word, so they are of one moment.  A process
 * that has ended needs no seals.
 */
static int find_done(struct source *s, struct numbers *done,
		     struct numbers *gone)
{
	const struct cursor *c;

	vec_foreach (&s->checkpoint.cursors.at, c) {
		struct slab_head head;
		uint64_t *slot;

		if (pread(s->fd, &head, sizeof(head),
			  (off_t)slab_offset(c->slab)) != sizeof(head))
			continue;
		if (head.magic &&
		    (!(head.sealed || s->ended) || c->offset < head.used))
			continue;
		slot = head.magic ? vec_push(&done->at) : vec_push(&gone->at);
		if (!slot)
			return -ENOMEM;
		*slot = c->slab;
	}
	if (done->at.count)
		qsort(done->at.at, done->at.count, sizeof(*done->at.at),
		      by_number);
	if (gone->at.count)
		qsort(gone->at.at, gone->at.count, sizeof(*gone->at.at),
		      by_number);
	return 0;
}

static int punch(int fd, uint64_t slab)
{
	int rc;

	do
		rc = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       (off_t)slab_offset(slab), SLAB_SIZE);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

/*
 * Punch them out one by one, each credited at once: whoever dies here takes
 * one slab from the shim's quota at most.
 */
static int give_back(struct source *s, const struct numbers *done,
		     struct err *err)
{
	struct slab_file *file =
		mmap(NULL, SLAB_FILE_HEADER_SIZE, PROT_READ | PROT_WRITE,
		     MAP_SHARED, s->fd, 0);
	size_t count;
	int rc = 0;

	if (file == MAP_FAILED)
		return err_errno(err, "cannot map %s", s->path);
	for (count = 0; count < done->at.count; count++) {
		rc = punch(s->fd, done->at.at[count]);
		if (rc < 0)
			break;
		__atomic_fetch_add(&file->slabs_given_back, 1,
				   __ATOMIC_RELAXED);
	}
	munmap(file, SLAB_FILE_HEADER_SIZE);
	checkpoint_forget(&s->checkpoint, done->at.at, count);
	s->held -= count < s->held ? count : s->held;
	if (rc < 0)
		return err_set(err, rc,
			       "cannot give space of %s back (%s): its "
			       "recording ends at the cap",
			       s->path, strerror(-rc));
	return 0;
}

static int save(struct source *s, const struct slab_file *h, struct err *err)
{
	char *digest;
	int rc;

	if (asprintf(&digest, "%s" CHECKPOINT_SUFFIX, s->path) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	rc = checkpoint_save(&s->checkpoint, digest, h, err);
	free(digest);
	return rc;
}

static int fold_until(struct source *s, const struct slab_file *h,
		      uint64_t until_ns, struct err *err)
{
	int rc = checkpoint_survey(&s->checkpoint, s->fd, NULL, NULL);
	uint64_t until = s->ended ? UINT64_MAX : ticks_from_ns(h, until_ns);

	if (rc == 0)
		rc = checkpoint_fold(&s->checkpoint, s->fd, until);
	if (rc < 0)
		return err_set(err, rc, "cannot digest %s: %s", s->path,
			       strerror(-rc));
	return 0;
}

/* Store what was folded, then give back what that covers. */
static int settle(struct source *s, const struct slab_file *h, struct err *err)
{
	struct numbers done = { 0 }, gone = { 0 };
	int rc = find_done(s, &done, &gone);

	if (rc < 0)
		err_set(err, rc, "out of memory");
	if (rc == 0)
		checkpoint_forget(&s->checkpoint, gone.at.at, gone.at.count);
	if (rc == 0 && done.at.count)
		rc = save(s, h, err);
	if (rc == 0 && done.at.count)
		rc = give_back(s, &done, err);
	vec_free(&done.at);
	vec_free(&gone.at);
	return rc;
}

static int digest(struct source *s, uint64_t until_ns, struct err *err)
{
	struct slab_file h;
	int rc = slabfile_header(s->fd, s->path, &h, err);

	if (rc < 0)
		return rc;
	if (!s->checkpoint.fold) {
		rc = take_up(s, &h, err);
		if (rc <= 0) {
			let_go(s);
			return rc;
		}
	}
	rc = fold_until(s, &h, until_ns, err);
	return rc < 0 ? rc : settle(s, &h, err);
}

int source_digest(struct source *s, uint64_t until_ns, struct err *err)
{
	int rc;

	if (s->fd < 0)
		s->fd = open(s->path, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return err_errno(err, "cannot open %s", s->path);
	rc = digest(s, until_ns, err);
	if ((rc == 0 && !s->ended) || rc == -ENOSPC)
		return rc; /* a full disk may have room again */
	/* It is done, or stays as it is and its recording ends at the cap. */
	let_go(s);
	s->ours = false;
	return rc;
}
