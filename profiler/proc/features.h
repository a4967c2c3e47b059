/*
 * features: what this kernel offers and what this process may do, as the
 * kernel's own files tell.
 */
#ifndef STRANDLINE_PROC_FEATURES_H
#define STRANDLINE_PROC_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#define FEATURES_UNKNOWN  (-1000) /* of a number: there is no such file */
#define FEATURES_NO_LIMIT UINT64_MAX

struct features {
	char release[80]; /* "6.1.0-18-amd64" */
	unsigned major, minor;
	bool btf;	       /* the kernel tells of its own types */
	char lockdown[24];     /* "none", "integrity"; "": has none */
	int perf_paranoid;     /* kernel.perf_event_paranoid */
	int unprivileged_bpf;  /* kernel.unprivileged_bpf_disabled */
	int ptrace_scope;      /* of yama; UNKNOWN: there is no yama */
	uint64_t capabilities; /* in force, by number */
	uint64_t bounding;     /* that can ever be had here */
	bool uprobes, tracefs;
	unsigned cgroup;       /* version; 0: none is mounted */
	uint64_t memory_limit; /* of our own cgroup; NO_LIMIT */
	uint64_t memory_used;
	uint64_t memlock, descriptors; /* our limits; NO_LIMIT */
};

/* @root: "" for this machine, or a tree that stands for it in tests. */
void features_read(struct features *f, const char *root);

/* The capability of that number (<linux/capability.h>) is in force. */
bool features_may(const struct features *f, int capability);
/* That kernel or a later one. */
bool features_since(const struct features *f, unsigned major, unsigned minor);

#endif
