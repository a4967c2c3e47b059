/*
 * descriptors: the one that the shim keeps open, and how it stays so.
 *
 * A recording grows by its file's descriptor: after chroot() or a change of
 * user the file could not be opened again.  So a server that closes "all"
 * descriptors must not close this one: close() and its kin leave it open and
 * answer as if it were not there.  What goes past libc (a raw system call) is
 * found out at the next slab, and the file opened again by its name, where
 * that still works.
 *
 * It stands above the soft limit on descriptors where the hard one leaves
 * room: there it takes none from the server, and loops over all numbers do
 * not meet it.  There is no descriptor of the directory, which would be a way
 * out of a chroot.
 */
#include <errno.h>
#include <unistd.h>

#include "preload/internal.h"
#include "preload/openers.h"
#include "preload/real.h"
#include "preload/requests.h"
#include "preload/sys.h"

#define FIRST_FD 200 /* where servers do not expect a neighbour */
/* The kernel's table grows with the highest number, and fork copies it. */
#define HIGHEST_FD 4096

static uint64_t file_dev, file_ino; /* what shim.fd must be; set in begin */

bool descriptor_is_file(int fd)
{
	struct stat sb;

	return fd >= 0 && sys_fstat(fd, &sb) == 0 && sb.st_dev == file_dev &&
	       sb.st_ino == file_ino;
}

static int duplicate(int fd, uint64_t lowest)
{
	return sys_fcntl(fd, F_DUPFD_CLOEXEC, (long)lowest);
}

/*
 * A copy of @fd above the soft limit, which is raised for that moment; below
 * it where the hard one is as low.  -errno when there is no room at all.
 */
static int duplicate_high(int fd)
{
	struct sys_limit limit, more;
	int high = -EMFILE;

	if (sys_limit(RLIMIT_NOFILE, NULL, &limit) < 0)
		return duplicate(fd, FIRST_FD);
	more = limit;
	more.soft = limit.hard - limit.soft > 64 ? limit.soft + 64 : limit.hard;
	if (limit.soft <= HIGHEST_FD && limit.soft < limit.hard &&
	    sys_limit(RLIMIT_NOFILE, &more, NULL) == 0) {
		high = duplicate(fd, limit.soft);
		sys_limit(RLIMIT_NOFILE, &limit, NULL);
	}
	if (high < 0)
		high = duplicate(fd, FIRST_FD);
	for (uint64_t n = FIRST_FD; high < 0 && n > 3; n--)
		high = duplicate(fd, n - 1);
	return high;
}

/*
 * Open a file even where the server has used up its descriptors: for a moment
 * there may be one more.
 */
int descriptor_open(const char *path, int flags, int mode)
{
	int fd = sys_open(path, flags, mode);
	struct sys_limit limit, more;

	if (fd != -EMFILE || sys_limit(RLIMIT_NOFILE, NULL, &limit) < 0 ||
	    limit.soft >= limit.hard)
		return fd;
	more = limit;
	more.soft++;
	if (sys_limit(RLIMIT_NOFILE, &more, NULL) < 0)
		return fd;
	fd = sys_open(path, flags, mode);
	sys_limit(RLIMIT_NOFILE, &limit, NULL);
	return fd;
}

/* @fd, moved out of the server's way. */
static int move_high(int fd)
{
	int high = duplicate_high(fd);

	if (high < 0)
		return fd;
	sys_close(fd);
	return high;
}

/*
 * As long as it is held there is a process that may write to the file: who
 * digests asks before it takes for complete what one that ended left.
 */
static void take_lock(int fd)
{
	struct flock first_byte = { .l_type = F_RDLCK, .l_len = 1 };

	sys_fcntl(fd, F_OFD_SETLK, (long)&first_byte);
}

int descriptor_begin(int fd)
{
	struct stat sb;

	if (sys_fstat(fd, &sb) < 0)
		return -1;
	file_dev = sb.st_dev;
	file_ino = sb.st_ino;
	take_lock(fd);
	__atomic_store_n(&shim.fd, move_high(fd), __ATOMIC_RELAXED);
	return 0;
}

void descriptor_forget(void)
{
	if (descriptor_is_file(shim.fd))
		sys_close(shim.fd);
	shim.fd = -1;
}

bool descriptor_ready(void)
{
	int lost = __atomic_load_n(&shim.fd, __ATOMIC_RELAXED), fd;

	if (likely(descriptor_is_file(lost)))
		return true;
	fd = descriptor_open(shim.path, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (!descriptor_is_file(fd)) {
		sys_close(fd);
		return false;
	}
	take_lock(fd);
	fd = move_high(fd);
	if (!__atomic_compare_exchange_n(&shim.fd, &lost, fd, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		sys_close(fd); /* another thread was faster */
	return true;
}

/* Is it ours?  Then the server must not know of it. */
static inline bool hidden(int fd)
{
	if (unlikely(!shim.started))
		shim_start();
	return unlikely(fd == __atomic_load_n(&shim.fd, __ATOMIC_RELAXED)) &&
	       descriptor_is_file(fd);
}

static int no_such_descriptor(void)
{
	errno = EBADF;
	return -1;
}

static int answer(long rc)
{
	if (rc >= 0)
		return (int)rc;
	errno = (int)-rc;
	return -1;
}

/* The server wants the number for itself. */
COLD static void make_way(int fd)
{
	int high = duplicate_high(fd);

	__atomic_store_n(&shim.fd, high < 0 ? -1 : high, __ATOMIC_RELAXED);
	sys_close(fd);
}

EXPORT int close(int fd)
{
	if (hidden(fd))
		return no_such_descriptor();
	opener_closing(fd);
	requests_closing(fd);
	return real.close(fd);
}

EXPORT int dup(int fd)
{
	if (hidden(fd))
		return no_such_descriptor();
	return opener_opened(real.dup(fd));
}

EXPORT int dup2(int from, int to)
{
	if (hidden(from))
		return no_such_descriptor();
	if (hidden(to))
		make_way(to);
	if (from == to)
		return real.dup2(from, to);
	opener_closing(to);
	requests_closing(to);
	return opener_opened(real.dup2(from, to));
}

EXPORT int dup3(int from, int to, int flags)
{
	if (from == to || (flags & ~O_CLOEXEC)) /* an error, and no more */
		return real.dup3(from, to, flags);
	if (hidden(from))
		return no_such_descriptor();
	if (hidden(to))
		make_way(to);
	opener_closing(to);
	requests_closing(to);
	return opener_opened(real.dup3(from, to, flags));
}

/* A libc older than 2.34 has none of its own. */
static int close_some(unsigned first, unsigned last, int flags)
{
	if (!(flags & CLOSE_RANGE_CLOEXEC))
		opener_closing_range(first, last);
	if (real.close_range)
		return real.close_range(first, last, flags);
	return answer(sys3(SYS_close_range, first, last, flags));
}

/* What lies to both sides of ours; CLOSE_RANGE_CLOEXEC is no exception. */
EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	int fd = __atomic_load_n(&shim.fd, __ATOMIC_RELAXED);
	unsigned ours = (unsigned)fd;

	if (first > last || fd < 0 || ours < first || ours > last ||
	    !hidden(fd))
		return close_some(first, last, flags);
	if (ours > first && close_some(first, ours - 1, flags) < 0)
		return -1;
	if (ours < last && close_some(ours + 1, last, flags) < 0)
		return -1;
	return 0;
}

static void close_each(unsigned first, unsigned end)
{
	for (; first < end; first++)
		sys_close((int)first);
}

/*
 * Where the kernel has no close_range (before 5.9), one by one up to ours and,
 * above it, as far as the limit goes.
 */
EXPORT void closefrom(int lowest)
{
	unsigned first = lowest < 0 ? 0 : (unsigned)lowest;
	int fd = __atomic_load_n(&shim.fd, __ATOMIC_RELAXED);
	struct sys_limit limit = { .soft = FIRST_FD };

	opener_closing_range(first, ~0u);
	if (fd >= (int)first && hidden(fd)) {
		if ((int)first < fd &&
		    sys3(SYS_close_range, first, fd - 1, 0) < 0)
			close_each(first, (unsigned)fd);
		first = (unsigned)fd + 1;
	}
	if (real.closefrom) {
		real.closefrom((int)first);
	} else if (sys3(SYS_close_range, first, ~0u, 0) < 0) {
		sys_limit(RLIMIT_NOFILE, NULL, &limit);
		close_each(first, (unsigned)limit.soft);
	}
}
