/*
 * cpu: what runs, by a clock on each CPU.
 *
 * The clock has a fixed period, so each sample stands for that much time.
 */
#include "profiler/probe/cpu.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/cpu.h"
#include "bpf/cpu.skel.h"
#include "bpf/stack.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/probe/capture.h"
#include "profiler/probe/lately.h"
#include "profiler/probe/probe.h"

#define NS_PER_SECOND 1000000000ULL

struct cpu {
	struct cpu_bpf *bpf;
	struct ring *ring;
	struct capture *capture;
	struct probe_cpu_options options;
	uint64_t period_ns;
	VEC(struct bpf_link *) links; /* one a CPU */
};

static int on_sample(void *context, void *bytes, size_t size)
{
	const struct cpu *cpu = context;
	const struct stack_sample *sample = bytes;
	uint32_t node;

	if (cpu->options.seen)
		cpu->options.seen(cpu->options.context, sample);
	if (!cpu->capture)
		return 0;
	node = capture_stack(cpu->capture, sample, size);
	if (!node)
		return 0;
	capture_weigh(cpu->capture, sample->head.pid, node, WEIGHT_CPU, 1,
		      (int64_t)cpu->period_ns);
	capture_moment(cpu->capture, &(struct lately_moment) {
					     .from_ns = sample->head.at_ns,
					     .until_ns = sample->head.at_ns,
					     .ns = cpu->period_ns,
					     .pid = sample->head.pid,
					     .tid = sample->head.tid,
					     .node = node,
					     .kind = WEIGHT_CPU,
				     });
	return 0;
}

static void cpu_close(void *self)
{
	struct cpu *cpu = self;
	struct bpf_link **link;

	if (!cpu)
		return;
	vec_foreach (&cpu->links, link)
		bpf_link__destroy(*link);
	vec_free(&cpu->links);
	ring_close(cpu->ring);
	cpu_bpf__destroy(cpu->bpf);
	free(cpu);
}

static int load(struct cpu *cpu, struct probes *set, struct err *err)
{
	int rc;

	cpu->bpf = cpu_bpf__open();
	if (!cpu->bpf)
		return err_errno(err, "cannot read the program cpu");
	rc = probes_share(set, cpu->bpf->obj, err);
	if (rc < 0)
		return rc;
	rc = cpu_bpf__load(cpu->bpf);
	if (rc == 0)
		rc = probes_ring(&cpu->ring, cpu->bpf->maps.ring, on_sample,
				 cpu);
	if (rc < 0)
		err_set(err, rc, "cannot load the program cpu: %s",
			strerror(-rc));
	return rc;
}

static int cpu_open(void **self, struct probes *set, const void *options,
		    struct err *err)
{
	const struct probe_cpu_options *opt = options;
	struct cpu *cpu = calloc(1, sizeof(*cpu));
	int rc;

	*self = NULL;
	if (!cpu)
		return err_set(err, -ENOMEM, "out of memory");
	cpu->capture = probes_capture(set);
	cpu->options = *opt;
	cpu->period_ns = NS_PER_SECOND / opt->hertz;
	rc = load(cpu, set, err);
	if (rc < 0)
		cpu_close(cpu);
	else
		*self = cpu;
	return rc;
}

/* 0; -ENODEV for a CPU that is off. */
static int attach_one(struct cpu *cpu, int number)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = cpu->period_ns,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, number, -1,
			      PERF_FLAG_FD_CLOEXEC);
	struct bpf_link **slot, *link;

	if (fd < 0)
		return -errno;
	link = bpf_program__attach_perf_event(cpu->bpf->progs.cpu_tick, fd);
	if (!link) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	slot = vec_push(&cpu->links);
	if (!slot) {
		bpf_link__destroy(link);
		return -ENOMEM;
	}
	*slot = link; /* owns fd */
	return 0;
}

static int cpu_attach(void *self, struct err *err)
{
	struct cpu *cpu = self;
	int count = libbpf_num_possible_cpus(), rc = 0;

	for (int i = 0; i < count && rc == 0; i++) {
		rc = attach_one(cpu, i);
		if (rc == -ENODEV)
			rc = 0;
	}
	if (rc < 0)
		err_set(err, rc, "cannot look at the CPUs: %s", strerror(-rc));
	return rc;
}

static int cpu_drain(void *self)
{
	int rc = ring_consume(((struct cpu *)self)->ring);

	return rc < 0 ? rc : 0;
}

static int cpu_fd(void *self)
{
	return ring_fd(((struct cpu *)self)->ring);
}

static bool cpu_counter(void *self, size_t n, struct probe_counter *into)
{
	static const struct probe_counter kinds[CPU_NCOUNTERS] = {
		[CPU_SENT] = { .reason = "sent", .did = true },
		[CPU_NS] = { .reason = "ns", .did = true, .ns = true },
		[CPU_FRAMES] = { .reason = "frames", .did = true },
		[CPU_RING_FULL] = { .reason = "ring_full" },
		[CPU_CUT] = { .reason = "stack_truncated" },
		[CPU_BROKEN] = { .reason = "stack_broken" },
	};
	const struct cpu *cpu = self;

	if (n >= CPU_NCOUNTERS)
		return false;
	*into = kinds[n];
	into->probe = "cpu";
	into->count = probes_count(cpu->bpf->maps.counters, (uint32_t)n);
	return true;
}

const struct probe_class probe_cpu = {
	.name = "cpu",
	.open = cpu_open,
	.attach = cpu_attach,
	.drain = cpu_drain,
	.fd = cpu_fd,
	.counter = cpu_counter,
	.close = cpu_close,
};
