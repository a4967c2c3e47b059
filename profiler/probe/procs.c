/*
 * procs: the user half of bpf/procs.bpf.c, the first probe of every session.
 */
#include "profiler/probe/procs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bpf/procs.h"
#include "bpf/procs.skel.h"
#include "profiler/base/err.h"
#include "profiler/probe/probe.h"

struct procs {
	struct procs_bpf *bpf;
	struct ring *ring;
	struct probes_options options;
};

static int on_event(void *context, void *bytes, size_t size)
{
	const struct procs *procs = context;

	if (size >= sizeof(struct procs_event) && procs->options.process)
		procs->options.process(procs->options.context, bytes);
	return 0;
}

/* Which processes are looked at besides those in the map. */
static int set_scope(struct procs *procs, struct err *err)
{
	struct stat sb;

	procs->bpf->rodata->follow = procs->options.follow;
	if (!procs->options.cgroup)
		return 0;
	if (stat(procs->options.cgroup, &sb) < 0)
		return err_errno(err, "cannot look at cgroup %s",
				 procs->options.cgroup);
	procs->bpf->rodata->cgroup = sb.st_ino; /* which is a cgroup's id */
	procs->bpf->rodata->cgroup_level = procs->options.cgroup_level;
	return 0;
}

static void procs_close(void *self)
{
	struct procs *procs = self;

	if (!procs)
		return;
	ring_close(procs->ring);
	procs_bpf__destroy(procs->bpf);
	free(procs);
}

static int procs_open(void **self, struct probes *set, const void *options,
		      struct err *err)
{
	struct procs *procs = calloc(1, sizeof(*procs));
	int rc;

	(void)set;
	*self = NULL;
	if (!procs)
		return err_set(err, -ENOMEM, "out of memory");
	procs->options = *(const struct probes_options *)options;
	procs->bpf = procs_bpf__open();
	if (!procs->bpf) {
		rc = err_errno(err, "cannot read the program procs");
		goto close;
	}
	rc = set_scope(procs, err);
	if (rc < 0)
		goto close;
	rc = procs_bpf__load(procs->bpf);
	if (rc == 0)
		rc = probes_ring(&procs->ring, procs->bpf->maps.ring, on_event,
				 procs);
	if (rc < 0) {
		err_set(err, rc, "cannot load the program procs: %s",
			strerror(-rc));
		goto close;
	}
	*self = procs;
	return 0;

close:
	procs_close(procs);
	return rc;
}

static int procs_attach(void *self, struct err *err)
{
	struct procs *procs = self;
	int rc = procs_bpf__attach(procs->bpf);

	if (rc < 0)
		err_set(err, rc, "cannot follow processes: %s", strerror(-rc));
	return rc;
}

static int procs_drain(void *self)
{
	int rc = ring_consume(((struct procs *)self)->ring);

	return rc < 0 ? rc : 0;
}

static int procs_fd(void *self)
{
	return ring_fd(((struct procs *)self)->ring);
}

static bool procs_counter(void *self, size_t n, struct probe_counter *into)
{
	static const char *const reasons[PROCS_NCOUNTERS] = {
		[PROCS_SENT] = "sent",
		[PROCS_RING_FULL] = "ring_full",
		[PROCS_TARGETS_FULL] = "too_many_processes",
	};
	const struct procs *procs = self;

	if (n >= PROCS_NCOUNTERS)
		return false;
	*into = (struct probe_counter) {
		.probe = "procs",
		.reason = reasons[n],
		.count = probes_count(procs->bpf->maps.counters, (uint32_t)n),
		.did = n == PROCS_SENT,
	};
	return true;
}

int procs_targets(const struct procs *procs)
{
	return bpf_map__fd(procs->bpf->maps.targets);
}

int procs_loads(void)
{
	struct procs_bpf *bpf = procs_bpf__open_and_load();

	if (!bpf)
		return -errno;
	procs_bpf__destroy(bpf);
	return 0;
}

const struct probe_class probe_procs = {
	.name = "procs",
	.open = procs_open,
	.attach = procs_attach,
	.drain = procs_drain,
	.fd = procs_fd,
	.counter = procs_counter,
	.close = procs_close,
};
