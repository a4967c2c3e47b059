/*
 * keeper: a thread that gives a recording's space back while it grows.
 */
#include "profiler/cmd/keeper.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profiler/base/err.h"
#include "profiler/cmd/terminal.h"
#include "profiler/cmd/ticker.h"
#include "profiler/trace/digest.h"

/* A busy exact recording writes 100 MB a second, of a cap of 256 MiB. */
#define ROUND_NS 100000000ULL

struct keeper {
	struct digest *digest; /* the thread's alone while that runs */
	struct ticker *ticker;
	bool told;
	uint64_t hold_until_ns; /* atomic */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

void keeper_hold(struct keeper *k, uint64_t until_ns)
{
	if (k)
		__atomic_store_n(&k->hold_until_ns, until_ns, __ATOMIC_RELAXED);
}

static void keep(void *ctx)
{
	struct keeper *k = ctx;
	struct err err = ERR_INIT;

	if (now_ns() < __atomic_load_n(&k->hold_until_ns, __ATOMIC_RELAXED))
		return;
	if (digest_poll(k->digest, &err) == 0 || k->told)
		return;
	k->told = true; /* once: it will fail so each round */
	terminal_note("%s", err.text);
}

int keeper_start(struct keeper **out, const char *dir, struct err *err)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int rc;

	*out = NULL;
	if (!k)
		return err_set(err, -ENOMEM, "out of memory");
	rc = digest_open(&k->digest, dir, err);
	if (rc < 0)
		goto free_keeper;
	rc = ticker_start(&k->ticker, ROUND_NS, keep, k);
	if (rc < 0) {
		err_set(err, rc, "%s: cannot start a thread: %s", dir,
			strerror(-rc));
		goto close_digest;
	}
	*out = k;
	return 0;

close_digest:
	digest_close(k->digest);
free_keeper:
	free(k);
	return rc;
}

void keeper_stop(struct keeper *k)
{
	if (!k)
		return;
	ticker_stop(k->ticker);
	digest_close(k->digest);
	free(k);
}
