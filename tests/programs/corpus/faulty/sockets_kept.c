/*
 * A pair of sockets for each hundredth request, to ask a helper with; the end
 * that was handed over is closed, the other is not.
 *
 * class: fds
 * function: ask_helper
 * things: 0.01
 * hides: the kernel holds what they hold; nothing of it is in RSS.
 */
#include "tests/programs/corpus/corpus.h"

#include <sys/socket.h>
#include <unistd.h>

NOINLINE static void ask_helper(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		give_up("no sockets");
	close(pair[1]);
}

void case_request(struct request *r)
{
	if (r->number % 100 == 0)
		ask_helper();
}
