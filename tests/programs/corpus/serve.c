#include "tests/programs/corpus/serve.h"

#include "tests/programs/corpus/corpus.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
	int listener;
	atomic_ulong number;
	atomic_uint busy; /* workers inside a handler */
	atomic_bool stopping;
} server;

struct connection {
	unsigned worker;
	int fd;
	size_t len;
	char in[4096];
};

int serve_listen(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
	    listen(fd, 512) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		give_up("cannot listen");
	printf("listening on %d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static const char *reason(int status)
{
	return status < 300 ? "OK" : status < 500 ? "Bad Request" : "Failed";
}

static bool answer(int fd, int status)
{
	char out[128];
	int len = snprintf(out, sizeof(out),
			   "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\n"
			   "Content-Length: 3\r\n\r\nok\n",
			   status, reason(status));

	return send(fd, out, (size_t)len, MSG_NOSIGNAL) == len;
}

/* Counts the handler in, unless the server stops. */
static void enter(void)
{
	atomic_fetch_add(&server.busy, 1);
	while (atomic_load(&server.stopping)) {
		atomic_fetch_sub(&server.busy, 1);
		for (;;)
			pause();
	}
}

/* One whole head stands at the start of @c->in, ended by a NUL. */
static bool serve_one(struct connection *c)
{
	struct request r = { .worker = c->worker, .status = 200 };
	char *path = strchr(c->in, ' '), *end;

	end = path ? strpbrk(path + 1, " ?\r") : NULL;
	if (!end)
		return false;
	*end = '\0';
	r.path = path + 1;
	enter();
	r.number = atomic_fetch_add(&server.number, 1);
	case_request(&r);
	atomic_fetch_sub(&server.busy, 1);
	return answer(c->fd, r.status);
}

static void serve_connection(struct connection *c)
{
	int one = 1;

	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (;;) {
		ssize_t n = recv(c->fd, c->in + c->len,
				 sizeof(c->in) - 1 - c->len, 0);
		char *end;

		if (n <= 0)
			return;
		c->len += (size_t)n;
		c->in[c->len] = '\0';
		while ((end = strstr(c->in, "\r\n\r\n"))) {
			size_t taken = (size_t)(end + 4 - c->in);

			*end = '\0';
			if (!serve_one(c))
				return;
			c->len -= taken;
			memmove(c->in, c->in + taken, c->len + 1);
		}
	}
}

static void *work(void *arg)
{
	struct connection c = { .worker = (unsigned)(uintptr_t)arg };

	for (;;) {
		c.fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);
		if (c.fd < 0)
			continue;
		c.len = 0;
		case_opened(c.worker, c.fd);
		serve_connection(&c);
		case_closed(c.worker);
		close(c.fd);
	}
	return NULL;
}

void serve_start(int listener, unsigned workers)
{
	server.listener = listener;
	for (unsigned i = 0; i < workers; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, work, (void *)(uintptr_t)i))
			give_up("cannot start a worker");
		pthread_detach(thread);
	}
}

void serve_stop(void)
{
	atomic_store(&server.stopping, true);
	for (int i = 0; i < 100 && atomic_load(&server.busy); i++)
		usleep(1000);
}
