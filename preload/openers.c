/*
 * openers: see openers.h; and the hooks of the calls that open descriptors
 * (accept and its kin are in sockets.c, dup and close in descriptors.c).
 *
 * The table is a word a descriptor, changed by atomic exchange: whoever closes
 * takes the charge, so a close that races with another opening of the number
 * charges the right one.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "preload/openers.h"
#include "preload/real.h"
#include "preload/requests.h"

#define FD_MAX 65536u

static struct openers {
	uint32_t node[FD_MAX]; /* of the stack that opened it; 0: unknown */
	uint32_t end;	       /* above all that are set */
} openers;

#define OPEN_FUNCTIONS(F)                                \
	F(int, open, (const char *, int, ...))           \
	F(int, open64, (const char *, int, ...))         \
	F(int, openat, (int, const char *, int, ...))    \
	F(int, openat64, (int, const char *, int, ...))  \
	F(int, __open_2, (const char *, int))            \
	F(int, __open64_2, (const char *, int))          \
	F(int, __openat_2, (int, const char *, int))     \
	F(int, __openat64_2, (int, const char *, int))   \
	F(int, creat, (const char *, mode_t))            \
	F(int, creat64, (const char *, mode_t))          \
	F(int, socket, (int, int, int))                  \
	F(int, socketpair, (int, int, int, int *))       \
	F(int, pipe, (int *))                            \
	F(int, pipe2, (int *, int))                      \
	F(int, eventfd, (unsigned, int))                 \
	F(int, epoll_create, (int))                      \
	F(int, epoll_create1, (int))                     \
	F(int, timerfd_create, (int, int))               \
	F(int, inotify_init, (void))                     \
	F(int, inotify_init1, (int))                     \
	F(int, memfd_create, (const char *, unsigned))   \
	F(FILE *, fopen, (const char *, const char *))   \
	F(FILE *, fopen64, (const char *, const char *)) \
	F(int, fclose, (FILE *))                         \
	F(DIR *, opendir, (const char *))                \
	F(int, closedir, (DIR *))                        \
	F(int, fileno_unlocked, (FILE *))                \
	F(int, dirfd, (DIR *))

static struct open_functions {
#define OPEN_MEMBER(type, name, params) type(*name) params;
	OPEN_FUNCTIONS(OPEN_MEMBER)
#undef OPEN_MEMBER
	bool ready;
} functions;

void openers_start(void)
{
#define LOOK_UP(type, name, params) functions.name = real_symbol(#name);
	OPEN_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
	functions.ready = true;
}

static inline const struct open_functions *f(void)
{
	if (unlikely(!functions.ready))
		shim_start();
	return &functions;
}

void openers_fork_child(void)
{
	for (uint32_t fd = 0; fd < openers.end; fd++)
		openers.node[fd] = 0;
	openers.end = 0;
}

/* One more or one less of those that the stack @node opened. */
static void put(struct thread_state *ts, uint32_t node, int64_t by)
{
	record_put_change(ts, RECORD_DESCRIPTOR, node, by);
}

__attribute__((used, visibility("hidden"))) int record_opened(
	int fd, size_t zero, unsigned zero2, const struct stack_regs *regs)
{
	struct thread_state *ts;
	uint32_t node, end = __atomic_load_n(&openers.end, __ATOMIC_RELAXED);

	(void)zero;
	(void)zero2;
	if ((unsigned)fd >= FD_MAX || record_in_vfork())
		return fd;
	ts = record_enter_wanted();
	if (!ts)
		return fd;
	while (end <= (unsigned)fd &&
	       !__atomic_compare_exchange_n(&openers.end, &end,
					    (uint32_t)fd + 1, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	node = nodes_of_stack(ts, regs);
	put(ts, node, 1);
	node = __atomic_exchange_n(&openers.node[fd], node, __ATOMIC_RELAXED);
	if (node) /* closed past libc */
		put(ts, node, -1);
	record_leave(ts);
	return fd;
}

void opener_closing(int fd)
{
	struct thread_state *ts;
	uint32_t node;

	if ((unsigned)fd >= FD_MAX ||
	    !__atomic_load_n(&openers.node[fd], __ATOMIC_RELAXED) ||
	    record_in_vfork())
		return;
	node = __atomic_exchange_n(&openers.node[fd], 0, __ATOMIC_RELAXED);
	ts = node ? record_enter_wanted() : NULL;
	if (!ts)
		return;
	put(ts, node, -1);
	record_leave(ts);
}

void opener_closing_range(unsigned first, unsigned last)
{
	uint32_t end = __atomic_load_n(&openers.end, __ATOMIC_RELAXED);

	for (unsigned fd = first; fd <= last && fd < end; fd++)
		opener_closing((int)fd);
}

/* The mode is there only where the flags ask for it; passing it on does no
 * harm. */
#define MODE(flags)                            \
	({                                     \
		va_list args;                  \
		mode_t mode;                   \
                                               \
		va_start(args, flags);         \
		mode = va_arg(args, unsigned); \
		va_end(args);                  \
		mode;                          \
	})

EXPORT int open(const char *path, int flags, ...)
{
	return opener_opened(f()->open(path, flags, MODE(flags)));
}

EXPORT int open64(const char *path, int flags, ...)
{
	return opener_opened(f()->open64(path, flags, MODE(flags)));
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
	return opener_opened(f()->openat(dir, path, flags, MODE(flags)));
}

EXPORT int openat64(int dir, const char *path, int flags, ...)
{
	return opener_opened(f()->openat64(dir, path, flags, MODE(flags)));
}

/* What the macros of _FORTIFY_SOURCE make of calls without a mode. */
EXPORT int __open_2(const char *path, int flags)
{
	return opener_opened(f()->__open_2(path, flags));
}

EXPORT int __open64_2(const char *path, int flags)
{
	return opener_opened(f()->__open64_2(path, flags));
}

EXPORT int __openat_2(int dir, const char *path, int flags)
{
	return opener_opened(f()->__openat_2(dir, path, flags));
}

EXPORT int __openat64_2(int dir, const char *path, int flags)
{
	return opener_opened(f()->__openat64_2(dir, path, flags));
}

EXPORT int creat(const char *path, mode_t mode)
{
	return opener_opened(f()->creat(path, mode));
}

EXPORT int creat64(const char *path, mode_t mode)
{
	return opener_opened(f()->creat64(path, mode));
}

EXPORT int socket(int domain, int type, int protocol)
{
	return opener_opened(f()->socket(domain, type, protocol));
}

/* Two at once: the first call is an ordinary one, and its stack has our frame
 * for its innermost. */
static inline __attribute__((always_inline)) int both_opened(int rc,
							     const int *fds)
{
	if (rc < 0)
		return rc;
	opener_opened(fds[0]);
	opener_opened(fds[1]);
	return rc;
}

EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
	return both_opened(f()->socketpair(domain, type, protocol, fds), fds);
}

EXPORT int pipe(int fds[2])
{
	return both_opened(f()->pipe(fds), fds);
}

EXPORT int pipe2(int fds[2], int flags)
{
	return both_opened(f()->pipe2(fds, flags), fds);
}

EXPORT int eventfd(unsigned initial, int flags)
{
	return opener_opened(f()->eventfd(initial, flags));
}

EXPORT int epoll_create(int size)
{
	return opener_opened(f()->epoll_create(size));
}

EXPORT int epoll_create1(int flags)
{
	return opener_opened(f()->epoll_create1(flags));
}

EXPORT int timerfd_create(int clock, int flags)
{
	return opener_opened(f()->timerfd_create(clock, flags));
}

EXPORT int inotify_init(void)
{
	return opener_opened(f()->inotify_init());
}

EXPORT int inotify_init1(int flags)
{
	return opener_opened(f()->inotify_init1(flags));
}

EXPORT int memfd_create(const char *name, unsigned flags)
{
	return opener_opened(f()->memfd_create(name, flags));
}

/* libc opens and closes these inside, past close(). */
EXPORT FILE *fopen(const char *path, const char *mode)
{
	FILE *file = f()->fopen(path, mode);

	if (file)
		opener_opened(f()->fileno_unlocked(file));
	return file;
}

EXPORT FILE *fopen64(const char *path, const char *mode)
{
	FILE *file = f()->fopen64(path, mode);

	if (file)
		opener_opened(f()->fileno_unlocked(file));
	return file;
}

EXPORT int fclose(FILE *file)
{
	int fd = f()->fileno_unlocked(file);

	if (fd >= 0) {
		opener_closing(fd);
		requests_closing(fd);
	}
	return f()->fclose(file);
}

EXPORT DIR *opendir(const char *path)
{
	DIR *dir = f()->opendir(path);

	if (dir)
		opener_opened(f()->dirfd(dir));
	return dir;
}

EXPORT int closedir(DIR *dir)
{
	DIR *at = dir;

	/* NULL is an error and no more, whatever the header promises. */
	__asm__("" : "+r"(at));
	if (at)
		opener_closing(f()->dirfd(at));
	return f()->closedir(dir);
}
