/*
 * load: put HTTP load on a server and say what its clients saw.
 *
 * One thread, one epoll; each connection sends its next request when the
 * answer to its last is whole (closed loop), or, with --rate, when the next
 * is due (open loop: the wait for a free connection counts as latency).
 *
 * Exit status: 0 all answers were 2xx, 1 some were not or the server could
 * not be reached, 2 usage.
 */
#include "tests/servers/load/mix.h"
#include "tests/servers/load/response.h"
#include "tests/servers/load/stats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000ull
/* Requests that are out when the time is up may take this much longer. */
#define GRACE_NS (60 * NS)

struct connection {
	int fd;
	bool busy, fresh; /* fresh: nothing was answered on it yet */
	uint64_t began_ns, first_ns;
	size_t kind;
	size_t out_len, out_at;
	struct response response;
	char out[MIX_REQUEST_SIZE];
};

struct load {
	struct sockaddr_storage address;
	socklen_t address_len;
	size_t connections;
	uint64_t requests; /* 0: until the time is up */
	double seconds, rate;
	bool json;
	struct mix mix;

	int epoll;
	struct connection *pool;
	struct stats stats[MIX_MAX_KINDS];
	uint64_t began_ns, end_ns, sent, answered;
	const char *failed; /* why it cannot go on */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

static bool connect_one(struct load *l, struct connection *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	c->fresh = true;
	c->fd = socket(l->address.ss_family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return false;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&l->address, l->address_len) <
		    0 &&
	    errno != EINPROGRESS)
		return false;
	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0;
}

static void want_out(struct load *l, struct connection *c, bool wanted)
{
	struct epoll_event event = {
		.events = EPOLLIN | (wanted ? EPOLLOUT : 0),
		.data.ptr = c,
	};

	epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

/* The connection is gone; whatever was asked on it is an error. */
static void reconnect(struct load *l, struct connection *c)
{
	if (c->busy) {
		l->stats[c->kind].errors++;
		l->answered++;
		if (c->fresh)
			l->failed = "the server does not take connections";
	}
	c->busy = false;
	close(c->fd);
	if (!connect_one(l, c))
		l->failed = "cannot connect";
}

static void send_rest(struct load *l, struct connection *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at,
				 c->out_len - c->out_at, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
			want_out(l, c, true);
			return;
		}
		if (n < 0) {
			reconnect(l, c);
			return;
		}
		c->out_at += (size_t)n;
	}
	want_out(l, c, false);
}

static void begin_request(struct load *l, struct connection *c, uint64_t due_ns)
{
	c->kind = mix_next(&l->mix, c->out, &c->out_len);
	c->out_at = 0;
	c->busy = true;
	c->began_ns = due_ns;
	c->first_ns = 0;
	response_begin(&c->response);
	l->sent++;
	send_rest(l, c);
}

static bool more_wanted(const struct load *l, uint64_t now)
{
	return !l->failed && now < l->end_ns &&
	       (!l->requests || l->sent < l->requests);
}

/* When the next request is due; closed loops are always due. */
static uint64_t next_due(const struct load *l, uint64_t now)
{
	if (l->rate <= 0)
		return now;
	return l->began_ns + (uint64_t)((double)l->sent / l->rate * 1e9);
}

static void feed_idle(struct load *l)
{
	for (size_t i = 0; i < l->connections; i++) {
		uint64_t now = now_ns(), due = next_due(l, now);

		if (due > now || !more_wanted(l, now))
			return;
		if (!l->pool[i].busy)
			begin_request(l, &l->pool[i], due);
	}
}

static void answered(struct load *l, struct connection *c, uint64_t now)
{
	struct stats *s = &l->stats[c->kind];

	s->body_bytes += c->response.body_bytes;
	if (c->response.status / 100 != 2)
		s->errors++;
	else if (!stats_add(s, now - c->began_ns, c->first_ns - c->began_ns))
		l->failed = "out of memory";
	l->answered++;
	c->busy = false;
	c->fresh = false;
	if (c->response.close)
		reconnect(l, c);
}

static void read_some(struct load *l, struct connection *c)
{
	static char bytes[256 * 1024];
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);
	uint64_t now = now_ns();

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		if (n == 0 && c->busy && response_eof(&c->response)) {
			c->response.close = true;
			answered(l, c, now);
		} else {
			reconnect(l, c);
		}
		return;
	}
	if (!c->first_ns)
		c->first_ns = now;
	if (response_feed(&c->response, bytes, (size_t)n) != (size_t)n ||
	    c->response.part == RESPONSE_BAD)
		reconnect(l, c); /* not what HTTP says: more, or nonsense */
	else if (c->response.part == RESPONSE_DONE)
		answered(l, c, now);
}

static int wait_ms(const struct load *l)
{
	uint64_t now = now_ns(), due = next_due(l, now);

	if (l->rate <= 0 || !more_wanted(l, now))
		return 100;
	return due <= now ? 1 : (int)((due - now) / 1000000);
}

static void run(struct load *l)
{
	struct epoll_event events[256];

	while (!l->failed) {
		uint64_t now = now_ns();
		int n;

		if (!more_wanted(l, now) &&
		    (l->answered == l->sent || now > l->end_ns + GRACE_NS))
			return;
		feed_idle(l);
		n = epoll_wait(l->epoll, events, 256, wait_ms(l));
		for (int i = 0; i < n && !l->failed; i++) {
			struct connection *c = events[i].data.ptr;

			if (events[i].events & EPOLLOUT)
				send_rest(l, c);
			if (events[i].events & ~(uint32_t)EPOLLOUT)
				read_some(l, c);
		}
	}
}

static bool open_all(struct load *l)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->pool = calloc(l->connections, sizeof(*l->pool));
	if (l->epoll < 0 || !l->pool)
		return false;
	for (size_t i = 0; i < l->connections; i++) {
		if (!connect_one(l, &l->pool[i]))
			return false;
	}
	return true;
}

static bool resolve(struct load *l, char *target)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	char *colon = strrchr(target, ':');

	l->mix.host = strdup(target);
	if (!colon || !l->mix.host)
		return false;
	*colon = '\0';
	if (getaddrinfo(target, colon + 1, &hints, &found) != 0)
		return false;
	memcpy(&l->address, found->ai_addr, found->ai_addrlen);
	l->address_len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

static int usage(FILE *out)
{
	fprintf(out,
		"load [OPTION...] HOST:PORT\n"
		"  -c, --connections N   8\n"
		"  -n, --requests N      how many in all\n"
		"  -d, --duration S      seconds (10, unless -n is given)\n"
		"  -r, --rate RPS        open loop: so many a second\n"
		"  -m, --mix KIND[=WEIGHT],...  search\n"
		"  -u, --unique          no two queries alike, in no two runs\n"
		"  -j, --json            figures as JSON\n"
		"KIND:");
	for (size_t i = 0; mix_names[i]; i++)
		fprintf(out, " %s", mix_names[i]);
	fputc('\n', out);
	return 2;
}

static int parse(struct load *l, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "connections", required_argument, NULL, 'c' },
		{ "requests", required_argument, NULL, 'n' },
		{ "duration", required_argument, NULL, 'd' },
		{ "rate", required_argument, NULL, 'r' },
		{ "mix", required_argument, NULL, 'm' },
		{ "unique", no_argument, NULL, 'u' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	static char usual[] = "search";
	char *mix = usual;
	const char *unknown;
	int c;

	while ((c = getopt_long(argc, argv, "c:n:d:r:m:uj", longs, NULL)) !=
	       -1) {
		switch (c) {
		case 'c':
			l->connections = strtoul(optarg, NULL, 10);
			break;
		case 'n':
			l->requests = strtoull(optarg, NULL, 10);
			break;
		case 'd':
			l->seconds = strtod(optarg, NULL);
			break;
		case 'r':
			l->rate = strtod(optarg, NULL);
			break;
		case 'm':
			mix = optarg;
			break;
		case 'u':
			l->mix.unique = now_ns();
			break;
		case 'j':
			l->json = true;
			break;
		default:
			return usage(stderr);
		}
	}
	unknown = mix_parse(&l->mix, mix);
	if (unknown)
		fprintf(stderr, "load: '%s' is no kind of request\n", unknown);
	if (unknown || !l->connections || optind != argc - 1)
		return usage(stderr);
	if (!resolve(l, argv[optind])) {
		fprintf(stderr, "load: '%s' is not a HOST:PORT\n",
			argv[optind]);
		return 2;
	}
	return 0;
}

static int print(struct load *l)
{
	double seconds = (double)(now_ns() - l->began_ns) / 1e9;
	uint64_t errors = 0;

	for (size_t i = 0; i < l->mix.count; i++) {
		l->stats[i].name = l->mix.kinds[i].name;
		errors += l->stats[i].errors;
	}
	if (l->failed)
		fprintf(stderr, "load: %s (after %llu answers)\n", l->failed,
			(unsigned long long)l->answered);
	if (l->json)
		stats_print_json(l->stats, l->mix.count, seconds, stdout);
	else
		stats_print(l->stats, l->mix.count, seconds, stdout);
	return l->failed || errors || l->answered != l->sent;
}

int main(int argc, char **argv)
{
	static struct load l = { .connections = 8 };
	int rc = parse(&l, argc, argv);

	if (rc)
		return rc;
	if (l.seconds <= 0)
		l.seconds = l.requests ? 1e6 : 10;
	if (!open_all(&l)) {
		perror("load: cannot connect");
		return 1;
	}
	l.began_ns = now_ns();
	l.end_ns = l.began_ns + (uint64_t)(l.seconds * 1e9);
	run(&l);
	rc = print(&l);
	for (size_t i = 0; i < l.mix.count; i++)
		stats_free(&l.stats[i]);
	free(l.pool);
	free((char *)l.mix.host);
	return rc;
}
