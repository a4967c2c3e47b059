/*
 * other_tls: a library that defines what OpenSSL does, and that no object in
 * the process is of.  Whoever calls it was led to the wrong one.  It is so
 * large that it fits no gap, and lies below all that was mapped before it.
 */
#include <stdlib.h>

char other_tls_room[256 << 20];

#define WRONG(name)      \
	int name(void);  \
	int name(void)   \
	{                \
		abort(); \
	}

WRONG(SSL_read)
WRONG(SSL_read_ex)
WRONG(SSL_write)
WRONG(SSL_write_ex)
WRONG(SSL_shutdown)
WRONG(SSL_free)
WRONG(SSL_is_server)
