/*
 * uring: answers HTTP through io_uring, where no system call of its own reads
 * or writes a connection.
 *
 *	uring PORT
 *
 * One request after the other, one connection at a time, each operation waited
 * for: "ok" to whatever is asked, until SIGTERM.
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static struct ring {
	int fd;
	struct io_uring_params p;
	uint8_t *submitted, *completed; /* the rings; see p.sq_off, p.cq_off */
	struct io_uring_sqe *entries;
} ring;

static _Atomic uint32_t *word(uint8_t *at, uint32_t offset)
{
	return (_Atomic uint32_t *)(void *)(at + offset);
}

static void *map(size_t size, off_t what)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, ring.fd, what);

	if (at == MAP_FAILED)
		err(1, "mmap of a ring");
	return at;
}

static void ring_open(void)
{
	ring.fd = (int)syscall(SYS_io_uring_setup, 4, &ring.p);
	if (ring.fd < 0)
		err(77, "io_uring_setup");
	ring.submitted =
		map(ring.p.sq_off.array + ring.p.sq_entries * sizeof(uint32_t),
		    IORING_OFF_SQ_RING);
	ring.completed =
		map(ring.p.cq_off.cqes +
			    ring.p.cq_entries * sizeof(struct io_uring_cqe),
		    IORING_OFF_CQ_RING);
	ring.entries = map(ring.p.sq_entries * sizeof(struct io_uring_sqe),
			   IORING_OFF_SQES);
}

/* One operation, to its end; what it returned. */
static int act(uint8_t operation, int fd, void *at, uint32_t size)
{
	uint32_t tail = *word(ring.submitted, ring.p.sq_off.tail);
	uint32_t slot = tail & (ring.p.sq_entries - 1), head;
	struct io_uring_cqe *done;

	ring.entries[slot] = (struct io_uring_sqe) {
		.opcode = operation,
		.fd = fd,
		.addr = (uintptr_t)at,
		.len = size,
	};
	*word(ring.submitted,
	      ring.p.sq_off.array + slot * (uint32_t)sizeof(slot)) = slot;
	*word(ring.submitted, ring.p.sq_off.tail) = tail + 1;
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) < 0)
		err(1, "io_uring_enter");
	head = *word(ring.completed, ring.p.cq_off.head);
	done = (struct io_uring_cqe *)(void *)(ring.completed +
					       ring.p.cq_off.cqes) +
	       (head & (ring.p.cq_entries - 1));
	*word(ring.completed, ring.p.cq_off.head) = head + 1;
	return done->res;
}

static void serve(int client)
{
	char request[4096];

	while (act(IORING_OP_RECV, client, request, sizeof(request)) > 0)
		act(IORING_OP_SEND, client, (void *)answer, sizeof(answer) - 1);
	close(client);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "0")),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ring_open();
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(listener, 16) < 0)
		err(1, "port %s", argv[1]);
	for (;;) {
		int client = act(IORING_OP_ACCEPT, listener, NULL, 0);

		if (client >= 0)
			serve(client);
	}
}
