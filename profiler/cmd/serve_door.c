/*
 * serve_door: see serve_door.h.
 *
 * libmicrohttpd's time limit begins anew with every byte, so whoever sends one
 * now and then could stay for ever.  Here a connection has to complete a
 * request every ten seconds, or is shut down by a thread that looks twice a
 * second.
 */
#include "profiler/cmd/serve_door.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/cmd/ticker.h"

#define MOST_CONNECTIONS 256u
#define CONNECTION_BYTES (32u << 10)
#define REQUEST_SECONDS	 10u
#define NS_PER_SECOND	 1000000000ULL
#define LOOK_NS		 (NS_PER_SECOND / 2)
#define LOOPBACK	 "127.0.0.1"

struct visitor { /* a connection */
	struct visitor *next, **link;
	int fd;
	uint64_t since_ns; /* its last request, or its beginning */
	bool cut;
};

struct door {
	struct MHD_Daemon *daemon;
	struct ticker *ticker;
	char address[NI_MAXHOST + NI_MAXSERV + 4];
	/* Guards all below.  MHD's thread takes it in its callbacks, so it is
	 * never held over a call that waits for that thread. */
	pthread_mutex_t lock;
	struct visitor *visitors;
	struct door_counts counts;
	struct MHD_Response *pages[2]; /* by dialect */
	struct MHD_Response *health;
	unsigned health_status;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static void on_connection(void *ctx, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct door *d = ctx;
	struct visitor *v = *context;

	pthread_mutex_lock(&d->lock);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		v = calloc(1, sizeof(*v));
		*context = v;
		d->counts.connections++;
		if (v) {
			v->fd = MHD_get_connection_info(
					c, MHD_CONNECTION_INFO_CONNECTION_FD)
					->connect_fd;
			v->since_ns = now_ns();
			v->next = d->visitors;
			v->link = &d->visitors;
			if (v->next)
				v->next->link = &v->next;
			d->visitors = v;
		}
	} else {
		d->counts.connections--;
		if (v) {
			*v->link = v->next;
			if (v->next)
				v->next->link = v->link;
			free(v);
		}
	}
	pthread_mutex_unlock(&d->lock);
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **request,
			 enum MHD_RequestTerminationCode why)
{
	struct door *d = ctx;
	struct visitor *v =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
			->socket_context;

	(void)request;
	(void)why;
	pthread_mutex_lock(&d->lock);
	if (v)
		v->since_ns = now_ns();
	pthread_mutex_unlock(&d->lock);
}

/* The descriptor is closed only after on_connection() forgot it. */
static void cut_slow_ones(void *ctx)
{
	const uint64_t limit_ns = REQUEST_SECONDS * NS_PER_SECOND;
	struct door *d = ctx;
	uint64_t now = now_ns();

	pthread_mutex_lock(&d->lock);
	for (struct visitor *v = d->visitors; v; v = v->next) {
		if (v->cut || now - v->since_ns < limit_ns)
			continue;
		v->cut = true;
		d->counts.cut_off++;
		shutdown(v->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&d->lock);
}

static struct MHD_Response *text_of(const char *bytes, size_t len,
				    const char *type)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(len, (void *)bytes,
						MHD_RESPMEM_MUST_COPY);

	if (!r)
		return NULL;
	MHD_add_response_header(r, "Content-Type", type);
	MHD_add_response_header(r, "Cache-Control", "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	return r;
}

static enum MHD_Result refuse(struct door *d, struct MHD_Connection *c,
			      unsigned status, const char *sentence)
{
	struct MHD_Response *r =
		text_of(sentence, strlen(sentence), "text/plain");
	enum MHD_Result rc;

	if (!r)
		return MHD_NO;
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, "Allow", "GET, HEAD");
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	pthread_mutex_lock(&d->lock);
	d->counts.refusals++;
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static enum MHD_Result answer(struct door *d, struct MHD_Connection *c,
			      const char *path)
{
	const char *accept =
		MHD_lookup_connection_value(c, MHD_HEADER_KIND,
					    MHD_HTTP_HEADER_ACCEPT);
	bool health = strcmp(path, "/healthz") == 0;
	enum MHD_Result rc = MHD_NO;
	struct MHD_Response *r;
	unsigned status;

	pthread_mutex_lock(&d->lock);
	r = health ? d->health : d->pages[door_dialect(accept)];
	if (r) {
		/* Under the lock: it may be replaced as soon as it is free. */
		status = health ? d->health_status : MHD_HTTP_OK;
		rc = MHD_queue_response(c, status, r);
		if (status == MHD_HTTP_OK)
			d->counts.answers++;
		else
			d->counts.refusals++;
	}
	pthread_mutex_unlock(&d->lock);
	return r ? rc
		 : refuse(d, c, MHD_HTTP_SERVICE_UNAVAILABLE,
			  "The recordings are being read for the first "
			  "time.\n");
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c,
				  const char *path, const char *method,
				  const char *version, const char *body,
				  size_t *body_len, void **request)
{
	struct door *d = ctx;

	(void)version;
	(void)body;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(d, c, MHD_HTTP_METHOD_NOT_ALLOWED,
			      "Only GET and HEAD are answered here.\n");
	/* Called once for the head, for each piece of a body, and at the
	 * end. */
	if (!*request || *body_len) {
		*request = d;
		*body_len = 0;
		return MHD_YES;
	}
	if (strcmp(path, "/") == 0)
		return refuse(d, c, MHD_HTTP_NOT_FOUND,
			      "strandline serve: look at /metrics or "
			      "/healthz.\n");
	if (strcmp(path, "/metrics") != 0 && strcmp(path, "/healthz") != 0)
		return refuse(d, c, MHD_HTTP_NOT_FOUND,
			      "There are /metrics and /healthz here.\n");
	return answer(d, c, path);
}

struct place { /* what an address says */
	char host[NI_MAXHOST], port[NI_MAXSERV];
	bool every_host;
};

static int place_of(const char *address, struct place *p, struct err *err)
{
	const char *colon = strrchr(address, ':');
	const char *port = colon ? colon + 1 : address;
	size_t len = colon ? (size_t)(colon - address) : 0;
	char *end;

	p->every_host = colon && len == 0;
	if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	} else if (len && memchr(address, ':', len)) {
		len = sizeof(p->host); /* which port is it? */
	}
	if (strtoul(port, &end, 10) > UINT16_MAX || end == port || *end ||
	    *port == '-' || strlen(port) >= sizeof(p->port) ||
	    len >= sizeof(p->host))
		return err_set(err, -EINVAL,
			       "'%s' is no address to listen on: give "
			       "HOST:PORT, [HOST]:PORT, :PORT or PORT",
			       address);
	snprintf(p->host, sizeof(p->host), "%.*s", (int)len, address);
	if (!len)
		snprintf(p->host, sizeof(p->host), "%s", LOOPBACK);
	snprintf(p->port, sizeof(p->port), "%s", port);
	return 0;
}

static int listen_on(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1, off = 0;
	int error;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->ai_family == AF_INET6) /* "[::]" is for IPv4 as well */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 128) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static void note_address(struct door *d, int fd)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";

	if (getsockname(fd, (struct sockaddr *)&at, &len) == 0)
		getnameinfo((struct sockaddr *)&at, len, host, sizeof(host),
			    port, sizeof(port),
			    NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(d->address, sizeof(d->address),
		 strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* A listening descriptor, or -errno. */
static int open_socket(struct door *d, const char *address, struct err *err)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE,
	};
	struct addrinfo *list;
	struct place p;
	int fd, rc = place_of(address, &p, err);

	if (rc < 0)
		return rc;
	rc = getaddrinfo(p.every_host ? NULL : p.host, p.port, &hints, &list);
	if (rc)
		return err_set(err, -EINVAL, "cannot listen on %s: %s", address,
			       gai_strerror(rc));
	fd = listen_on(list);
	freeaddrinfo(list);
	if (fd < 0)
		return err_set(err, fd, "cannot listen on %s: %s", address,
			       strerror(-fd));
	note_address(d, fd);
	return fd;
}

static int start(struct door *d, int fd)
{
	d->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, d,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		MOST_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
		2 * REQUEST_SECONDS, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, d, MHD_OPTION_NOTIFY_COMPLETED, on_completed, d,
		MHD_OPTION_END);
	return d->daemon ? 0 : -EIO;
}

int door_open(struct door **out, const char *address, struct err *err)
{
	struct door *d = calloc(1, sizeof(*d));
	int fd, rc;

	*out = NULL;
	if (!d)
		return err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&d->lock, NULL);
	fd = open_socket(d, address, err);
	if (fd < 0) {
		door_close(d);
		return fd;
	}
	rc = start(d, fd);
	if (rc < 0)
		close(fd);
	else
		rc = ticker_start(&d->ticker, LOOK_NS, cut_slow_ones, d);
	if (rc < 0) {
		err_set(err, rc, "cannot serve on %s: %s", d->address,
			strerror(-rc));
		door_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

void door_close(struct door *d)
{
	if (!d)
		return;
	ticker_stop(d->ticker);
	if (d->daemon)
		MHD_stop_daemon(d->daemon); /* closes the socket as well */
	for (int i = 0; i < 2; i++)
		if (d->pages[i])
			MHD_destroy_response(d->pages[i]);
	if (d->health)
		MHD_destroy_response(d->health);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

const char *door_address(const struct door *d)
{
	return d->address;
}

/* Who still reads the old one keeps it alive. */
static void replace(struct MHD_Response **slot, struct MHD_Response *fresh)
{
	if (*slot)
		MHD_destroy_response(*slot);
	*slot = fresh;
}

int door_show(struct door *d, const struct buf texts[2], const char *trouble)
{
	static const char *const types[2] = {
		[METRICS_OPENMETRICS] = "application/openmetrics-text; "
					"version=1.0.0; charset=utf-8",
		[METRICS_PROMETHEUS] = "text/plain; version=0.0.4; "
				       "charset=utf-8",
	};
	struct MHD_Response *fresh[3] = { NULL };
	struct buf health = BUF_INIT;
	bool failed = false;

	buf_printf(&health, "%s\n", trouble ? trouble : "ok");
	for (int i = 0; i < 2; i++) {
		fresh[i] = text_of(texts[i].bytes, texts[i].len, types[i]);
		if (fresh[i])
			MHD_add_response_header(fresh[i], "Vary", "Accept");
		failed |= !fresh[i];
	}
	if (buf_status(&health) == 0)
		fresh[2] = text_of(health.bytes, health.len,
				   "text/plain; charset=utf-8");
	failed |= !fresh[2];
	buf_free(&health);
	if (failed) {
		for (int i = 0; i < 3; i++)
			if (fresh[i])
				MHD_destroy_response(fresh[i]);
		return -ENOMEM;
	}
	pthread_mutex_lock(&d->lock);
	replace(&d->pages[0], fresh[0]);
	replace(&d->pages[1], fresh[1]);
	replace(&d->health, fresh[2]);
	d->health_status = trouble ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

void door_count(struct door *d, struct door_counts *counts)
{
	pthread_mutex_lock(&d->lock);
	*counts = d->counts;
	pthread_mutex_unlock(&d->lock);
}
