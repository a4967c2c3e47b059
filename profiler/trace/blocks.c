#include "profiler/trace/blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/trace/checkpoint.h"
#include "profiler/trace/fold_state.h"
#include "profiler/trace/ticks.h"

#define ATTEMPTS 5
/* A record is written within microseconds of its stamp, or nearly always. */
#define SETTLE_NS  5000000ULL
#define DIGIT_BITS 12
#define DIGITS	   (1u << DIGIT_BITS)
#define ADDR_BITS  48

struct blocks {
	char *path, *digest_path;
	int fd;
	struct slab_file header;
	struct checkpoint checkpoint;
	uint64_t digest; /* that lay there when the checkpoint was begun */
	bool begun;
};

const struct slab_file *blocks_header(const struct blocks *b)
{
	return &b->header;
}

int blocks_open(struct blocks **out, const char *path, struct err *err)
{
	struct blocks *b = calloc(1, sizeof(*b));
	int rc;

	*out = NULL;
	if (!b)
		return err_set(err, -ENOMEM, "out of memory");
	b->fd = -1;
	b->path = strdup(path);
	if (!b->path ||
	    asprintf(&b->digest_path, "%s" CHECKPOINT_SUFFIX, path) < 0) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto close;
	}
	b->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (b->fd < 0) {
		rc = err_errno(err, "cannot open %s", path);
		goto close;
	}
	rc = slabfile_header(b->fd, path, &b->header, err);
	if (rc < 0)
		goto close;
	*out = b;
	return 0;

close:
	blocks_close(b);
	return rc;
}

void blocks_close(struct blocks *b)
{
	if (!b)
		return;
	checkpoint_fini(&b->checkpoint);
	if (b->fd >= 0)
		close(b->fd);
	free(b->digest_path);
	free(b->path);
	free(b);
}

/* What tells the digest that lies there now from any other; 0: none. */
static uint64_t digest_now(const struct blocks *b)
{
	struct stat sb;

	if (stat(b->digest_path, &sb) < 0)
		return 0;
	return hash_mix((uint64_t)sb.st_ino << 32 ^
			(uint64_t)sb.st_mtim.tv_sec * 1000000000ULL ^
			(uint64_t)sb.st_mtim.tv_nsec);
}

static int begin(struct blocks *b, struct err *err)
{
	int rc;

	checkpoint_fini(&b->checkpoint);
	b->begun = false;
	b->digest = digest_now(b);
	rc = checkpoint_load(&b->checkpoint, b->digest_path, &b->header, err);
	if (rc == -ENOENT)
		rc = checkpoint_init(&b->checkpoint, &b->header);
	b->begun = rc == 0;
	return rc;
}

static int fold_until(struct blocks *b, uint64_t ticks, struct err *err)
{
	int rc = checkpoint_survey(&b->checkpoint, b->fd, NULL, NULL);

	if (rc == 0)
		rc = checkpoint_fold(&b->checkpoint, b->fd, ticks);
	return rc < 0 ? err_set(err, rc, "cannot read %s: %s", b->path,
				strerror(-rc))
		      : 0;
}

/*
 * Fold up to @ticks, from where we are or, when a digester has given back
 * what we had not read yet, from its digest.
 */
static int catch_up(struct blocks *b, uint64_t ticks, struct err *err)
{
	int rc = 0;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		if (!b->begun || digest_now(b) != b->digest)
			rc = begin(b, err);
		if (rc == 0 && b->checkpoint.fold->core.last_ticks > ticks)
			return err_set(err, -EAGAIN,
				       "%s was digested past the instant",
				       b->path);
		if (rc == 0)
			rc = fold_until(b, ticks, err);
		if (rc < 0 || digest_now(b) == b->digest)
			return rc;
	}
	return err_set(err, -EAGAIN, "%s is digested too fast to follow",
		       b->path);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

int blocks_read_on(struct blocks *b, struct err *err)
{
	int rc = slabfile_header(b->fd, b->path, &b->header, err);

	if (rc < 0)
		return rc;
	return catch_up(b, ticks_from_ns(&b->header, now_ns() - SETTLE_NS),
			err);
}

struct key {
	uint64_t addr;
	uint64_t slot; /* of the table of live blocks */
};

/* Least digit first: four passes, whatever the order they come in. */
static void sort_keys(struct key *keys, struct key *spare, size_t count)
{
	static const unsigned passes = ADDR_BITS / DIGIT_BITS;
	size_t at[DIGITS];

	for (unsigned pass = 0; pass < passes; pass++) {
		unsigned shift = pass * DIGIT_BITS;
		struct key *to = pass % 2 ? keys : spare;
		const struct key *from = pass % 2 ? spare : keys;
		size_t sum = 0;

		memset(at, 0, sizeof(at));
		for (size_t i = 0; i < count; i++)
			at[from[i].addr >> shift & (DIGITS - 1)]++;
		for (size_t d = 0; d < DIGITS; d++) {
			size_t n = at[d];

			at[d] = sum;
			sum += n;
		}
		for (size_t i = 0; i < count; i++)
			to[at[from[i].addr >> shift & (DIGITS - 1)]++] =
				from[i];
	}
}

static struct block describe(const struct fold *f, const struct live_block *l)
{
	return (struct block) {
		.addr = l->addr,
		.size = l->size,
		.node = f->stacks.at[l->stack].node,
		.birth = l->birth,
		.probability = l->probability,
	};
}

static int list_blocks(const struct fold *f, struct block **out, size_t *count)
{
	struct key *keys = malloc((f->live.count + 1) * sizeof(*keys));
	struct key *spare = malloc((f->live.count + 1) * sizeof(*spare));
	struct block *blocks = malloc((f->live.count + 1) * sizeof(*blocks));
	size_t n = 0;

	if (keys && spare && blocks) {
		for (size_t i = 0; i <= f->live.mask; i++)
			if (f->live.slots[i].addr)
				keys[n++] =
					(struct key) { f->live.slots[i].addr,
						       i };
		sort_keys(keys, spare, n);
		for (size_t i = 0; i < n; i++)
			blocks[i] = describe(f, &f->live.slots[keys[i].slot]);
	}
	free(spare);
	if (!keys || !spare || !blocks) {
		free(keys);
		free(blocks);
		return -ENOMEM;
	}
	free(keys);
	*out = blocks;
	*count = n;
	return 0;
}

/*
 * Windows are numbered as events fall into them.  None is begun for the
 * instant itself: a fold of the same events would number the next otherwise.
 */
static uint32_t window_of(const struct fold_core *c, uint64_t ticks)
{
	if (ticks < c->window_end)
		return c->serial;
	return c->serial + (ticks - c->window_end < c->window_ticks ? 1 : 2);
}

int blocks_at(struct blocks *b, uint64_t ticks, struct block **out,
	      size_t *count, uint32_t *window, struct err *err)
{
	struct fold *f;
	int rc;

	*out = NULL;
	*count = 0;
	rc = slabfile_header(b->fd, b->path, &b->header, err);
	if (rc == 0)
		rc = catch_up(b, ticks, err);
	if (rc < 0)
		return rc;
	f = b->checkpoint.fold;
	*window = window_of(&f->core, ticks);
	rc = list_blocks(f, out, count);
	return rc < 0 ? err_set(err, rc, "out of memory reading %s", b->path)
		      : 0;
}
