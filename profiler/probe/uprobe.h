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
#include <stddef.h>
#include <stdint.h>

struct bpf_link;
struct bpf_program;

/* Before the load of its object. */
void uprobe_prepare(struct bpf_program *program);
/*
 * The same for one program that is run at a call and, where it returns 0
 * there, at the call's return; false, and nothing is done, where the kernel
 * lacks those (6.13).
 */
bool uprobe_prepare_session(struct bpf_program *program);

#define UPROBE_PLACES_MOST 128

struct uprobe_place {
	const char *path;
	uint64_t offset; /* in the file */
	uint64_t cookie;
	int pid; /* in that process alone; 0: in all of them */
	bool at_return;
};

/* A descriptor to be closed, or -errno. */
int uprobe_attach(struct bpf_program *program,
		  const struct uprobe_place *place);

/*
 * Several places of one file, which share all but offset and cookie, at once:
 * a link that is closed waits for the kernel, and one is enough here where it
 * can be.  Descriptors into @fds; how many, @count at most, or -errno.
 */
int uprobe_attach_all(struct bpf_program *program,
		      const struct uprobe_place *places, size_t count,
		      int *fds);

#endif
