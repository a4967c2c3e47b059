/*
 * static_tls: is there room for a library's thread-local memory?
 *
 * What code reaches at a fixed distance from the thread pointer lies in one
 * block that each thread gets at its start, so glibc keeps some of it unused
 * for libraries that come late.  How much is left stands in variables of its
 * loader; where those are is told to debuggers (libthread_db) for one of them,
 * and found by what they must be for the others.  glibc 2.34 and later.
 */
#ifndef STRANDLINE_ATTACH_STATIC_TLS_H
#define STRANDLINE_ATTACH_STATIC_TLS_H

#include <stdbool.h>
#include <stdint.h>

struct remote;

struct static_tls_places { /* addresses of symbols; 0: it has none such */
	uint64_t global;   /* _rtld_global */
	uint64_t constant; /* _rtld_global_ro */
	uint64_t slots;	 /* _thread_db_rtld_global__dl_tls_dtv_slotinfo_list */
	uint64_t thread; /* _thread_db_sizeof_pthread */
};

struct static_tls {
	uint64_t unused; /* bytes */
	uint64_t align;	 /* of the block */
};

struct static_tls_need { /* of a library: its PT_TLS */
	uint64_t size, align, address;
};

/* False: it is not known. */
bool static_tls_read(struct static_tls *t, const struct remote *memory,
		     const struct static_tls_places *places);
/* As the loader decides it. */
bool static_tls_fits(const struct static_tls *t,
		     const struct static_tls_need *need);

#endif
