/*
 * sockets: the calls by which a server takes connections, reads requests,
 * writes answers and waits, hooked for requests.c.
 *
 * Same result, same errno: what is asked of the kernel beside them never goes
 * through libc.  A read or write is told after it returned, so a thread that
 * is cancelled within one leaves nothing behind.
 *
 * Not seen: stdio on a socket, splice, io_uring, system calls past libc; TLS is
 * seen as such here, and looked into in tls.c.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "preload/openers.h"
#include "preload/real.h"
#include "preload/requests.h"
#include "preload/sys.h"

#define IO_FUNCTIONS(F)                                                        \
	F(ssize_t, read, (int, void *, size_t))                                \
	F(ssize_t, __read_chk, (int, void *, size_t, size_t))                  \
	F(ssize_t, readv, (int, const struct iovec *, int))                    \
	F(ssize_t, recv, (int, void *, size_t, int))                           \
	F(ssize_t, __recv_chk, (int, void *, size_t, size_t, int))             \
	F(ssize_t, recvfrom,                                                   \
	  (int, void *, size_t, int, struct sockaddr *, socklen_t *))          \
	F(ssize_t, __recvfrom_chk,                                             \
	  (int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *))  \
	F(ssize_t, recvmsg, (int, struct msghdr *, int))                       \
	F(ssize_t, write, (int, const void *, size_t))                         \
	F(ssize_t, writev, (int, const struct iovec *, int))                   \
	F(ssize_t, send, (int, const void *, size_t, int))                     \
	F(ssize_t, sendto,                                                     \
	  (int, const void *, size_t, int, const struct sockaddr *,            \
	   socklen_t))                                                         \
	F(ssize_t, sendmsg, (int, const struct msghdr *, int))                 \
	F(ssize_t, sendfile, (int, int, off_t *, size_t))                      \
	F(int, accept, (int, struct sockaddr *, socklen_t *))                  \
	F(int, accept4, (int, struct sockaddr *, socklen_t *, int))            \
	F(int, shutdown, (int, int))                                           \
	F(int, poll, (struct pollfd *, nfds_t, int))                           \
	F(int, __poll_chk, (struct pollfd *, nfds_t, int, size_t))             \
	F(int, ppoll,                                                          \
	  (struct pollfd *, nfds_t, const struct timespec *,                   \
	   const sigset_t *))                                                  \
	F(int, __ppoll_chk,                                                    \
	  (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, \
	   size_t))                                                            \
	F(int, select, (int, fd_set *, fd_set *, fd_set *, struct timeval *))  \
	F(int, pselect,                                                        \
	  (int, fd_set *, fd_set *, fd_set *, const struct timespec *,         \
	   const sigset_t *))                                                  \
	F(int, epoll_wait, (int, struct epoll_event *, int, int))              \
	F(int, epoll_pwait,                                                    \
	  (int, struct epoll_event *, int, int, const sigset_t *))

static struct io {
#define IO_MEMBER(type, name, params) type(*name) params;
	IO_FUNCTIONS(IO_MEMBER)
#undef IO_MEMBER
	bool ready;
} io;

/* What syscall() of slow.S goes on to. */
__attribute__((visibility("hidden"))) void *sockets_syscall;

void sockets_start(void)
{
	sockets_syscall = real_symbol("syscall");
#define LOOK_UP(type, name, params) io.name = real_symbol(#name);
	IO_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
	io.ready = true;
}

/* The real functions; looked up by the very first call into us. */
static inline const struct io *real_io(void)
{
	if (unlikely(!io.ready))
		shim_start();
	return &io;
}

/* Called by slow.S before the first system call, and before each close. */
__attribute__((used, visibility("hidden"))) void sockets_before_syscall(
	long number, int fd)
{
	if (unlikely(!io.ready))
		shim_start();
	if (number == SYS_close)
		requests_closing(fd);
}

static inline void was_read(int fd, void *to, ssize_t got, uint64_t since)
{
	struct iovec at = { to, (size_t)got };

	if (got > 0)
		requests_read(fd, &at, 1, (size_t)got, since);
}

static inline void was_written(int fd, const void *from, ssize_t put,
			       uint64_t since)
{
	struct iovec at = { (void *)from, (size_t)put };

	if (put > 0)
		requests_written(fd, &at, 1, (size_t)put, since);
}

/*
 * What all reads have in common: `call` is the real one, whose answer is
 * `got`; `told` says what it got.
 */
#define READ(call, told)                    \
	const struct io *f = real_io();     \
	uint64_t since;                     \
	ssize_t got;                        \
                                            \
	if (likely(!requests_may_read(fd))) \
		return f->call;             \
	since = ticks_now();                \
	got = f->call;                      \
	if (got > 0)                        \
		told;                       \
	return got

EXPORT ssize_t read(int fd, void *to, size_t size)
{
	READ(read(fd, to, size), was_read(fd, to, got, since));
}

EXPORT ssize_t __read_chk(int fd, void *to, size_t size, size_t room)
{
	READ(__read_chk(fd, to, size, room), was_read(fd, to, got, since));
}

EXPORT ssize_t readv(int fd, const struct iovec *to, int count)
{
	READ(readv(fd, to, count),
	     requests_read(fd, to, (size_t)count, (size_t)got, since));
}

/* What is only peeked at will be read again. */
EXPORT ssize_t recv(int fd, void *to, size_t size, int flags)
{
	READ(recv(fd, to, size, flags),
	     if (!(flags & MSG_PEEK)) was_read(fd, to, got, since));
}

EXPORT ssize_t __recv_chk(int fd, void *to, size_t size, size_t room, int flags)
{
	READ(__recv_chk(fd, to, size, room, flags),
	     if (!(flags & MSG_PEEK)) was_read(fd, to, got, since));
}

EXPORT ssize_t recvfrom(int fd, void *to, size_t size, int flags,
			struct sockaddr *from, socklen_t *from_size)
{
	READ(recvfrom(fd, to, size, flags, from, from_size),
	     if (!(flags & MSG_PEEK)) was_read(fd, to, got, since));
}

EXPORT ssize_t __recvfrom_chk(int fd, void *to, size_t size, size_t room,
			      int flags, struct sockaddr *from,
			      socklen_t *from_size)
{
	READ(__recvfrom_chk(fd, to, size, room, flags, from, from_size),
	     if (!(flags & MSG_PEEK)) was_read(fd, to, got, since));
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	READ(recvmsg(fd, m, flags),
	     if (!(flags & MSG_PEEK))
		     requests_read(fd, m->msg_iov, m->msg_iovlen, (size_t)got,
				   since));
}
#undef READ

#define WRITE(call, told)                    \
	const struct io *f = real_io();      \
	uint64_t since;                      \
	ssize_t put;                         \
                                             \
	if (likely(!requests_may_write(fd))) \
		return f->call;              \
	since = ticks_now();                 \
	put = f->call;                       \
	if (put > 0)                         \
		told;                        \
	return put

EXPORT ssize_t write(int fd, const void *from, size_t size)
{
	WRITE(write(fd, from, size), was_written(fd, from, put, since));
}

EXPORT ssize_t writev(int fd, const struct iovec *from, int count)
{
	WRITE(writev(fd, from, count),
	      requests_written(fd, from, (size_t)count, (size_t)put, since));
}

EXPORT ssize_t send(int fd, const void *from, size_t size, int flags)
{
	WRITE(send(fd, from, size, flags), was_written(fd, from, put, since));
}

EXPORT ssize_t sendto(int fd, const void *from, size_t size, int flags,
		      const struct sockaddr *to, socklen_t to_size)
{
	WRITE(sendto(fd, from, size, flags, to, to_size),
	      was_written(fd, from, put, since));
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	WRITE(sendmsg(fd, m, flags),
	      requests_written(fd, m->msg_iov, m->msg_iovlen, (size_t)put,
			       since));
}

EXPORT ssize_t sendfile(int fd, int from, off_t *offset, size_t size)
{
	WRITE(sendfile(fd, from, offset, size),
	      requests_written(fd, NULL, 0, (size_t)put, since));
}

EXPORT ssize_t sendfile64(int fd, int from, off_t *offset, size_t size)
	__attribute__((alias("sendfile")));
#undef WRITE

EXPORT int accept(int listener, struct sockaddr *from, socklen_t *from_size)
{
	int fd = real_io()->accept(listener, from, from_size);

	if (fd >= 0)
		requests_accepted(fd);
	return opener_opened(fd);
}

EXPORT int accept4(int listener, struct sockaddr *from, socklen_t *from_size,
		   int flags)
{
	int fd = real_io()->accept4(listener, from, from_size, flags);

	if (fd >= 0)
		requests_accepted(fd);
	return opener_opened(fd);
}

EXPORT int shutdown(int fd, int how)
{
	const struct io *f = real_io();

	if (how != SHUT_RD)
		requests_shut(fd);
	return f->shutdown(fd, how);
}

/*
 * A wait on connections that are served, or by a thread that serves none, is
 * an event loop's; one on nothing but the connection of the request at hand
 * is that request's (a thread to each connection, a slow client); a handler
 * that waits for others (a data base, a pipe) is at its request, too.
 */
static enum requests_waiting who_polls(const struct pollfd *fds, nfds_t count)
{
	if (!self.context.key)
		return REQUESTS_LOOP;
	if (count == 1 && requests_is_at(fds[0].fd))
		return REQUESTS_OWN;
	for (nfds_t i = 0; i < count; i++)
		if (fds[i].fd >= 0 && requests_is_served(fds[i].fd))
			return REQUESTS_LOOP;
	return REQUESTS_OTHERS;
}

static enum requests_waiting who_selects(int end, const fd_set *a,
					 const fd_set *b)
{
	int count = 0, last = -1;
	bool served = false;

	if (!self.context.key)
		return REQUESTS_LOOP;
	for (int fd = 0; fd < end; fd++) {
		if (!(a && FD_ISSET(fd, a)) && !(b && FD_ISSET(fd, b)))
			continue;
		count++;
		last = fd;
		served |= requests_is_served(fd);
	}
	if (count == 1 && requests_is_at(last))
		return REQUESTS_OWN;
	return served ? REQUESTS_LOOP : REQUESTS_OTHERS;
}

#define WAIT_ON(epoll, call, who)            \
	const struct io *f = real_io();      \
	enum requests_waiting waits;         \
	uint64_t since;                      \
	int n;                               \
                                             \
	if (unlikely(!requests.fds))         \
		return f->call;              \
	waits = who;                         \
	since = requests_wait(waits);        \
	n = f->call;                         \
	requests_ready(waits, epoll, since); \
	return n
#define WAIT(call, who) WAIT_ON(-1, call, who)

EXPORT int poll(struct pollfd *fds, nfds_t count, int ms)
{
	WAIT(poll(fds, count, ms), who_polls(fds, count));
}

EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t room)
{
	WAIT(__poll_chk(fds, count, ms, room), who_polls(fds, count));
}

EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *time,
		 const sigset_t *mask)
{
	WAIT(ppoll(fds, count, time, mask), who_polls(fds, count));
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count,
		       const struct timespec *time, const sigset_t *mask,
		       size_t room)
{
	WAIT(__ppoll_chk(fds, count, time, mask, room), who_polls(fds, count));
}

EXPORT int select(int end, fd_set *in, fd_set *out, fd_set *other,
		  struct timeval *time)
{
	WAIT(select(end, in, out, other, time), who_selects(end, in, out));
}

EXPORT int pselect(int end, fd_set *in, fd_set *out, fd_set *other,
		   const struct timespec *time, const sigset_t *mask)
{
	WAIT(pselect(end, in, out, other, time, mask),
	     who_selects(end, in, out));
}

EXPORT int epoll_wait(int fd, struct epoll_event *events, int max, int ms)
{
	WAIT_ON(fd, epoll_wait(fd, events, max, ms), REQUESTS_LOOP);
}

EXPORT int epoll_pwait(int fd, struct epoll_event *events, int max, int ms,
		       const sigset_t *mask)
{
	WAIT_ON(fd, epoll_pwait(fd, events, max, ms, mask), REQUESTS_LOOP);
}
