/*
 * none: what stands in for the probes in a build without BPF.
 */
#include "profiler/probe/probe.h"

#include <errno.h>

#include "profiler/base/err.h"
#include "profiler/probe/caps.h"
#include "profiler/probe/capture.h"
#include "profiler/probe/cpu.h"
#include "profiler/probe/faults.h"
#include "profiler/probe/handlers.h"
#include "profiler/probe/heap.h"
#include "profiler/probe/http.h"
#include "profiler/probe/offcpu.h"
#include "profiler/probe/requests.h"
#include "profiler/probe/trial.h"

/* Nothing of these is ever opened. */
const struct probe_class probe_cpu = { .name = "cpu" };
const struct probe_class probe_faults = { .name = "faults" };
const struct probe_class probe_handlers = { .name = "handlers" };
const struct probe_class probe_heap = { .name = "heap" };
const struct probe_class probe_http = { .name = "http" };
const struct probe_class probe_offcpu = { .name = "offcpu" };

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

int probes_add(struct probes *set, const struct probe_class *class,
	       const void *options, struct err *err)
{
	(void)set;
	(void)class;
	(void)options;
	return missing(err);
}

int caps_keep_ours(struct err *err)
{
	return missing(err);
}

int capture_open(struct capture **out, const struct capture_options *opt,
		 struct err *err)
{
	(void)opt;
	*out = NULL;
	return missing(err);
}

void capture_close(struct capture *c)
{
	(void)c;
}

int capture_add(struct capture *c, pid_t pid, struct err *err)
{
	(void)c;
	(void)pid;
	return missing(err);
}

void capture_refresh(struct capture *c, pid_t pid)
{
	(void)c;
	(void)pid;
}

void capture_ended(struct capture *c, pid_t pid, uint64_t at_ns)
{
	(void)c;
	(void)pid;
	(void)at_ns;
}

void capture_spent(struct capture *c, uint64_t ns)
{
	(void)c;
	(void)ns;
}

uint64_t capture_lost(const struct capture *c, enum capture_loss loss,
		      const char **name)
{
	(void)c;
	(void)loss;
	*name = "";
	return 0;
}

int capture_flush(struct capture *c, uint64_t at_ns)
{
	(void)c;
	(void)at_ns;
	return 0;
}

void requests_seen(void *capture, const struct http_seen *seen)
{
	(void)capture;
	(void)seen;
}

void requests_connected(void *capture, pid_t pid, bool foreign)
{
	(void)capture;
	(void)pid;
	(void)foreign;
}

void requests_called(struct capture *c, const struct handler_seen *call,
		     const char *name)
{
	(void)c;
	(void)call;
	(void)name;
}
