/*
 * probe: programs in the kernel that look at the processes of one session.
 */
#include "profiler/probe/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/targets.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/probe/capture.h"
#include "profiler/probe/procs.h"
#include "profiler/probe/tables.h"

#define MOST_CPUS      4096
#define SETTLE_STEP_MS 2

struct probe {
	const struct probe_class *class;
	void *self;
};

struct probes {
	VEC(struct probe) probes;
	struct procs *procs; /* the first of them; owns the targets map */
	struct tables *tables;
	struct capture *capture;
	int targets;
	int epoll;
};

/* libbpf's own words are for its authors ("try raising ulimit -l"). */
static int no_words(enum libbpf_print_level level, const char *format,
		    va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static int refused(int rc, struct err *err)
{
	if (rc == -EPERM || rc == -EACCES)
		return err_set(err, -EPERM,
			       "no right to load programs into the kernel "
			       "(BPF): run this as root, or with CAP_BPF and "
			       "CAP_PERFMON");
	return err_set(err, -ENOTSUP,
		       "this kernel does not take our programs (BPF): %s; it "
		       "must be Linux 5.18 or newer, with BTF "
		       "(/sys/kernel/btf/vmlinux)",
		       strerror(-rc));
}

int probes_possible(struct err *err)
{
	int rc;

	libbpf_set_print(no_words);
	rc = procs_loads();
	return rc < 0 ? refused(rc, err) : 0;
}

static int add_fd(struct probes *set, const struct probe *probe)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = probe->class->fd(probe->self);

	if (fd < 0)
		return 0;
	return epoll_ctl(set->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno
								    : 0;
}

int probes_add(struct probes *set, const struct probe_class *class,
	       const void *options, struct err *err)
{
	struct probe *probe = vec_push(&set->probes);
	int rc;

	if (!probe)
		return err_set(err, -ENOMEM, "out of memory");
	probe->class = class;
	rc = class->open(&probe->self, set, options, err);
	if (rc < 0) {
		set->probes.count--;
		return rc;
	}
	rc = add_fd(set, probe);
	if (rc < 0)
		return err_set(err, rc, "cannot wait for probe %s: %s",
			       class->name, strerror(-rc));
	return 0;
}

int probes_open(struct probes **out, const struct probes_options *options,
		struct err *err)
{
	struct probes *set = calloc(1, sizeof(*set));
	int rc;

	*out = NULL;
	if (!set)
		return err_set(err, -ENOMEM, "out of memory");
	libbpf_set_print(no_words);
	set->targets = -1;
	set->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (set->epoll < 0) {
		rc = err_errno(err, "cannot wait for events");
		goto close;
	}
	rc = probes_add(set, &probe_procs, options, err);
	if (rc < 0)
		goto close;
	set->procs = set->probes.at[0].self;
	set->targets = procs_targets(set->procs);
	rc = tables_open(
		&set->tables,
		options->capture ? capture_dir(options->capture) : NULL,
		options->capture ? capture_copies(options->capture) : 0, err);
	if (rc < 0)
		goto close;
	set->capture = options->capture;
	if (set->capture)
		capture_use(set->capture, set->tables);
	*out = set;
	return 0;

close:
	probes_close(set);
	return rc == -EPERM || rc == -EACCES ? refused(rc, err) : rc;
}

void probes_close(struct probes *set)
{
	if (!set)
		return;
	while (set->probes.count > 0) {
		struct probe *probe = &set->probes.at[--set->probes.count];

		probe->class->close(probe->self);
	}
	vec_free(&set->probes);
	if (set->capture)
		capture_use(set->capture, NULL);
	tables_close(set->tables);
	if (set->epoll >= 0)
		close(set->epoll);
	free(set);
}

int probes_target(struct probes *set, pid_t pid, uint64_t start_ns,
		  struct err *err)
{
	struct target target = { .start_ns = start_ns };
	uint32_t key = (uint32_t)pid;

	if (bpf_map_update_elem(set->targets, &key, &target, BPF_ANY) == 0)
		return 0;
	return err_set(err, -errno, "cannot look at process %d: %s", (int)pid,
		       errno == E2BIG ? "too many processes" : strerror(errno));
}

bool probes_is_target(const struct probes *set, pid_t pid)
{
	struct target target;
	uint32_t key = (uint32_t)pid;

	return bpf_map_lookup_elem(set->targets, &key, &target) == 0;
}

int probes_attach(struct probes *set, struct err *err)
{
	struct probe *probe;

	vec_foreach (&set->probes, probe) {
		int rc = probe->class->attach(probe->self, err);

		if (rc < 0)
			return rc;
	}
	/* What libbpf has read of the kernel's types is several MiB. */
	malloc_trim(0);
	return 0;
}

int probes_drain(struct probes *set, int timeout_ms)
{
	struct epoll_event event;
	struct probe *probe;
	int rc = 0;

	if (timeout_ms != 0)
		epoll_wait(set->epoll, &event, 1, timeout_ms);
	vec_foreach (&set->probes, probe) {
		int failed = probe->class->drain(probe->self);

		if (failed < 0)
			rc = failed;
	}
	return rc;
}

static bool unfinished(const struct probes *set)
{
	const struct probe *probe;

	vec_foreach (&set->probes, probe)
		if (probe->class->unfinished &&
		    probe->class->unfinished(probe->self))
			return true;
	return false;
}

void probes_settle(struct probes *set, int most_ms)
{
	probes_drain(set, 0);
	for (int ms = 0; ms < most_ms && unfinished(set); ms += SETTLE_STEP_MS)
		if (usleep(SETTLE_STEP_MS * 1000) < 0 ||
		    probes_drain(set, 0) < 0)
			return;
}

bool probes_counter(const struct probes *set, size_t n,
		    struct probe_counter *into)
{
	const struct probe *probe;

	vec_foreach (&set->probes, probe) {
		size_t own = 0;

		while (probe->class->counter(probe->self, own, into))
			if (own++ == n)
				return true;
		n -= own;
	}
	return false;
}

int probes_fd(const struct probes *set)
{
	return set->epoll;
}

struct capture *probes_capture(const struct probes *set)
{
	return set->capture;
}

static int share(struct bpf_object *object, const char *name, int fd)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	return map && fd >= 0 ? bpf_map__reuse_fd(map, fd) : 0;
}

int probes_share(const struct probes *set, struct bpf_object *object,
		 struct err *err)
{
	int rc = share(object, "targets", set->targets);

	if (rc == 0)
		rc = share(object, "tables", tables_rules_fd(set->tables));
	if (rc == 0)
		rc = share(object, "spaces", tables_spaces_fd(set->tables));
	if (rc == 0)
		rc = share(object, "pythons", tables_pythons_fd(set->tables));
	if (rc < 0)
		err_set(err, rc, "cannot share the session's maps: %s",
			strerror(-rc));
	return rc;
}

int probes_ring(struct ring **out, const struct bpf_map *map, ring_sink *sink,
		void *context)
{
	return ring_open(out, bpf_map__fd(map), bpf_map__max_entries(map), sink,
			 context);
}

uint64_t probes_count(const struct bpf_map *counters, uint32_t which)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t sum = 0, *values;

	if (cpus <= 0 || cpus > MOST_CPUS)
		return 0;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return 0;
	if (bpf_map_lookup_elem(bpf_map__fd(counters), &which, values) == 0)
		for (int cpu = 0; cpu < cpus; cpu++)
			sum += values[cpu];
	free(values);
	return sum;
}
