/*
 * uprobe: a program at a place of a file's code, in every process that maps
 * it.
 *
 * By a link of many places where the kernel has those (6.6), which needs no
 * more than CAP_BPF and CAP_PERFMON; else by a perf event.  A link is a
 * descriptor: closing it, by whatever end of this process too, takes the
 * probe out of the code again.
 */
#ifndef STRANDLINE_PROBE_UPROBE_H
#define STRANDLINE_PROBE_UPROBE_H

#include <stdbool.h>
#include <stdint.h>

struct bpf_link;
struct bpf_program;

/* Before the load of its object. */
void uprobe_prepare(struct bpf_program *program);

struct uprobe_place {
	const char *path;
	uint64_t offset; /* in the file */
	uint64_t cookie;
	bool at_return;
};

/* A descriptor to be closed, or -errno. */
int uprobe_attach(struct bpf_program *program,
		  const struct uprobe_place *place);

#endif
