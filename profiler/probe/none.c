/*
 * none: what stands in for the probes in a build without BPF.
 */
#include "profiler/probe/probe.h"

#include <errno.h>

#include "profiler/base/err.h"
#include "profiler/probe/trial.h"

static int missing(struct err *err)
{
	return err_set(err, -ENOTSUP,
		       "this strandline was built without BPF; build it where "
		       "clang, bpftool and libbpf-dev are installed "
		       "(scripts/setup.sh)");
}

int probes_possible(struct err *err)
{
	return missing(err);
}

int probes_open(struct probes **out, const struct probes_options *options,
		struct err *err)
{
	(void)options;
	*out = NULL;
	return missing(err);
}

void probes_close(struct probes *set)
{
	(void)set;
}

int probes_target(struct probes *set, pid_t pid, uint64_t start_ns,
		  struct err *err)
{
	(void)set;
	(void)pid;
	(void)start_ns;
	return missing(err);
}

bool probes_is_target(const struct probes *set, pid_t pid)
{
	(void)set;
	(void)pid;
	return false;
}

int probes_attach(struct probes *set, struct err *err)
{
	(void)set;
	return missing(err);
}

int probes_drain(struct probes *set, int timeout_ms)
{
	(void)set;
	(void)timeout_ms;
	return -ENOTSUP;
}

void probes_settle(struct probes *set, int most_ms)
{
	(void)set;
	(void)most_ms;
}

bool probes_counter(const struct probes *set, size_t n,
		    struct probe_counter *into)
{
	(void)set;
	(void)n;
	(void)into;
	return false;
}

int probes_fd(const struct probes *set)
{
	(void)set;
	return -1;
}

bool trial_run(size_t n, struct trial *out)
{
	(void)n;
	(void)out;
	return false;
}
