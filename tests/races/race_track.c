/*
 * Four threads read from and write to the same 40 connections, which their
 * owners open and close meanwhile: events of one connection come one at a
 * time, each request begun is ended once, and every route has its text.
 */
#include "profiler/http/track.h"

#include <stdbool.h>
#include <string.h>

#include "tests/races/races.h"

#define KEYS  40
#define STEPS 60000

/* Plain words: a connection's lock is all that orders their changes. */
static struct life {
	uint64_t begun;
	uint64_t ended;
} lives[KEYS + 1];

static struct track *track;
static struct routes *routes;
static uint64_t now = 1;

static void sink(void *context, const struct track_event *ev)
{
	struct life *life = &lives[ev->request->key];

	(void)context;
	if (ev->type == TRACK_BEGUN)
		life->begun++;
	if (ev->type == TRACK_ENDED)
		life->ended++;
	CHECK(life->ended <= life->begun);
	CHECK(life->begun - life->ended <= TRACK_PIPELINE_MAX);
}

static uint64_t tick(void)
{
	return __atomic_add_fetch(&now, 1, __ATOMIC_RELAXED);
}

static void pass(uint64_t key, enum track_way way, const char *text)
{
	struct track_feed feed = {
		.way = way,
		.bytes = text,
		.seen = strlen(text),
		.total = strlen(text),
		.at = tick(),
	};

	track_feed(track, key, &feed);
}

static void ask(uint64_t key, unsigned which)
{
	char text[64];

	snprintf(text, sizeof(text), "GET /%c%c HTTP/1.1\r\n\r\n",
		 'a' + which % 26, 'a' + which / 26 % 26);
	pass(key, TRACK_IN, text);
}

/* Only the thread that has a number may open and close it, as with files. */
static void own(uint64_t key, unsigned what)
{
	if (what % 3)
		track_open(track, key);
	else
		track_close(track, key, tick());
}

static void *talk(void *number)
{
	uint64_t random = (uintptr_t)number + 1;

	for (int i = 0; i < STEPS; i++) {
		unsigned what;
		uint64_t key;

		random = random * 6364136223846793005u + 1442695040888963407u;
		what = (unsigned)(random >> 48);
		key = 1 + (random >> 40) % KEYS;
		if (what % 16 == 0 && key % RACERS == (uintptr_t)number)
			own(key, what / 16);
		else if (what % 512 == 1)
			track_sweep(track, tick(), 5);
		else if (what % 2)
			ask(key, what / 2);
		else
			pass(key, TRACK_OUT,
			     "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	}
	return NULL;
}

static void *zeroed(size_t size)
{
	size = (size + 63) & ~(size_t)63;
	return memset(aligned_alloc(64, size), 0, size);
}

int main(void)
{
	uint64_t ended = 0;

	routes = routes_init(zeroed(routes_size()));
	track = track_init(zeroed(track_size(64)), 64, routes, sink, NULL);
	for (uint64_t key = 1; key <= KEYS; key++)
		track_open(track, key);
	race(talk);
	for (uint64_t key = 1; key <= KEYS; key++) {
		track_close(track, key, tick());
		CHECK(!track_knows(track, key));
		CHECK(lives[key].begun == lives[key].ended);
		ended += lives[key].ended;
	}
	CHECK(ended > STEPS / 2);
	CHECK(ended == track_counted(track, TRACK_REQUESTS));
	for (uint32_t id = 1; id <= routes_count(routes); id++)
		CHECK(routes_text(routes, id));
	printf("%llu requests, %llu feeds busy, framing lost %llu times\n",
	       (unsigned long long)ended,
	       (unsigned long long)track_counted(track, TRACK_BUSY),
	       (unsigned long long)track_counted(track, TRACK_FRAMING_LOST));
	free(track);
	free(routes);
	return 0;
}
