/*
 * http_bench: nanoseconds of tracking requests, per request with its answer.
 *
 *	file		a read of a descriptor that is not followed
 *	short		what wrk asks and nginx answers, in one write
 *	usual		what httpx posts and uvicorn answers, in two writes
 *	browser		a head of 800 bytes with 15 fields
 *	pipeline	16 short ones in one read, their answers in one write
 *	chunk		of a stream of 100 events, one write each
 *	body		of 64 KiB of a body, in one write
 *
 * Routes are looked up among 40.  Each figure is the lower quartile of many
 * rounds.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profiler/http/track.h"

#define ROUNDS	    31
#define PER_ROUND   4000
#define CONNECTIONS 1024
#define KEY	    17

static struct {
	struct track *track;
	struct routes *routes;
	uint64_t now;
	uint64_t ended;
	char *body;
} state;

static void sink(void *context, const struct track_event *ev)
{
	(void)context;
	state.ended += ev->type == TRACK_ENDED;
}

static void pass(enum track_way way, const char *bytes, size_t len)
{
	struct track_feed feed = { .way = way,
				   .bytes = bytes,
				   .seen = len,
				   .total = len,
				   .at = ++state.now };

	track_feed(state.track, KEY, &feed);
}

#define IN(text)  pass(TRACK_IN, text, sizeof(text) - 1)
#define OUT(text) pass(TRACK_OUT, text, sizeof(text) - 1)

#define SHORT "GET /search HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
#define SHORT_ANSWER                                  \
	"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n" \
	"Date: Sat, 21 Nov 2026 08:00:00 GMT\r\n"     \
	"Content-Type: text/plain\r\n"                \
	"Content-Length: 13\r\nConnection: keep-alive\r\n\r\nHello, World!"

static void file(void)
{
	state.ended += track_knows(state.track, 99);
}

static void short_one(void)
{
	IN(SHORT);
	OUT(SHORT_ANSWER);
}

static void usual(void)
{
	IN("POST /api/v1/documents/8675309/search HTTP/1.1\r\n"
	   "Host: 127.0.0.1:8000\r\nAccept: */*\r\n"
	   "Accept-Encoding: gzip, deflate, br\r\n"
	   "Connection: keep-alive\r\nUser-Agent: python-httpx/0.23.3\r\n"
	   "Content-Length: 43\r\nContent-Type: application/json\r\n\r\n"
	   "{\"query\": \"what is a strandline?\", \"k\": 10}");
	OUT("HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 08:00:00 GMT\r\n"
	    "server: uvicorn\r\ncontent-length: 33\r\n"
	    "content-type: application/json\r\n\r\n");
	OUT("{\"hits\": [1, 2, 3], \"took\": 1.25}");
}

#define F40 "abcdefghij0123456789ABCDEFGHIJ9876543210"

static void browser(void)
{
	IN("GET /assets/main.3f2a9c1b.js?v=12 HTTP/1.1\r\n"
	   "Host: www.example.com\r\nUser-Agent: " F40 F40 "\r\n"
	   "Accept: text/html,application/xhtml+xml,application/xml;q=0.9\r\n"
	   "Accept-Language: en-GB,en;q=0.5\r\nDNT: 1\r\n"
	   "Accept-Encoding: gzip, deflate, br\r\n"
	   "Referer: https://www.example.com/a/long/way/to/go\r\n"
	   "Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n"
	   "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
	   "Sec-Fetch-Site: none\r\nSec-Fetch-User: ?1\r\n"
	   "Cookie: session=" F40 F40 F40 "; theme=dark\r\n"
	   "Cache-Control: max-age=0\r\n\r\n");
	OUT(SHORT_ANSWER);
}

#define FOUR(text) text text text text

static void pipeline(void)
{
	IN(FOUR(FOUR(SHORT)));
	OUT(FOUR(FOUR(SHORT_ANSWER)));
}

static void stream(void)
{
	IN(SHORT);
	OUT("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
	    "transfer-encoding: chunked\r\n\r\n");
	for (int i = 0; i < 100; i++)
		OUT("14\r\ndata: {\"token\":\"x\"}\r\n");
	OUT("0\r\n\r\n");
}

static void body(void)
{
	IN(SHORT);
	OUT("HTTP/1.1 200 OK\r\nContent-Length: 6553600\r\n\r\n");
	for (int i = 0; i < 100; i++)
		pass(TRACK_OUT, state.body, 65536);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *name, void (*one)(void), unsigned units)
{
	double rounds[ROUNDS];
	unsigned times = PER_ROUND / units;

	for (int r = 0; r < ROUNDS; r++) {
		double begin = now_ns();

		for (unsigned i = 0; i < times; i++)
			one();
		rounds[r] = (now_ns() - begin) / (times * units);
	}
	qsort(rounds, ROUNDS, sizeof(rounds[0]), by_value);
	printf("%-10s %7.1f ns\n", name, rounds[ROUNDS / 4]);
}

static void *zeroed(size_t size)
{
	size = (size + 63) & ~(size_t)63;
	return memset(aligned_alloc(64, size), 0, size);
}

int main(void)
{
	char path[16];

	state.routes = routes_init(zeroed(routes_size()));
	for (int i = 0; i < 40; i++)
		routes_id(state.routes, HTTP_GET, path,
			  (size_t)snprintf(path, sizeof(path), "/r%c%c",
					   'a' + i / 8, 'a' + i % 8),
			  NULL);
	state.track = track_init(zeroed(track_size(CONNECTIONS)), CONNECTIONS,
				 state.routes, sink, NULL);
	state.body = zeroed(65536);
	track_open(state.track, KEY);
	measure("file", file, 1);
	measure("short", short_one, 1);
	measure("usual", usual, 1);
	measure("browser", browser, 1);
	measure("pipeline", pipeline, 16);
	measure("chunk", stream, 100);
	measure("body", body, 100);
	return state.ended ? 0 : 1;
}
