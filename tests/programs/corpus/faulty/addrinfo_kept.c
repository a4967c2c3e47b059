/*
 * The result of getaddrinfo is never given back.
 *
 * class: leak
 * function: resolve
 * bytes: 64
 * hides: it is not obvious that there is something to give back.
 * argued: an addrinfo of 48 bytes with its address of 16 in one block.
 */
#include "tests/programs/corpus/corpus.h"

#include <netdb.h>
#include <sys/socket.h>

NOINLINE static void resolve(const char *host)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_family = AF_INET,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (getaddrinfo(host, "80", &hints, &found) != 0)
		give_up("cannot resolve");
	USE(found);
}

void case_request(struct request *r)
{
	(void)r;
	resolve("127.0.0.1");
}
