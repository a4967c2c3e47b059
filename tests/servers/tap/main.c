/*
 * tap: a proxy that tracks the HTTP of the connections that go through it.
 *
 *	tap PORT SERVER_PORT
 *
 * Each buffer is given to three trackers: as it came, byte by byte, and with
 * only its first 512 bytes to be seen, as by a probe.  On standard output a
 * JSON object for each request that ended, {"by": "whole" | "bytes" |
 * "glimpse", "route": ..., times in ns after its first byte}, and at SIGTERM
 * one of each tracker's counts.
 *
 * Two threads a connection, one for each way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "profiler/http/track.h"

#define CONNECTIONS 1024
#define BUFFER	    65536
#define GLIMPSE	    512

enum by { WHOLE, BYTES, GLIMPSED, NTRACKERS };

static const char *const by_name[NTRACKERS] = { "whole", "bytes", "glimpse" };

static struct tracker {
	struct track *track;
	struct routes *routes;
	enum by by;
} trackers[NTRACKERS];

/* One way of one connection. */
struct way {
	struct pair *pair;
	int from, to;
	enum track_way way;
};

struct pair {
	struct way in, out;
	uint64_t key;
	unsigned running; /* of the two threads; guarded by `lock` */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sockaddr_in server;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long long after(uint64_t at, uint64_t begin)
{
	return at ? (long long)(at - begin) : -1;
}

static void ended(void *context, const struct track_event *ev)
{
	const struct tracker *t = context;
	const struct track_request *q = ev->request;
	uint64_t begin = q->first_in;

	if (ev->type != TRACK_ENDED)
		return;
	printf("{\"by\": \"%s\", \"route\": \"%s\", \"status\": %u, "
	       "\"flags\": %u, \"handler\": %lld, \"ttfb\": %lld, "
	       "\"body\": %lld, \"last\": %lld, \"gap\": %llu, "
	       "\"parts\": %u, \"in\": %llu, \"out\": %llu}\n",
	       by_name[t->by], routes_text(t->routes, q->route), q->status,
	       q->flags, after(q->handler_began, begin),
	       after(q->first_out, begin), after(q->first_body, begin),
	       after(q->last_out, begin), (unsigned long long)q->gap, q->parts,
	       (unsigned long long)q->bytes_in,
	       (unsigned long long)q->bytes_out);
}

static void feed(enum by by, uint64_t key, enum track_way way,
		 const char *bytes, size_t seen, size_t total, uint64_t at)
{
	track_feed(trackers[by].track, key,
		   &(struct track_feed) { .way = way,
					  .bytes = bytes,
					  .seen = seen,
					  .total = total,
					  .at = at });
}

static void feed_all(const struct way *w, const char *bytes, size_t len)
{
	uint64_t at = now_ns(), key = w->pair->key;

	feed(WHOLE, key, w->way, bytes, len, len, at);
	for (size_t i = 0; i < len; i++)
		feed(BYTES, key, w->way, bytes + i, 1, 1, at);
	feed(GLIMPSED, key, w->way, bytes, len < GLIMPSE ? len : GLIMPSE, len,
	     at);
}

static bool write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return true;
}

/* The server hangs up last, as far as the client can tell. */
static void leave(struct pair *p)
{
	bool last;

	pthread_mutex_lock(&lock);
	last = !--p->running;
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	for (int by = 0; by < NTRACKERS; by++)
		track_close(trackers[by].track, p->key, now_ns());
	close(p->in.from);
	close(p->in.to);
	free(p);
}

/* Answered at once, so that Nagle's algorithm holds nobody's chunk back. */
static void quick_ack(int fd)
{
	int yes = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof(yes));
}

static void *carry(void *argument)
{
	const struct way *w = argument;
	char buffer[BUFFER];
	ssize_t n;

	while ((n = recv(w->from, buffer, sizeof(buffer), 0)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		quick_ack(w->from);
		/* Known before anybody acts upon it, so one way at a time. */
		feed_all(w, buffer, (size_t)n);
		if (!write_all(w->to, buffer, (size_t)n))
			break;
	}
	shutdown(w->to, SHUT_WR);
	if (n < 0 || w->way == TRACK_OUT)
		shutdown(w->from, SHUT_RD);
	leave(w->pair);
	return NULL;
}

static void start(struct way *w)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, carry, w)) {
		perror("tap: pthread_create");
		exit(1);
	}
	pthread_detach(thread);
}

static void no_delay(int fd)
{
	int yes = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

static void tap(int client)
{
	struct pair *p = calloc(1, sizeof(*p));
	int upstream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!p || upstream < 0 ||
	    connect(upstream, (struct sockaddr *)&server, sizeof(server))) {
		close(upstream);
		close(client);
		free(p);
		return;
	}
	no_delay(client);
	no_delay(upstream);
	p->key = (uint64_t)client;
	p->running = 2;
	p->in = (struct way) { p, client, upstream, TRACK_IN };
	p->out = (struct way) { p, upstream, client, TRACK_OUT };
	for (int by = 0; by < NTRACKERS; by++)
		track_open(trackers[by].track, p->key);
	start(&p->in);
	start(&p->out);
}

static void *zeroed(size_t size)
{
	void *memory;

	size = (size + 63) & ~(size_t)63;
	memory = aligned_alloc(64, size);
	if (!memory)
		exit(1);
	return memset(memory, 0, size);
}

static void print_counts(void)
{
	for (int by = 0; by < NTRACKERS; by++) {
		printf("{\"counts\": \"%s\"", by_name[by]);
		for (int i = 0; i < TRACK_NCOUNTS; i++)
			printf(", \"%s\": %llu",
			       track_count_name((enum track_count)i),
			       (unsigned long long)
				       track_counted(trackers[by].track,
						     (enum track_count)i));
		printf("}\n");
	}
	fflush(stdout);
}

static int listen_on(const char *port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(fd, 512)) {
		perror("tap: cannot listen");
		exit(1);
	}
	return fd;
}

static void *accept_all(void *argument)
{
	int listener = *(int *)argument, client;

	for (;;) {
		client = accept(listener, NULL, NULL);
		if (client >= 0)
			tap(client);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t acceptor;
	sigset_t stop;
	int listener, signal;

	if (argc != 3) {
		fprintf(stderr, "usage: tap PORT SERVER_PORT\n");
		return 2;
	}
	for (int by = 0; by < NTRACKERS; by++) {
		struct tracker *t = &trackers[by];

		t->by = (enum by)by;
		t->routes = routes_init(zeroed(routes_size()));
		t->track = track_init(zeroed(track_size(CONNECTIONS)),
				      CONNECTIONS, t->routes, ended, t);
	}
	server = (struct sockaddr_in) {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(argv[2])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	listener = listen_on(argv[1]);
	if (pthread_create(&acceptor, NULL, accept_all, &listener))
		return 1;
	sigwait(&stop, &signal);
	print_counts();
	_exit(0);
}
