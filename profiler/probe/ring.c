/*
 * ring: see ring.h.
 *
 * The kernel's layout: a page with the position of the reader, which is ours
 * to write, a page with that of the writers, then the bytes, twice.  An event
 * is a length with two flags, four bytes of the kernel's, and its bytes, in
 * steps of eight.
 */
#include "profiler/probe/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct ring {
	uint64_t *read;	   /* the first page */
	uint64_t *written; /* the second one, and the bytes behind it */
	char *bytes;
	uint64_t size; /* a power of two */
	size_t page, mapped;
	int fd;
	ring_sink *sink;
	void *context;
};

static int map_both(struct ring *r)
{
	size_t more = r->size < RING_EVENT_MOST ? r->size : RING_EVENT_MOST;
	void *at = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED,
			r->fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	r->read = at;
	r->mapped = r->page + r->size + more;
	at = mmap(NULL, r->mapped, PROT_READ, MAP_SHARED, r->fd,
		  (off_t)r->page);
	if (at == MAP_FAILED)
		return -errno;
	r->written = at;
	r->bytes = (char *)at + r->page;
	return 0;
}

int ring_open(struct ring **out, int fd, size_t size, ring_sink *sink,
	      void *context)
{
	struct ring *r = calloc(1, sizeof(*r));
	int rc;

	*out = NULL;
	if (!r)
		return -ENOMEM;
	r->fd = fd;
	r->size = size;
	r->page = (size_t)sysconf(_SC_PAGESIZE);
	r->sink = sink;
	r->context = context;
	rc = map_both(r);
	if (rc < 0)
		ring_close(r);
	else
		*out = r;
	return rc;
}

void ring_close(struct ring *r)
{
	if (!r)
		return;
	if (r->read)
		munmap(r->read, r->page);
	if (r->written)
		munmap(r->written, r->mapped);
	free(r);
}

/* One event that is whole, at @at; the position behind it. */
static uint64_t hand_over(const struct ring *r, uint64_t at, uint32_t head,
			  int *rc)
{
	size_t size = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

	if (size > RING_EVENT_MOST - BPF_RINGBUF_HDR_SZ)
		*rc = -EBADMSG; /* no program of ours writes it */
	else if (!(head & BPF_RINGBUF_DISCARD_BIT))
		*rc = r->sink(r->context,
			      r->bytes + (at & (r->size - 1)) +
				      BPF_RINGBUF_HDR_SZ,
			      size);
	return at + ((size + BPF_RINGBUF_HDR_SZ + 7) & ~(uint64_t)7);
}

/*
 * The position is given back after each event: the writers need the room, and
 * they wake us up only once we have read all that they knew of.
 */
int ring_consume(struct ring *r)
{
	uint64_t at = __atomic_load_n(r->read, __ATOMIC_ACQUIRE);
	int rc = 0;

	while (rc >= 0 && at < __atomic_load_n(r->written, __ATOMIC_ACQUIRE)) {
		const char *from = r->bytes + (at & (r->size - 1));
		uint32_t head = __atomic_load_n((const uint32_t *)from,
						__ATOMIC_ACQUIRE);

		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		at = hand_over(r, at, head, &rc);
		__atomic_store_n(r->read, at, __ATOMIC_RELEASE);
	}
	return rc < 0 ? rc : 0;
}

int ring_fd(const struct ring *r)
{
	return r->fd;
}
