/*
 * requests: see requests.h.
 *
 * Departure.  A write to a client that waits for it on the same core returns
 * when that client has had its turn, and others theirs.  So of a small one that
 * cannot have waited for room not its end is taken, but the time that it takes
 * to hand bytes over.
 */
#include "preload/requests.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "preload/arrival.h"
#include "preload/routebook.h"
#include "preload/sys.h"
#include "profiler/http/line.h"
#include "profiler/http/route.h"
#include "profiler/http/track.h"

#define CONNECTIONS 16384u
#define FEEDS_TIMED 63u	   /* 1 feed in 64 is timed */
#define SMALL_WRITE 65536u /* not above it: handed over at once */
#define FEW_QUEUED  8192   /* bytes the client has not taken */
#define PINNED	    (1u << 31)
#define AMID_LOOKS  64u /* reads that may go on with what was asked */

struct requests requests;

static struct routebook book;

static uint64_t key_of(int fd)
{
	return REQUESTS_KEY_FD | (uint64_t)(unsigned)fd;
}

static uint64_t key_of_tls(const void *object)
{
	return REQUESTS_KEY_TLS | (uint64_t)object >> 4;
}

static uint64_t span(uint64_t from, uint64_t to)
{
	return from && to > from ? to - from : 0;
}

static void put_request(const struct track_request *r, unsigned flags,
			uint64_t now)
{
	struct thread_state *ts = self.state;
	uint8_t *at = pen_room(ts, now);
	uint64_t ttfb = span(r->first_in, r->first_out);

	if (unlikely(!at))
		return;
	*at++ = (uint8_t)(RECORD_REQUEST | flags << 4);
	at = record_put(at, r->route);
	at = record_put(at, r->status);
	at = record_put(at, span(r->first_in, r->last_out));
	at = record_put(at, r->first_out && !ttfb ? 1 : ttfb);
	at = record_put(at, span(r->first_in, r->handler_began));
	at = record_put(at, r->gap);
	pen_commit(ts, record_put_ticks(ts, at, now));
	__atomic_fetch_add(&shim.file->stats.requests, 1, __ATOMIC_RELAXED);
}

static void began(const struct track_event *ev)
{
	struct request_context *c = &self.context;
	const struct track_request *r = ev->request;
	bool another = c->key == r->key && c->open;

	c->open = another ? c->open + 1 : 1;
	c->alone = !another;
	c->key = r->key;
	if (!c->pinned)
		c->route = r->route;
	if (!(r->key & REQUESTS_KEY_TLS))
		requests.fds[(uint32_t)r->key].route = (uint16_t)r->route;
	routebook_write(&book);
}

static void ended(const struct track_event *ev)
{
	struct request_context *c = &self.context;
	const struct track_request *r = ev->request;
	bool here = c->key == r->key && c->open;
	unsigned flags = 0;

	if (r->flags & TRACK_CUT)
		flags |= REQUEST_CUT;
	if (r->flags & TRACK_STREAMED)
		flags |= REQUEST_STREAMED;
	if (here && c->alone && c->open == 1)
		flags |= REQUEST_ALONE;
	if (here)
		c->open--;
	put_request(r, flags, ev->at);
}

static void on_event(void *unused, const struct track_event *ev)
{
	(void)unused;
	if (ev->type == TRACK_BEGUN)
		began(ev);
	else if (ev->type == TRACK_ENDED)
		ended(ev);
}

static void add_templates(const char *at)
{
	char line[ROUTE_TEXT_MAX];

	while (at && *at) {
		size_t n = 0;

		for (; *at && *at != '\n'; at++)
			if (n < sizeof(line) - 1)
				line[n++] = *at;
		line[n] = 0;
		routes_add_template(requests.routes, line);
		at += *at == '\n';
	}
}

void requests_start(const char *templates)
{
	static struct requests_fd *fds; /* a second start finds them empty */
	static void *routes, *track;

	if (!fds) {
		routes = shim_memory(routes_size());
		track = shim_memory(track_size(CONNECTIONS));
		fds = shim_memory(REQUESTS_FDS * sizeof(*fds));
	}
	if (!routes || !track || !fds)
		return;
	requests.routes = routes_init(routes);
	book.routes = requests.routes;
	add_templates(templates);
	requests.track =
		track_init(track, CONNECTIONS, requests.routes, on_event, NULL);
	__atomic_store_n(&requests.fds, fds, __ATOMIC_RELEASE);
}

static uint64_t counted(enum track_count which)
{
	return track_counted(requests.track, which);
}

void requests_account(void)
{
	struct slab_stats *s = &shim.file->stats;
	uint64_t tls, plain, sealed;

	if (!requests.fds)
		return;
	tls = counted(TRACK_TLS);
	plain = __atomic_load_n(&requests.plain, __ATOMIC_RELAXED);
	/* What TLS carries is foreign only where nobody sees it decrypted. */
	sealed = tls > plain ? tls - plain : 0;
	__atomic_store_n(&s->sealed, sealed, __ATOMIC_RELAXED);
	__atomic_store_n(&s->foreign,
			 counted(TRACK_NOT_HTTP) + counted(TRACK_HTTP2) +
				 counted(TRACK_CLIENT) + sealed,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&s->http2, counted(TRACK_HTTP2), __ATOMIC_RELAXED);
	__atomic_store_n(&s->drops[DROP_TRACK_FULL],
			 counted(TRACK_BUSY) + counted(TRACK_TABLE_FULL) +
				 counted(TRACK_PIPELINE_FULL),
			 __ATOMIC_RELAXED);
}

/* The child serves on what it inherited; its file knows no routes yet. */
void requests_fork_child(void)
{
	if (!requests.fds || !requests.track)
		return;
	track_fork_child(requests.track);
	requests.plain = 0;
	routebook_fork_child(&book);
}

/* This thread's state, marked busy, if there is something to follow. */
static struct thread_state *enter(void)
{
	struct thread_state *ts = record_enter();

	if (ts && !record_wanted()) {
		record_leave(ts);
		return NULL;
	}
	return ts;
}

static void leave(struct thread_state *ts, uint64_t since)
{
	if (unlikely((++ts->feeds & FEEDS_TIMED) == 0)) {
		uint64_t spent = ticks_now() - since;

		requests_account();
		if (shim.mode == SLAB_MODE_SAMPLE)
			spent *= FEEDS_TIMED + 1;
		__atomic_fetch_add(&shim.file->stats.ticks_spent, spent,
				   __ATOMIC_RELAXED);
	}
	record_leave(ts);
}

void requests_accepted(int fd)
{
	struct requests_fd *e = requests_fd(fd);
	struct thread_state *ts;

	if (!e)
		return;
	ts = enter();
	if (!ts)
		return;
	e->last = ticks_now();
	e->route = 0;
	e->fresh = 1;
	__atomic_store_n(&e->kind, REQUESTS_CONNECTION, __ATOMIC_RELAXED);
	track_open(requests.track, key_of(fd));
	__atomic_fetch_add(&shim.file->stats.connections, 1, __ATOMIC_RELAXED);
	leave(ts, e->last);
}

static int socket_option(int fd, int name)
{
	int value = -1, size = sizeof(value);

	return sys6(SYS_getsockopt, fd, SOL_SOCKET, name, (long)&value,
		    (long)&size, 0) < 0
		       ? -1
		       : value;
}

static bool is_stream(int fd)
{
	int domain;

	if (socket_option(fd, SO_TYPE) != SOCK_STREAM ||
	    socket_option(fd, SO_ACCEPTCONN) != 0)
		return false;
	domain = socket_option(fd, SO_DOMAIN);
	return domain == AF_INET || domain == AF_INET6 || domain == AF_UNIX;
}

/* "GET /", "POST http", "PRI *": a word of capitals and a blank. */
static bool looks_asked(const uint8_t *bytes, size_t size)
{
	size_t i = 0;

	while (i < size && i < 16 && bytes[i] >= 'A' && bytes[i] <= 'Z')
		i++;
	return i >= 3 && i < size && bytes[i] == ' ';
}

/* Only where we came late; and what is asked much goes on to be asked. */
static bool may_be_amid(int fd, struct requests_fd *e)
{
	if (e->kind == REQUESTS_AMID)
		return ++e->looks < AMID_LOOKS;
	e->looks = 0;
	return shim.late && is_stream(fd);
}

/*
 * The first that happens on a descriptor which no accept gave us is a read: a
 * connection that was handed over, or there before us.
 */
COLD static bool adopt(int fd, struct requests_fd *e, const struct iovec *at,
		       size_t total)
{
	size_t size = at->iov_len < total ? at->iov_len : total;
	bool asked = looks_asked(at->iov_base, size);

	if (!asked || !is_stream(fd)) {
		enum requests_kind kind = !asked && may_be_amid(fd, e)
						  ? REQUESTS_AMID
						  : REQUESTS_OTHER;

		__atomic_store_n(&e->kind, kind, __ATOMIC_RELAXED);
		return false;
	}
	e->route = 0;
	e->fresh = 0;
	__atomic_store_n(&e->kind, REQUESTS_CONNECTION, __ATOMIC_RELAXED);
	track_follow(requests.track, key_of(fd));
	__atomic_fetch_add(&shim.file->stats.connections, 1, __ATOMIC_RELAXED);
	return true;
}

static void work_for_none(void)
{
	struct request_context *c = &self.context;

	c->key = 0;
	if (!c->pinned)
		c->route = 0;
	c->open = 0;
}

/* This thread works for that connection from here on. */
static void turn_to(uint64_t key, uint32_t route)
{
	struct request_context *c = &self.context;

	c->key = key;
	if (!c->pinned)
		c->route = route;
	c->open = 0;
	c->alone = false;
}

/* Each iovec by itself; false: it is nothing that can be followed. */
static bool feed(uint64_t key, struct track_feed *f, const struct iovec *at,
		 size_t count, size_t total)
{
	bool taken = false;

	for (size_t i = 0; i < count && total; i++) {
		size_t size = at[i].iov_len < total ? at[i].iov_len : total;

		if (!size)
			continue;
		f->bytes = at[i].iov_base;
		f->seen = f->total = size;
		total -= size;
		taken |= track_feed(requests.track, key, f);
	}
	if (total) {
		f->bytes = NULL;
		f->seen = 0;
		f->total = total;
		taken |= track_feed(requests.track, key, f);
	}
	return taken || !track_left(requests.track, key);
}

/* Its first bytes are a TLS record of a handshake. */
static bool is_sealed(const struct iovec *at, size_t total)
{
	const uint8_t *bytes = at->iov_base;

	return total >= 3 && at->iov_len >= 3 && bytes[0] == 22 &&
	       bytes[1] == 3 && bytes[2] <= 4;
}

/* Not followed any more: a read of it costs a look, or says when it came. */
static void let_go(int fd, struct requests_fd *e, uint64_t now, bool sealed)
{
	track_close(requests.track, key_of(fd), now);
	requests_account();
	__atomic_store_n(&e->kind, sealed ? REQUESTS_SEALED : REQUESTS_OTHER,
			 __ATOMIC_RELAXED);
}

/*
 * Ciphertext.  The first read of what a wait reported says when it came: a
 * library reads a record's head and then the rest.
 */
static void read_sealed(int fd, struct requests_fd *e, uint64_t since,
			uint64_t now)
{
	struct request_context *c = &self.context;

	if (c->sealed_fd != fd || !c->sealed || c->sealed_at < c->ready ||
	    arrival_slept(now - since)) {
		c->sealed = arrival_of(fd, e, since, now);
		c->sealed_at = now;
		c->sealed_fd = fd;
	}
	e->last = now;
}

static void read_plain(int fd, struct requests_fd *e, const struct iovec *at,
		       size_t count, size_t total, uint64_t since, uint64_t now)
{
	struct track_feed f = {
		.way = TRACK_IN,
		.at = now,
		.arrived = arrival_of(fd, e, since, now),
	};
	bool fresh = e->fresh;

	if (self.context.key != key_of(fd))
		turn_to(key_of(fd), e->route);
	if (!feed(key_of(fd), &f, at, count, total))
		let_go(fd, e, now, fresh && is_sealed(at, total));
	e->last = now;
	e->fresh = 0;
}

void requests_read(int fd, const struct iovec *at, size_t count, size_t total,
		   uint64_t since)
{
	struct requests_fd *e = requests_fd(fd);
	struct thread_state *ts = enter();
	uint64_t now;

	if (!ts)
		return;
	now = ticks_now();
	if (e->kind == REQUESTS_SEALED)
		read_sealed(fd, e, since, now);
	else if (likely(e->kind == REQUESTS_CONNECTION) ||
		 adopt(fd, e, at, total))
		read_plain(fd, e, at, count, total, since, now);
	leave(ts, now);
}

/* A write that had to wait for room leaves much behind it, unacknowledged. */
static bool was_blocked(int fd)
{
	int queued = 0;

	if (sys_fcntl(fd, F_GETFL, 0) & O_NONBLOCK)
		return false;
	return sys3(SYS_ioctl, fd, 0x5411 /* SIOCOUTQ */, (long)&queued) < 0 ||
	       queued > FEW_QUEUED;
}

/* See "Departure" above. */
static uint64_t departure(int fd, size_t total, uint64_t since, uint64_t now)
{
	if (!arrival_slept(now - since) || total > SMALL_WRITE ||
	    was_blocked(fd))
		return now;
	return since + arrival_slept_ticks();
}

void requests_written(int fd, const struct iovec *at, size_t count,
		      size_t total, uint64_t since)
{
	struct requests_fd *e = requests_fd(fd);
	struct thread_state *ts = enter();
	struct track_feed f = { .way = TRACK_OUT };
	uint64_t now;

	if (!ts)
		return;
	now = ticks_now();
	f.at = departure(fd, total, since, now);
	if (!feed(key_of(fd), &f, at, count, total))
		let_go(fd, e, now, false);
	e->last = f.at;
	leave(ts, now);
}

static void end_connection(uint64_t key)
{
	struct thread_state *ts = record_enter();
	uint64_t now = ticks_now();

	if (!ts)
		return;
	track_close(requests.track, key, now);
	if (self.context.key == key)
		work_for_none();
	leave(ts, now);
}

COLD void requests_forget(int fd)
{
	struct requests_fd *e = requests_fd(fd);

	if (e->kind == REQUESTS_CONNECTION && shim.file) {
		if (record_in_vfork())
			return;
		end_connection(key_of(fd));
	}
	__atomic_store_n(&e->kind, REQUESTS_UNKNOWN, __ATOMIC_RELAXED);
}

COLD void requests_shut(int fd)
{
	struct requests_fd *e = requests_fd(fd);

	if (!e || e->kind != REQUESTS_CONNECTION || !shim.file ||
	    record_in_vfork())
		return;
	end_connection(key_of(fd));
	e->kind = REQUESTS_OTHER;
}

/*
 * A server that was preloaded has no connection from before; one that we came
 * to late may have, and is in the middle of something there.
 */
static void follow_tls(uint64_t key, const void *at, size_t size)
{
	if (track_knows(requests.track, key))
		return;
	if (shim.late && !looks_asked(at, size))
		track_follow(requests.track, key);
	else
		track_open(requests.track, key);
	__atomic_fetch_add(&requests.plain, 1, __ATOMIC_RELAXED);
}

void requests_tls_read(const void *object, const void *at, size_t size,
		       uint64_t since)
{
	const struct iovec bytes = { (void *)at, size };
	struct request_context *c = &self.context;
	struct track_feed f = { .way = TRACK_IN };
	uint64_t key = key_of_tls(object);
	struct thread_state *ts = enter();
	uint64_t now;

	if (!ts)
		return;
	now = ticks_now();
	f.at = now;
	f.arrived = c->sealed			 ? c->sealed
		    : arrival_slept(now - since) ? now
						 : 0;
	c->sealed = 0;
	follow_tls(key, at, size);
	if (c->key != key)
		turn_to(key, track_route(requests.track, key));
	(void)feed(key, &f, &bytes, 1, size);
	leave(ts, now);
}

void requests_tls_written(const void *object, const void *at, size_t size,
			  uint64_t since)
{
	const struct iovec bytes = { (void *)at, size };
	struct track_feed f = { .way = TRACK_OUT };
	uint64_t key = key_of_tls(object);
	struct thread_state *ts;
	uint64_t now;

	if (!track_knows(requests.track, key))
		return;
	ts = enter();
	if (!ts)
		return;
	now = ticks_now();
	f.at = arrival_slept(now - since) && size <= SMALL_WRITE
		       ? since + arrival_slept_ticks()
		       : now;
	(void)feed(key, &f, &bytes, at != NULL, size);
	leave(ts, now);
}

void requests_tls_closing(const void *object)
{
	uint64_t key = key_of_tls(object);

	if (!track_knows(requests.track, key) || !shim.file ||
	    record_in_vfork())
		return;
	end_connection(key);
}

uint32_t requests_pin(const char *method, const char *path, size_t len)
{
	struct request_context *c = &self.context;
	uint32_t before = c->pinned ? PINNED | c->route : c->route;
	size_t size = 0;
	uint32_t id;

	if (!requests.fds)
		return 0;
	while (method[size])
		size++;
	id = routes_id(requests.routes,
		       line_method((const uint8_t *)method, size), path, len,
		       NULL);
	c->pinned = true;
	c->route = id;
	routebook_write(&book);
	return before;
}

void requests_unpin(uint32_t before)
{
	if (!requests.fds)
		return;
	self.context.pinned = (before & PINNED) != 0;
	self.context.route = before & ~PINNED;
}

uint64_t requests_wait(enum requests_waiting waits)
{
	if (waits == REQUESTS_LOOP)
		work_for_none();
	return ticks_now();
}

void requests_ready(enum requests_waiting waits, int epoll, uint64_t since)
{
	if (waits != REQUESTS_OTHERS)
		arrival_waited(epoll, since);
}
