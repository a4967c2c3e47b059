/*
 * uprobe: see uprobe.h.
 */
#include "profiler/probe/uprobe.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Of <linux/bpf.h> of Linux 6.6, which may be newer than what we build on. */
#define TRACE_UPROBE_MULTI   48
#define TRACE_UPROBE_SESSION 57 /* of 6.13 */
#define LINK_CREATE	     28
#define UPROBE_MULTI_RETURN  1

struct multi_attr { /* union bpf_attr, link_create.uprobe_multi */
	uint32_t program, target, type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, pad;
};
_Static_assert(sizeof(struct multi_attr) == 64, "the kernel's layout");

static bool is_linux_6(unsigned wanted)
{
	struct utsname name;
	unsigned major, minor;

	return uname(&name) == 0 &&
	       sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= wanted));
}

static bool has_multi(void)
{
	return is_linux_6(6);
}

void uprobe_prepare(struct bpf_program *program)
{
	if (has_multi())
		bpf_program__set_expected_attach_type(
			program, (enum bpf_attach_type)TRACE_UPROBE_MULTI);
}

bool uprobe_prepare_session(struct bpf_program *program)
{
	if (!is_linux_6(13))
		return false;
	bpf_program__set_expected_attach_type(
		program, (enum bpf_attach_type)TRACE_UPROBE_SESSION);
	return true;
}

static int attach_multi(struct bpf_program *program,
			const struct uprobe_place *places, size_t count)
{
	uint64_t offsets[UPROBE_PLACES_MOST], cookies[UPROBE_PLACES_MOST];
	struct multi_attr attr = {
		.program = (uint32_t)bpf_program__fd(program),
		.type = (uint32_t)bpf_program__expected_attach_type(program),
		.path = (uintptr_t)places->path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.count = (uint32_t)count,
		.multi_flags = places->at_return ? UPROBE_MULTI_RETURN : 0,
		.pid = (uint32_t)places->pid,
	};
	long fd;

	if (count > UPROBE_PLACES_MOST)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		offsets[i] = places[i].offset;
		cookies[i] = places[i].cookie;
	}
	fd = syscall(SYS_bpf, LINK_CREATE, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

static int attach_event(struct bpf_program *program,
			const struct uprobe_place *place)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = place->at_return,
		    .bpf_cookie = place->cookie);
	struct bpf_link *link =
		bpf_program__attach_uprobe_opts(program,
						place->pid ? place->pid : -1,
						place->path, place->offset,
						&opts);
	int fd = link ? dup(bpf_link__fd(link)) : -errno;

	if (link && fd < 0)
		fd = -errno;
	bpf_link__destroy(link); /* the duplicate keeps it */
	return fd;
}

int uprobe_attach(struct bpf_program *program, const struct uprobe_place *place)
{
	return has_multi() ? attach_multi(program, place, 1)
			   : attach_event(program, place);
}

int uprobe_attach_all(struct bpf_program *program,
		      const struct uprobe_place *places, size_t count, int *fds)
{
	if (!count)
		return 0;
	if (has_multi()) {
		fds[0] = attach_multi(program, places, count);
		return fds[0] < 0 ? fds[0] : 1;
	}
	for (size_t i = 0; i < count; i++) {
		fds[i] = attach_event(program, &places[i]);
		if (fds[i] >= 0)
			continue;
		for (size_t k = 0; k < i; k++)
			close(fds[k]);
		return fds[i];
	}
	return (int)count;
}
