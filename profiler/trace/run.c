#include "profiler/trace/run.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "profiler/wire/record.h"

#define HIGH_BITS 0x8080808080808080ULL

_Static_assert(RUN_SLACK >= RECORD_MAX_SIZE + 8, "a load past a record");

/* Pieces of 7 bits in the bytes of @x, put together. */
static inline uint64_t squeeze(uint64_t x)
{
	x &= ~HIGH_BITS;
	x = (x & 0x007f007f007f007fULL) | (x & 0x7f007f007f007f00ULL) >> 1;
	x = (x & 0x00003fff00003fffULL) | (x & 0x3fff00003fff0000ULL) >> 2;
	return (x & 0x000000000fffffffULL) | (x & 0x0fffffff00000000ULL) >> 4;
}

/* As record_get, but may load RUN_SLACK bytes from @at, whatever they are. */
static inline const uint8_t *get(const uint8_t *at, uint64_t *value)
{
	uint64_t x, stop;
	unsigned bits;

	memcpy(&x, at, sizeof(x));
	stop = ~x & HIGH_BITS;
	if (__builtin_expect(!stop, 0))
		return record_get(at, at + 10, value);
	bits = (unsigned)__builtin_ctzll(stop) + 1;
	*value = squeeze(x & (UINT64_MAX >> (64 - bits)));
	return at + bits / 8;
}

static inline const uint8_t *get_addr(struct run *r, const uint8_t *at,
				      struct fold_event *e)
{
	uint64_t by;

	at = get(at, &by);
	if (__builtin_expect(!at, 0))
		return NULL;
	r->addr += (uint64_t)record_unzigzag(by);
	e->addr = r->addr << 3;
	return at;
}

static inline const uint8_t *get_ticks(struct run *r, const uint8_t *at,
				       struct fold_event *e)
{
	uint64_t by;

	at = get(at, &by);
	if (__builtin_expect(!at, 0))
		return NULL;
	r->ticks += (uint64_t)record_unzigzag(by);
	e->ticks = r->ticks;
	return at;
}

static inline const uint8_t *get_node(const uint8_t *at, struct fold_event *e)
{
	uint64_t node;

	at = get(at, &node);
	e->node = at && node <= FOLD_NODE_MAX ? (uint32_t)node : 0;
	return at;
}

static const uint8_t *get_time(const uint8_t *at, float *ticks)
{
	uint64_t value = 0;

	if (at)
		at = get(at, &value);
	*ticks = (float)value;
	return at;
}

static const uint8_t *get_request(const uint8_t *at, struct fold_event *e)
{
	uint64_t status;

	at = get_node(at, e);
	if (at)
		at = get(at, &status);
	if (!at)
		return NULL;
	e->status = status < 600 ? (uint16_t)status : 0;
	at = get_time(at, &e->times.took);
	at = get_time(at, &e->times.ttfb);
	at = get_time(at, &e->times.queue);
	return get_time(at, &e->times.gap);
}

static const uint8_t *get_rare(struct run *r, const uint8_t *at,
			       struct fold_event *e)
{
	uint64_t value;

	e->ticks = r->ticks;
	switch (e->type) {
	case RECORD_UNFREE:
		at = get_addr(r, at, e);
		break;
	case RECORD_UNMAP:
		at = get(at, &e->size);
		if (at)
			at = get_addr(r, at, e);
		break;
	case RECORD_BRK:
	case RECORD_DESCRIPTOR:
		at = get_node(at, e);
		if (at)
			at = get(at, &value);
		if (at)
			e->size = (uint64_t)record_unzigzag(value);
		break;
	case RECORD_THREAD:
		at = get(at, &value);
		e->node = at ? (uint32_t)value : 0;
		break;
	case RECORD_EXIT:
		break;
	case RECORD_MEAN:
		return get(at, &e->size);
	case RECORD_NAME:
		memcpy(&e->addr, at, 8);
		memcpy(&e->size, at + 8, 8);
		return at + 16;
	case RECORD_REQUEST:
		at = get_request(at, e);
		break;
	case RECORD_CONTEXT:
		at = get_node(at, e);
		break;
	case RECORD_SPAN:
		at = get(at, &e->addr);
		if (at)
			at = get_node(at, e);
		break;
	default:
		return NULL;
	}
	return at ? get_ticks(r, at, e) : NULL;
}

/* One record; NULL when these bytes are none. */
static inline const uint8_t *decode(struct run *r, const uint8_t *at,
				    struct fold_event *e)
{
	uint8_t tag = *at++;

	*e = (struct fold_event) { .type = tag & 15, .api = tag >> 4 };
	if (e->type == RECORD_FREE) {
		at = get_addr(r, at, e);
		return at ? get_ticks(r, at, e) : NULL;
	}
	if (e->type != RECORD_ALLOC && e->type != RECORD_MAP)
		return get_rare(r, at, e);
	at = get_node(at, e);
	if (at)
		at = get(at, &e->size);
	if (at)
		at = get_addr(r, at, e);
	return at ? get_ticks(r, at, e) : NULL;
}

/* Read on: what is left of the chunk, then more of the slab. */
static int read_chunk(struct run *r, int fd)
{
	size_t left = (size_t)(r->bytes_end - r->byte);
	size_t want = r->used - r->read, room = RUN_CHUNK - left;
	uint64_t from = slab_offset(r->cursor->slab) +
			sizeof(struct slab_head) + r->read;
	ssize_t got;

	if (left)
		memmove(r->bytes, r->byte, left);
	got = pread(fd, r->bytes + left, want < room ? want : room,
		    (off_t)from);
	if (got < 0)
		return -errno;
	if (got == 0) { /* the file ends here */
		r->used = r->read;
		r->torn = true;
	}
	r->read += (uint32_t)got;
	r->byte = r->bytes;
	r->bytes_end = r->bytes + left + got;
	memset(r->bytes + left + got, 0, RUN_SLACK);
	return 0;
}

/* Decode what the chunk holds, RUN_BATCH at most; how many. */
static size_t decode_batch(struct run *r, size_t max)
{
	size_t n = 0;

	while (n < max && r->byte < r->bytes_end) {
		uint64_t ticks = r->ticks, addr = r->addr;
		const uint8_t *next = decode(r, r->byte, &r->batch[n]);

		if (!next || next > r->bytes_end) { /* or it is cut off */
			r->ticks = ticks;
			r->addr = addr;
			break;
		}
		r->byte = next;
		n++;
	}
	return n;
}

int run_fill(struct run *r, int fd)
{
	size_t count;
	int rc;

	for (;;) {
		r->batch_byte = r->byte;
		r->batch_ticks = r->ticks;
		r->batch_addr = r->addr;
		count = decode_batch(r, RUN_BATCH);
		r->at = r->batch;
		r->end = r->batch + count;
		if (count)
			return 1;
		if (r->read >= r->used ||
		    r->bytes_end - r->byte >= RECORD_MAX_SIZE)
			break; /* the end, or bytes that are no record */
		rc = read_chunk(r, fd);
		if (rc < 0)
			return rc;
	}
	r->torn |= r->byte < r->bytes_end;
	return 0;
}

int run_open(struct run *r, int fd, struct cursor *cursor, const struct fold *f)
{
	struct slab_head head;
	ssize_t got = pread(fd, &head, sizeof(head),
			    (off_t)slab_offset(cursor->slab));

	if (got < 0)
		return -errno;
	r->cursor = cursor;
	r->lane = fold_lane(f, cursor->tid, cursor->mean);
	r->ticks = cursor->ticks;
	r->addr = cursor->addr;
	r->read = cursor->offset;
	r->used = cursor->offset;
	r->torn = false;
	r->byte = r->bytes_end = r->bytes;
	if ((size_t)got == sizeof(head) && head.magic == SLAB_MAGIC &&
	    head.kind == SLAB_EVENTS && head.used > cursor->offset)
		r->used = head.used < SLAB_ROOM ? head.used : SLAB_ROOM;
	return run_fill(r, fd);
}

void run_close(struct run *r)
{
	struct cursor *c = r->cursor;
	size_t applied = (size_t)(r->at - r->batch);

	/* Decode the batch again as far as it was applied. */
	r->byte = r->batch_byte;
	r->ticks = r->batch_ticks;
	r->addr = r->batch_addr;
	decode_batch(r, applied);
	c->offset = r->read - (uint32_t)(r->bytes_end - r->byte);
	if (r->torn)
		c->offset = SLAB_ROOM; /* what may follow cannot be read */
	c->ticks = r->ticks;
	c->addr = r->addr;
	c->mean = r->lane.mean;
	c->tid = r->lane.tid;
}
