/*
 * anatomy: what a process is made of: its C library, allocator, interpreter
 * and TLS library, and what stands around it.
 *
 * Told by the files that it has mapped; of what is linked into the program
 * itself by texts that each of those libraries carries.
 */
#ifndef STRANDLINE_PROC_ANATOMY_H
#define STRANDLINE_PROC_ANATOMY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum anatomy_libc {
	ANATOMY_NO_LIBC, /* none that is known */
	ANATOMY_GLIBC,
	ANATOMY_MUSL,
};

struct anatomy {
	pid_t pid, own_pid; /* own: in its own pid namespace */
	char exe[1024], command[256];
	bool exe_deleted;
	bool x86_64;	/* 64 bits, that machine */
	bool is_static; /* it has no loader */
	enum anatomy_libc libc;
	char libc_version[24];	 /* "2.36"; "": not known */
	const char *allocator;	 /* "jemalloc"; never NULL */
	bool allocator_linked;	 /* into the program itself */
	const char *interpreter; /* "CPython", "node", "java"; or NULL */
	const char *tls;	 /* "OpenSSL", "GnuTLS", ...; or NULL */
	bool tls_linked;
	bool shim;	/* Strandline's library is loaded */
	bool recording; /* and writes into a file */
	char recording_dir[1024];

	uid_t uid;
	uint64_t threads;
	char state;  /* of the first thread */
	int seccomp; /* 0 none, 1 strict, 2 filter */
	bool no_new_privs;
	bool dumpable;
	pid_t tracer;	/* 0: none */
	bool readable;	/* its maps may be read */
	bool traceable; /* we may attach to it */
	bool other_mounts, other_pids, other_net, other_user;
	char container[32]; /* "docker"; "": none is told by its cgroup */
	uint64_t rss;
	uint64_t memory_limit, memory_used; /* of its cgroup; UINT64_MAX */
};

/* -ESRCH (gone, a zombie), -ENOTSUP (of the kernel), with a sentence. */
int anatomy_read(struct anatomy *a, pid_t pid, struct err *err);

/* The parts that texts decide; for tests.  @maps: of /proc/PID/maps. */
void anatomy_parse_maps(struct anatomy *a, const char *maps);
void anatomy_parse_status(struct anatomy *a, const char *status);
void anatomy_parse_cgroup(struct anatomy *a, const char *cgroup);

#endif
