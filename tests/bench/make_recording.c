/*
 * make_recording DIR EVENTS THREADS STACKS LIVE [SECONDS [FUNCTIONS]]
 *
 * Writes a synthetic exact recording: THREADS threads that each free a block
 * at random and allocate another (16 to 2048 bytes), LIVE blocks alive in
 * all, from STACKS stacks of 25 frames.  One block in eight is freed by
 * another thread than made it.  The events spread over SECONDS; by default
 * there is one every 40 ns.  With FUNCTIONS the stacks branch as those of a
 * program do, from one root through so many functions; else no two share a
 * frame.  Prints what a reader must find.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "tests/unit/recording.h"

/* Frames of a stack; where they branch 200,000 must fit. */
#define DEPTH		25
#define DEPTH_BRANCHING 20

static uint32_t stacks, functions, depth = DEPTH;

struct block {
	uint64_t addr;
	uint32_t size, stack;
};

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

struct truth {
	uint64_t allocations, releases, live, peak, allocated;
};

static void allocate(struct lane *l, struct block *b, uint64_t *random,
		     uint32_t stacks, uint64_t ticks, struct truth *t)
{
	uint64_t r = random_next(random);

	b->size = 16 + (uint32_t)(r % 2033);
	b->stack = (uint32_t)((r >> 16) % stacks);
	lane_alloc(l, (b->stack + 1) * depth, b->size, b->addr, ticks);
	t->allocations++;
	t->allocated += b->size;
	t->live += b->size;
	if (t->live > t->peak)
		t->peak = t->live;
}

static void release(struct lane *l, const struct block *b, uint64_t ticks,
		    struct truth *t)
{
	lane_free(l, b->addr, ticks);
	t->releases++;
	t->live -= b->size;
}

/* Which of the lanes goes on, and which block it replaces. */
static void write_events(struct lane *lanes, unsigned threads, uint64_t events,
			 uint64_t step, uint32_t stacks, struct block *blocks,
			 uint32_t live, struct truth *t)
{
	uint64_t random = 0x9e3779b97f4a7c15ULL, ticks = 100 * SECOND;
	uint32_t share = live / threads;

	for (uint32_t i = 0; i < live; i++) {
		blocks[i].addr = 0x7f0000000000 + (uint64_t)i * 2080;
		allocate(&lanes[i / share < threads ? i / share : 0],
			 &blocks[i], &random, stacks, ticks += step, t);
	}
	for (uint64_t n = live; n + 2 <= events; n += 2) {
		uint64_t r = random_next(&random);
		unsigned lane = (unsigned)(r >> 8) % threads;
		unsigned owner = r % 8 ? lane : (lane + 1) % threads;
		uint32_t i = owner * share + (uint32_t)(r >> 20) % share;

		release(&lanes[lane], &blocks[i], ticks += step, t);
		allocate(&lanes[lane], &blocks[i], &random, stacks,
			 ticks += step, t);
	}
}

/*
 * Of STACKS chains the first STACKS^(d / depth) differ at depth d, and which
 * function stands there is a hash of which of them it is.
 */
static uint64_t branching(uint32_t id)
{
	uint32_t stack = id / depth, at = id % depth;
	double apart = pow(stacks, 1 - (at + 1.0) / depth);
	uint64_t prefix = (uint64_t)(stack / apart) * depth + at + 1;

	prefix *= 0x9e3779b97f4a7c15ULL;
	prefix ^= prefix >> 29;
	return 0x1000 + prefix % functions * 16;
}

static int usage(void)
{
	fprintf(stderr, "usage: make_recording DIR EVENTS THREADS STACKS LIVE "
			"[SECONDS [FUNCTIONS]]\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct truth truth = { 0 };
	struct recording r;
	struct block *blocks;
	struct lane *lanes;
	char path[4096];
	uint64_t events, step = 40;
	uint32_t live;
	unsigned threads;

	if (argc < 6 || argc > 8)
		return usage();
	events = strtoull(argv[2], NULL, 10);
	threads = (unsigned)strtoul(argv[3], NULL, 10);
	stacks = (uint32_t)strtoul(argv[4], NULL, 10);
	live = (uint32_t)strtoul(argv[5], NULL, 10);
	if (!threads || !stacks || live < threads || !events)
		return usage();
	if (argc >= 7)
		step = strtoull(argv[6], NULL, 10) * SECOND / events;
	if (mkdir(argv[1], 0755) < 0 && errno != EEXIST) {
		perror(argv[1]);
		return 1;
	}
	if (argc == 8) {
		depth = DEPTH_BRANCHING;
		functions = (uint32_t)strtoul(argv[7], NULL, 10);
	}
	snprintf(path, sizeof(path), "%s/4242.slabs", argv[1]);
	blocks = calloc(live, sizeof(*blocks));
	lanes = calloc(threads, sizeof(*lanes));
	if (!blocks || !lanes)
		return 1;
	recording_begin(&r, path, 4242);
	recording_module(&r, "/usr/bin/server");
	recording_nodes_at(&r, stacks * depth, depth,
			   functions ? branching : recording_apart);
	for (unsigned i = 0; i < threads; i++)
		lane_begin(&lanes[i], &r, 4242 + i, 100 * SECOND);
	write_events(lanes, threads, events, step, stacks, blocks, live,
		     &truth);
	for (unsigned i = 0; i < threads; i++)
		lane_seal(&lanes[i]);
	r.header.stats.allocations = truth.allocations;
	r.header.stats.releases = truth.releases;
	recording_end(&r, 100 * SECOND + step * events);
	printf("allocations %llu releases %llu allocated %llu live %llu "
	       "peak %llu\n",
	       (unsigned long long)truth.allocations,
	       (unsigned long long)truth.releases,
	       (unsigned long long)truth.allocated,
	       (unsigned long long)truth.live, (unsigned long long)truth.peak);
	free(blocks);
	free(lanes);
	return 0;
}
