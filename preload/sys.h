/*
 * sys: the kernel calls the shim makes, straight to the kernel.
 *
 * Not through libc: a libc wrapper sets errno (the server's), may be a
 * cancellation point, and may be interposed by somebody else.  Each returns
 * the kernel's answer: >= 0, or -errno.
 */
#ifndef STRANDLINE_PRELOAD_SYS_H
#define STRANDLINE_PRELOAD_SYS_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	long answer;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(answer)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return answer;
}

static inline long sys3(long nr, long a, long b, long c)
{
	return sys6(nr, a, b, c, 0, 0, 0);
}

static inline int sys_open(const char *path, int flags, int mode)
{
	return (int)sys6(SYS_openat, AT_FDCWD, (long)path, flags, mode, 0, 0);
}

static inline int sys_close(int fd)
{
	return (int)sys3(SYS_close, fd, 0, 0);
}

static inline long sys_read(int fd, void *to, size_t size)
{
	return sys3(SYS_read, fd, (long)to, (long)size);
}

static inline int sys_fstat(int fd, struct stat *sb)
{
	return (int)sys3(SYS_fstat, fd, (long)sb, 0);
}

static inline int sys_stat(const char *path, struct stat *sb)
{
	return (int)sys3(SYS_stat, (long)path, (long)sb, 0);
}

static inline int sys_mkdir(const char *path, int mode)
{
	return (int)sys3(SYS_mkdir, (long)path, mode, 0);
}

static inline int sys_fcntl(int fd, int command, long arg)
{
	return (int)sys3(SYS_fcntl, fd, command, arg);
}

static inline int sys_fallocate(int fd, long offset, long size)
{
	return (int)sys6(SYS_fallocate, fd, 0, offset, size, 0, 0);
}

static inline long sys_pwrite(int fd, const void *from, size_t size, long at)
{
	return sys6(SYS_pwrite64, fd, (long)from, (long)size, at, 0, 0);
}

/* NULL when the kernel refuses. */
static inline void *sys_mmap(size_t size, int prot, int flags, int fd,
			     long offset)
{
	long at = sys6(SYS_mmap, 0, (long)size, prot, flags, fd, offset);

	return at < 0 && at > -4096 ? NULL : (void *)at;
}

static inline void sys_munmap(void *at, size_t size)
{
	sys3(SYS_munmap, (long)at, (long)size, 0);
}

static inline int sys_madvise(void *at, size_t size, int advice)
{
	return (int)sys3(SYS_madvise, (long)at, (long)size, advice);
}

struct sys_limit { /* as the kernel has it, which libc's need not be */
	uint64_t soft, hard;
};

/* Either of @set and @get may be NULL. */
static inline int sys_limit(int which, const struct sys_limit *set,
			    struct sys_limit *get)
{
	return (int)sys6(SYS_prlimit64, 0, which, (long)set, (long)get, 0, 0);
}

/* Growing a file beyond it raises SIGXFSZ. */
static inline uint64_t sys_file_size_limit(void)
{
	struct sys_limit limit;

	return sys_limit(RLIMIT_FSIZE, NULL, &limit) < 0 ? UINT64_MAX
							 : limit.soft;
}

static inline int sys_getpid(void)
{
	return (int)sys3(SYS_getpid, 0, 0, 0);
}

static inline int sys_gettid(void)
{
	return (int)sys3(SYS_gettid, 0, 0, 0);
}

static inline uint64_t sys_clock_ns(int clock)
{
	struct timespec ts = { 0 };

	sys3(SYS_clock_gettime, clock, (long)&ts, 0);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/*
 * Copy @size bytes of our own memory that may vanish while we read (a library
 * being unloaded).  The kernel copies, so a hole is an error and not SIGSEGV.
 */
static inline int sys_peek(void *to, uint64_t from, size_t size)
{
	struct iovec local = { to, size };
	struct iovec remote = { (void *)from, size };
	long got = sys6(SYS_process_vm_readv, sys_getpid(), (long)&local, 1,
			(long)&remote, 1, 0);

	return got == (long)size ? 0 : -1;
}

#endif
