/*
 * tls: see tls.h.  SSL_read and its kin, hooked for requests.c.
 *
 * A process can hold several libraries that define them, of versions that do
 * not understand each other's objects: Debian's beside the one that a Python
 * wheel brings.  Which of them a caller was bound to the loader alone knows;
 * but an object says whose it is: one of its first words points at the static
 * table of methods in its own library.  So each call goes on to the library
 * of its object, and a library that came by dlopen is found when the first
 * object of its comes by.
 *
 * No lock of theirs or of the loader's is taken beside what the real function
 * takes.  What goes on inside such a call, and comes here again (a function
 * that calls another through its linkage table; TLS within TLS), is that
 * call's own.
 *
 * Not seen: libraries without these names, or linked into the program, whose
 * calls come by no linkage table (Go, rustls, BoringSSL in a binary); those
 * that are called by a pointer from dlsym on the library itself; 0-RTT data.
 */
#include "preload/tls.h"

#include <sys/types.h>

#include "preload/exports.h"
#include "preload/internal.h"
#include "preload/requests.h"
#include "preload/sys.h"

#define LIBRARIES_MAX 8
#define TABLES	      8
#define OBJECT_WORDS  4 /* the methods are among the first: all releases */

typedef struct ssl_st SSL;

#define TLS_FUNCTIONS(F)                                              \
	F(int, SSL_read, (SSL *, void *, int))                        \
	F(int, SSL_read_ex, (SSL *, void *, size_t, size_t *))        \
	F(int, SSL_write, (SSL *, const void *, int))                 \
	F(int, SSL_write_ex, (SSL *, const void *, size_t, size_t *)) \
	F(int, SSL_write_ex2,                                         \
	  (SSL *, const void *, size_t, uint64_t, size_t *))          \
	F(ssize_t, SSL_sendfile, (SSL *, int, off_t, size_t, int))    \
	F(int, SSL_shutdown, (SSL *))                                 \
	F(void, SSL_free, (SSL *))                                    \
	F(int, SSL_is_server, (const SSL *))

struct library {
	uint64_t start, end;
#define TLS_MEMBER(type, name, params) type(*name) params;
	TLS_FUNCTIONS(TLS_MEMBER)
#undef TLS_MEMBER
};

struct libraries {
	unsigned count;
	struct library at[LIBRARIES_MAX];
};

/*
 * Immutable once published (release; pairs with the acquire of its readers).
 * The last few stay for readers that are still at them.
 */
static struct {
	struct libraries tables[TABLES];
	unsigned next;
	const struct libraries *now; /* NULL: look */
} tls;

static void add(void *context, const struct exports_object *o)
{
	struct libraries *to = context;
	struct library *l = &to->at[to->count];

	if (to->count == LIBRARIES_MAX || !exports_find(o, "SSL_read"))
		return;
	l->start = o->start;
	l->end = o->end;
#define LOOK_UP(type, name, params) \
	l->name = (type(*) params)exports_find(o, #name);
	TLS_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
	to->count++;
}

/* Threads that look at once each publish what they found. */
COLD static const struct libraries *look(void)
{
	unsigned slot = __atomic_fetch_add(&tls.next, 1, __ATOMIC_RELAXED);
	struct libraries *to = &tls.tables[slot % TABLES];

	to->count = 0;
	exports_each(add, to);
	__atomic_store_n(&tls.now, to, __ATOMIC_RELEASE);
	return to;
}

static const struct library *owner(const struct libraries *all, const SSL *ssl)
{
	const uint64_t *words = (const uint64_t *)ssl;

	for (unsigned w = 0; w < OBJECT_WORDS; w++)
		for (unsigned i = 0; i < all->count; i++)
			if (words[w] >= all->at[i].start &&
			    words[w] < all->at[i].end)
				return &all->at[i];
	return NULL;
}

/* The library of @ssl; of one that does not tell, the first. */
static const struct library *library_of(const SSL *ssl)
{
	static const struct library none;
	const struct libraries *all =
		__atomic_load_n(&tls.now, __ATOMIC_ACQUIRE);
	const struct library *found = all && ssl ? owner(all, ssl) : NULL;

	if (likely(found))
		return found;
	if (!all || ssl)
		all = look();
	found = ssl ? owner(all, ssl) : NULL;
	if (found)
		return found;
	return all->count ? &all->at[0] : &none;
}

void tls_forget(void)
{
	__atomic_store_n(&tls.now, NULL, __ATOMIC_RELEASE);
}

static bool serves(const struct library *l, const SSL *ssl)
{
	return l->SSL_is_server && l->SSL_is_server(ssl) == 1;
}

/*
 * What all of them have in common: @call is the real one and @size what went
 * through it; @tell says so to the tracker.
 */
#define TRANSFER(type, name, failed, call, size, tell)                    \
	const struct library *l = library_of(ssl);                        \
	uint64_t since;                                                   \
	type rc;                                                          \
                                                                          \
	if (unlikely(!l->name))                                           \
		return failed;                                            \
	if (!requests.fds || self.context.tls || !ssl || !serves(l, ssl)) \
		return l->call;                                           \
	self.context.tls = ssl;                                           \
	since = ticks_now();                                              \
	rc = l->call;                                                     \
	self.context.tls = NULL;                                          \
	if (rc > 0 && (size) > 0)                                         \
		tell;                                                     \
	return rc

EXPORT int SSL_read(SSL *ssl, void *to, int size)
{
	TRANSFER(int, SSL_read, -1, SSL_read(ssl, to, size), rc,
		 requests_tls_read(ssl, to, (size_t)rc, since));
}

EXPORT int SSL_read_ex(SSL *ssl, void *to, size_t size, size_t *got)
{
	TRANSFER(int, SSL_read_ex, 0, SSL_read_ex(ssl, to, size, got), *got,
		 requests_tls_read(ssl, to, *got, since));
}

EXPORT int SSL_write(SSL *ssl, const void *from, int size)
{
	TRANSFER(int, SSL_write, -1, SSL_write(ssl, from, size), rc,
		 requests_tls_written(ssl, from, (size_t)rc, since));
}

EXPORT int SSL_write_ex(SSL *ssl, const void *from, size_t size, size_t *put)
{
	TRANSFER(int, SSL_write_ex, 0, SSL_write_ex(ssl, from, size, put), *put,
		 requests_tls_written(ssl, from, *put, since));
}

EXPORT int SSL_write_ex2(SSL *ssl, const void *from, size_t size,
			 uint64_t flags, size_t *put)
{
	TRANSFER(int, SSL_write_ex2, 0,
		 SSL_write_ex2(ssl, from, size, flags, put), *put,
		 requests_tls_written(ssl, from, *put, since));
}

/* By the kernel (kTLS): nobody has the bytes. */
EXPORT ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t size,
			    int flags)
{
	TRANSFER(ssize_t, SSL_sendfile, -1,
		 SSL_sendfile(ssl, fd, offset, size, flags), rc,
		 requests_tls_written(ssl, NULL, (size_t)rc, since));
}
#undef TRANSFER

/* Nothing more will be written to it. */
EXPORT int SSL_shutdown(SSL *ssl)
{
	const struct library *l = library_of(ssl);

	if (requests.fds && !self.context.tls)
		requests_tls_closing(ssl);
	return l->SSL_shutdown ? l->SSL_shutdown(ssl) : -1;
}

EXPORT void SSL_free(SSL *ssl)
{
	const struct library *l = library_of(ssl);

	if (requests.fds && !self.context.tls)
		requests_tls_closing(ssl);
	if (l->SSL_free)
		l->SSL_free(ssl);
}
