/*
 * tls: puts the programs of bpf/http.bpf.c on the TLS libraries that the
 * targets map, so that what they encrypt is seen before that.
 *
 * OpenSSL 1.1 and 3, and what has its functions: as a library of its own or
 * in an executable that tells where they are.  Only what is mapped can be
 * found, so look again now and then.
 */
#ifndef STRANDLINE_PROBE_TLS_H
#define STRANDLINE_PROBE_TLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct http_bpf;
struct tls;

/* @note: what happened, in a sentence; may be NULL. */
struct tls *tls_new(struct http_bpf *bpf,
		    void (*note)(void *context, const char *sentence),
		    void *context); /* NULL when out of memory */
void tls_free(struct tls *tls);	    /* NULL is fine */

/* Before the load. */
void tls_prepare(struct http_bpf *bpf);
/* Look for libraries in process @pid that are not watched yet. */
void tls_look(struct tls *tls, pid_t pid);
/* How many are watched. */
size_t tls_libraries(const struct tls *tls);

#endif
