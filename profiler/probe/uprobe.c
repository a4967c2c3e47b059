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
#define TRACE_UPROBE_MULTI  48
#define LINK_CREATE	    28
#define UPROBE_MULTI_RETURN 1

struct multi_attr { /* union bpf_attr, link_create.uprobe_multi */
	uint32_t program, target, type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, pad;
};
_Static_assert(sizeof(struct multi_attr) == 64, "the kernel's layout");

static bool has_multi(void)
{
	struct utsname name;
	unsigned major, minor;

	return uname(&name) == 0 &&
	       sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 6));
}

void uprobe_prepare(struct bpf_program *program)
{
	if (has_multi())
		bpf_program__set_expected_attach_type(
			program, (enum bpf_attach_type)TRACE_UPROBE_MULTI);
}

static int attach_multi(struct bpf_program *program,
			const struct uprobe_place *place)
{
	struct multi_attr attr = {
		.program = (uint32_t)bpf_program__fd(program),
		.type = TRACE_UPROBE_MULTI,
		.path = (uintptr_t)place->path,
		.offsets = (uintptr_t)&place->offset,
		.cookies = (uintptr_t)&place->cookie,
		.count = 1,
		.multi_flags = place->at_return ? UPROBE_MULTI_RETURN : 0,
	};
	long fd = syscall(SYS_bpf, LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : (int)fd;
}

static int attach_event(struct bpf_program *program,
			const struct uprobe_place *place)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = place->at_return,
		    .bpf_cookie = place->cookie);
	struct bpf_link *link =
		bpf_program__attach_uprobe_opts(program, -1, place->path,
						place->offset, &opts);
	int fd = link ? dup(bpf_link__fd(link)) : -errno;

	if (link && fd < 0)
		fd = -errno;
	bpf_link__destroy(link); /* the duplicate keeps it */
	return fd;
}

int uprobe_attach(struct bpf_program *program, const struct uprobe_place *place)
{
	return has_multi() ? attach_multi(program, place)
			   : attach_event(program, place);
}
