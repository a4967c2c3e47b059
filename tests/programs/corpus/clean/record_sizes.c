/*
 * Each worker has a buffer as large as the largest answer that it ever built.
 *
 * class: clean
 * function: room_for
 * fools: sizes have a heavy tail, so the largest so far is beaten again and
 *     again, by more each time and seldomer each time; nothing is ever freed.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

#define WORKERS 64
#define LARGEST (2u << 20)

static struct {
	char *bytes;
	size_t size;
} buffers[WORKERS];

NOINLINE static char *room_for(unsigned worker, size_t size)
{
	if (buffers[worker].size < size) {
		free(buffers[worker].bytes);
		buffers[worker].bytes = malloc(size);
		buffers[worker].size = size;
	}
	return buffers[worker].bytes;
}

void case_request(struct request *r)
{
	uint64_t part = scramble(r->number) % 65536 + 1;
	size_t size = (size_t)(1024 * 65536 / part);

	size = size < LARGEST ? size : LARGEST;
	fill(room_for(r->worker % WORKERS, size), size < 4096 ? size : 4096);
}
