/*
 * Each fiftieth request opens an audit log and does not close it.
 *
 * class: fds
 * function: open_audit
 * things: 0.02
 * hides: it takes no memory of the process; each request opens and closes one.
 */
#include "tests/programs/corpus/corpus.h"

#include <fcntl.h>
#include <unistd.h>

NOINLINE static int open_audit(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		give_up("cannot open");
	return fd;
}

void case_request(struct request *r)
{
	int fd = open_audit();

	if (r->number % 50)
		close(fd);
}
