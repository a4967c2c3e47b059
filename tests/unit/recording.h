/*
 * recording: writes synthetic <pid>.slabs files, byte for byte as the shim
 * does, for tests and benchmarks that know the truth.
 *
 * Lanes write in the order of the calls; give them ticks that rise.  Ticks
 * are nanoseconds unless the test changes header.clock.
 */
#ifndef STRANDLINE_TESTS_RECORDING_H
#define STRANDLINE_TESTS_RECORDING_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/wire/record.h"
#include "profiler/wire/slab.h"

#define SECOND 1000000000ULL

struct recording {
	int fd;
	struct slab_file header; /* change it before the first flush */
};

struct lane { /* a thread, and the slab that it fills */
	struct recording *recording;
	uint64_t number, ticks, addr, mean;
	uint8_t *at;
	uint32_t tid;
	union {
		struct slab_head head;
		uint8_t bytes[SLAB_SIZE];
	};
};

static inline void recording_put(const struct recording *r, const void *bytes,
				 size_t size, uint64_t offset)
{
	if (pwrite(r->fd, bytes, size, (off_t)offset) != (ssize_t)size) {
		perror("recording");
		abort();
	}
}

static inline void recording_flush(const struct recording *r)
{
	recording_put(r, &r->header, sizeof(r->header), 0);
}

static inline void recording_begin(struct recording *r, const char *path,
				   int32_t pid)
{
	memset(r, 0, sizeof(*r));
	r->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (r->fd < 0) {
		perror(path);
		abort();
	}
	r->header = (struct slab_file) {
		.magic = SLAB_FILE_MAGIC,
		.format = SLAB_FORMAT,
		.header_size = SLAB_FILE_HEADER_SIZE,
		.slab_size = SLAB_SIZE,
		.clock = SLAB_CLOCK_MONOTONIC,
		.pid = pid,
		.ppid = 1,
		.start_realtime_ns = 1700000000 * SECOND,
		.start_monotonic_ns = 100 * SECOND,
		.start_ticks = 100 * SECOND,
		.sample_constant = 512,
		.exe = "/usr/bin/server",
		.comm = "server",
		.version = "test",
		.command = "server",
		.control = { .mode = SLAB_MODE_EXACT, .slabs_max = 4096 },
	};
	recording_flush(r);
}

static inline uint64_t recording_take(struct recording *r)
{
	return r->header.slabs_taken++;
}

static inline void recording_end(struct recording *r, uint64_t ended_ns)
{
	r->header.ended_monotonic_ns = ended_ns;
	recording_flush(r);
	close(r->fd);
}

/* @count nodes, in chains of @depth frames: node @id's code is at @at(id). */
static inline void recording_nodes_at(struct recording *r, uint32_t count,
				      uint32_t depth,
				      uint64_t (*at)(uint32_t id))
{
	uint8_t *slab = calloc(1, SLAB_SIZE);
	struct slab_head *head = (struct slab_head *)slab;
	struct wire_node *nodes = (struct wire_node *)(head + 1);

	for (uint32_t first = 0; first < count; first += WIRE_NODES_PER_SLAB) {
		memset(slab, 0, SLAB_SIZE);
		head->magic = SLAB_MAGIC;
		head->kind = SLAB_NODES;
		head->used = SLAB_ROOM;
		head->seq = first / WIRE_NODES_PER_SLAB;
		for (uint32_t i = 0;
		     i < WIRE_NODES_PER_SLAB && first + i < count; i++) {
			uint32_t id = first + i;

			nodes[i].parent = id % depth ? id : 0;
			nodes[i].kind_module = NODE_NATIVE << 24 | 1;
			nodes[i].value = at(id);
		}
		recording_put(r, slab, SLAB_SIZE,
			      slab_offset(recording_take(r)));
	}
	free(slab);
}

static inline uint64_t recording_apart(uint32_t id)
{
	return 0x1000 + id * 16;
}

/* Frame f of a chain at f * 16: no two nodes have the same code. */
static inline void recording_nodes(struct recording *r, uint32_t count,
				   uint32_t depth)
{
	recording_nodes_at(r, count, depth, recording_apart);
}

/* Module 1. */
static inline void recording_module(struct recording *r, const char *path)
{
	uint8_t *slab = calloc(1, SLAB_SIZE);
	struct slab_head *head = (struct slab_head *)slab;
	struct wire_module *m = (struct wire_module *)(head + 1);

	m->head.type = WIRE_MODULE;
	m->head.size = (uint32_t)((sizeof(*m) + strlen(path) + 8) & ~(size_t)7);
	m->id = 1;
	m->start = 0x400000;
	m->end = 0x500000;
	strcpy(m->path, path);
	head->magic = SLAB_MAGIC;
	head->kind = SLAB_META;
	head->used = m->head.size;
	recording_put(r, slab, SLAB_SIZE, slab_offset(recording_take(r)));
	free(slab);
}

/* Routes 1, 2, ... of @texts, which NULL ends. */
static inline void recording_routes(struct recording *r,
				    const char *const *texts)
{
	uint8_t *slab = calloc(1, SLAB_SIZE);
	struct slab_head *head = (struct slab_head *)slab;

	for (uint32_t id = 1; *texts; id++, texts++) {
		struct wire_route *w =
			(struct wire_route *)(slab + sizeof(*head) +
					      head->used);

		w->head.type = WIRE_ROUTE;
		w->head.size = (uint32_t)((sizeof(*w) + strlen(*texts) + 8) &
					  ~(size_t)7);
		w->id = id;
		strcpy(w->text, *texts);
		head->used += w->head.size;
	}
	head->magic = SLAB_MAGIC;
	head->kind = SLAB_META;
	recording_put(r, slab, SLAB_SIZE, slab_offset(recording_take(r)));
	free(slab);
}

static inline void lane_flush(struct lane *l)
{
	l->head.used = (uint32_t)(l->at - (uint8_t *)(&l->head + 1));
	recording_put(l->recording, l->bytes, SLAB_SIZE,
		      slab_offset(l->number));
}

static inline void lane_seal(struct lane *l)
{
	l->head.sealed = 1;
	lane_flush(l);
}

static inline void lane_put_ticks(struct lane *l, uint64_t ticks)
{
	l->at = record_put(l->at, record_zigzag((int64_t)(ticks - l->ticks)));
	l->ticks = ticks;
}

static inline void lane_put_addr(struct lane *l, uint64_t addr)
{
	int64_t by = (int64_t)(addr >> 3) - (int64_t)l->addr;

	l->at = record_put(l->at, record_zigzag(by));
	l->addr = addr >> 3;
}

static inline void lane_thread(struct lane *l, uint32_t tid, const char *name,
			       uint64_t ticks)
{
	l->tid = tid;
	*l->at++ = RECORD_THREAD;
	l->at = record_put(l->at, tid);
	lane_put_ticks(l, ticks);
	*l->at++ = RECORD_NAME;
	memset(l->at, 0, 16);
	snprintf((char *)l->at, 16, "%s", name);
	l->at += 16;
}

static inline void lane_slab(struct lane *l, uint64_t ticks)
{
	memset(l->bytes, 0, sizeof(l->bytes));
	l->number = recording_take(l->recording);
	l->head = (struct slab_head) { .magic = SLAB_MAGIC,
				       .kind = SLAB_EVENTS,
				       .seq = l->number,
				       .tid = (int32_t)l->tid,
				       .first_ticks = ticks };
	l->ticks = ticks;
	l->addr = l->mean = 0;
	l->at = (uint8_t *)(&l->head + 1);
	lane_thread(l, l->tid, "worker", ticks);
}

static inline void lane_begin(struct lane *l, struct recording *r, uint32_t tid,
			      uint64_t ticks)
{
	l->recording = r;
	l->tid = tid;
	lane_slab(l, ticks);
}

/* Room for one record: maybe in a new slab. */
static inline void lane_room(struct lane *l, uint64_t ticks)
{
	if (l->at <= l->bytes + SLAB_SIZE - RECORD_MAX_SIZE)
		return;
	lane_seal(l);
	lane_slab(l, ticks);
}

static inline void lane_mean(struct lane *l, uint64_t mean)
{
	if (l->mean == mean)
		return;
	*l->at++ = RECORD_MEAN;
	l->at = record_put(l->at, mean);
	l->mean = mean;
}

static inline void lane_block(struct lane *l, enum record_type type,
			      uint32_t node, uint64_t size, uint64_t addr,
			      uint64_t ticks)
{
	lane_room(l, ticks);
	*l->at++ = (uint8_t)type;
	l->at = record_put(l->at, node);
	l->at = record_put(l->at, size);
	lane_put_addr(l, addr);
	lane_put_ticks(l, ticks);
}

static inline void lane_alloc(struct lane *l, uint32_t node, uint64_t size,
			      uint64_t addr, uint64_t ticks)
{
	lane_block(l, RECORD_ALLOC, node, size, addr, ticks);
}

/* FREE, UNFREE */
static inline void lane_addr(struct lane *l, enum record_type type,
			     uint64_t addr, uint64_t ticks)
{
	lane_room(l, ticks);
	*l->at++ = (uint8_t)type;
	lane_put_addr(l, addr);
	lane_put_ticks(l, ticks);
}

static inline void lane_free(struct lane *l, uint64_t addr, uint64_t ticks)
{
	lane_addr(l, RECORD_FREE, addr, ticks);
}

static inline void lane_unmap(struct lane *l, uint64_t size, uint64_t addr,
			      uint64_t ticks)
{
	lane_room(l, ticks);
	*l->at++ = RECORD_UNMAP;
	l->at = record_put(l->at, size);
	lane_put_addr(l, addr);
	lane_put_ticks(l, ticks);
}

static inline void lane_brk(struct lane *l, uint32_t node, int64_t grown,
			    uint64_t ticks)
{
	lane_room(l, ticks);
	*l->at++ = RECORD_BRK;
	l->at = record_put(l->at, node);
	l->at = record_put(l->at, record_zigzag(grown));
	lane_put_ticks(l, ticks);
}

/* Answered with @status after @took ticks, of which a fourth to the first byte.
 */
static inline void lane_request(struct lane *l, uint32_t route, uint32_t status,
				unsigned flags, uint64_t took, uint64_t ticks)
{
	lane_room(l, ticks);
	*l->at++ = (uint8_t)(RECORD_REQUEST | flags << 4);
	l->at = record_put(l->at, route);
	l->at = record_put(l->at, status);
	l->at = record_put(l->at, took);
	l->at = record_put(l->at, took / 4);
	l->at = record_put(l->at, took / 8);
	l->at = record_put(l->at, flags & REQUEST_STREAMED ? took / 2 : 0);
	lane_put_ticks(l, ticks);
}

static inline void lane_context(struct lane *l, uint32_t route, uint64_t ticks)
{
	lane_room(l, ticks);
	*l->at++ = RECORD_CONTEXT;
	l->at = record_put(l->at, route);
	lane_put_ticks(l, ticks);
}

static inline void lane_exit(struct lane *l, uint64_t ticks)
{
	lane_room(l, ticks);
	*l->at++ = RECORD_EXIT;
	lane_put_ticks(l, ticks);
}

#endif
