/*
 * price: see price.h.
 *
 * Two functions of ours, one that begins with an instruction which the kernel
 * does by itself and one that begins with any other, are called with and
 * without a probe on them.
 */
#include "profiler/probe/price.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/probe/modules.h"
#include "profiler/probe/uprobe.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"

#define CALLS	       300
#define ROUNDS	       5
#define SYSCALL_ROUNDS 20
#define TYPICAL_NS     450
#define TYPICAL_STEP   1500

__attribute__((naked, noinline)) static void cheap(void)
{
	__asm__ volatile("push %rax; pop %rax; ret");
}

__attribute__((naked, noinline)) static void stepped(void)
{
	__asm__ volatile("mov %rsp, %rax; ret");
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* The least of several rounds: others want the CPU too. */
static double call_ns(void (*function)(void))
{
	uint64_t least = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t since = now_ns(), took;

		for (int i = 0; i < CALLS; i++)
			function();
		took = now_ns() - since;
		if (took < least)
			least = took;
	}
	return (double)least / CALLS;
}

/* Where our own code at @address lies in our file; false: nowhere. */
static bool offset_of(uint64_t address, uint64_t *offset)
{
	struct buf maps = BUF_INIT;
	struct maps_cursor c;
	struct maps_entry e;
	bool found = false;
	int dir = procfs_open("/proc", getpid());

	if (dir < 0)
		return false;
	if (procfs_read(dir, "maps", &maps) == 0) {
		c = maps_begin(maps.bytes, maps.len);
		while (!found && maps_next(&c, &e)) {
			found = address >= e.start && address < e.end;
			*offset = address - e.start + e.offset;
		}
	}
	buf_free(&maps);
	close(dir);
	return found;
}

double price_hit_ns(struct bpf_program *program, const struct price_of *of)
{
	void (*function)(void) = of->stepped ? stepped : cheap;
	double typical = of->stepped ? TYPICAL_STEP : TYPICAL_NS;
	struct uprobe_place place = { .path = "/proc/self/exe",
				      .cookie = of->cookie,
				      .pid = getpid(),
				      .at_return = of->at_return };
	double without = call_ns(function), with;
	int fd;

	if (!offset_of((uintptr_t)function, &place.offset))
		return typical;
	fd = uprobe_attach(program, &place);
	if (fd < 0)
		return typical;
	with = call_ns(function);
	close(fd);
	return with > without ? with - without : typical;
}

static void ask_for_parent(void)
{
	(void)syscall(SYS_getppid);
}

double price_syscall_ns(void)
{
	double least = call_ns(ask_for_parent);

	for (int i = 0; i < SYSCALL_ROUNDS; i++) {
		double again = call_ns(ask_for_parent);

		least = again < least ? again : least;
	}
	return least;
}

void price_measure(struct bpf_program *program, struct price *price)
{
	struct price_of of = { .cookie = UINT32_MAX };

	price->cheap_ns = price_hit_ns(program, &of);
	of.stepped = true;
	price->stepped_ns = price_hit_ns(program, &of);
}
