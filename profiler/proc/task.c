/*
 * task: reads a thread's files in /proc and names its system call.
 */
#include "profiler/proc/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "profiler/base/buf.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/socket.h"

enum waits { /* what a system call waits for */
	     WAITS_LOCK,
	     WAITS_EVENTS, /* the first argument is an epoll */
	     WAITS_READY,  /* poll and select: descriptors in memory */
	     WAITS_DATA,   /* on the first argument */
	     WAITS_SPACE,
	     WAITS_CLIENT,
	     WAITS_TIMER,
	     WAITS_CHILD,
	     WAITS_SIGNAL,
	     WAITS_DISK,
	     WAITS_FILE_LOCK,
	     WAITS_OTHER,
};

static const struct call_name {
	long number;
	const char *name;
	enum waits waits;
} calls[] = {
	{ SYS_futex, "futex", WAITS_LOCK },
	{ SYS_epoll_wait, "epoll_wait", WAITS_EVENTS },
	{ SYS_epoll_pwait, "epoll_pwait", WAITS_EVENTS },
	{ 441, "epoll_pwait2", WAITS_EVENTS },
	{ SYS_poll, "poll", WAITS_READY },
	{ SYS_ppoll, "ppoll", WAITS_READY },
	{ SYS_select, "select", WAITS_READY },
	{ SYS_pselect6, "pselect6", WAITS_READY },
	{ SYS_read, "read", WAITS_DATA },
	{ SYS_readv, "readv", WAITS_DATA },
	{ SYS_pread64, "pread64", WAITS_DATA },
	{ SYS_recvfrom, "recvfrom", WAITS_DATA },
	{ SYS_recvmsg, "recvmsg", WAITS_DATA },
	{ SYS_recvmmsg, "recvmmsg", WAITS_DATA },
	{ SYS_write, "write", WAITS_SPACE },
	{ SYS_writev, "writev", WAITS_SPACE },
	{ SYS_pwrite64, "pwrite64", WAITS_SPACE },
	{ SYS_sendto, "sendto", WAITS_SPACE },
	{ SYS_sendmsg, "sendmsg", WAITS_SPACE },
	{ SYS_sendfile, "sendfile", WAITS_SPACE },
	{ SYS_accept, "accept", WAITS_CLIENT },
	{ SYS_accept4, "accept4", WAITS_CLIENT },
	{ SYS_connect, "connect", WAITS_OTHER },
	{ SYS_nanosleep, "nanosleep", WAITS_TIMER },
	{ SYS_clock_nanosleep, "clock_nanosleep", WAITS_TIMER },
	{ SYS_wait4, "wait4", WAITS_CHILD },
	{ SYS_waitid, "waitid", WAITS_CHILD },
	{ SYS_vfork, "vfork", WAITS_CHILD },
	{ SYS_pause, "pause", WAITS_SIGNAL },
	{ SYS_rt_sigsuspend, "rt_sigsuspend", WAITS_SIGNAL },
	{ SYS_rt_sigtimedwait, "rt_sigtimedwait", WAITS_SIGNAL },
	{ SYS_fsync, "fsync", WAITS_DISK },
	{ SYS_fdatasync, "fdatasync", WAITS_DISK },
	{ SYS_msync, "msync", WAITS_DISK },
	{ SYS_io_getevents, "io_getevents", WAITS_DISK },
	{ 426, "io_uring_enter", WAITS_OTHER },
	{ SYS_flock, "flock", WAITS_FILE_LOCK },
	{ SYS_fcntl, "fcntl", WAITS_FILE_LOCK },
	{ SYS_semop, "semop", WAITS_LOCK },
	{ SYS_semtimedop, "semtimedop", WAITS_LOCK },
	{ SYS_msgrcv, "msgrcv", WAITS_OTHER },
	{ SYS_msgsnd, "msgsnd", WAITS_OTHER },
	{ SYS_open, "open", WAITS_OTHER },
	{ SYS_openat, "openat", WAITS_OTHER },
	{ SYS_close, "close", WAITS_OTHER },
	{ SYS_mmap, "mmap", WAITS_OTHER },
	{ SYS_munmap, "munmap", WAITS_OTHER },
	{ SYS_mprotect, "mprotect", WAITS_OTHER },
	{ SYS_madvise, "madvise", WAITS_OTHER },
	{ SYS_exit_group, "exit_group", WAITS_OTHER },
};

static const struct call_name *find_call(long number)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == number)
			return &calls[i];
	return NULL;
}

const char *task_call_name(long number)
{
	const struct call_name *c = find_call(number);

	return c ? c->name : NULL;
}

/* The end of @at's next word as a number; NULL when it is none. */
static const char *number_at(const char *at, int base, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(at, &end, base);
	return errno || end == at ? NULL : end;
}

bool task_parse_syscall(const char *text, struct task *t)
{
	const char *at = text;
	uint64_t number;
	char *end;

	t->call.number = TASK_NO_CALL;
	t->sp = t->pc = 0;
	if (strncmp(text, "running", strlen("running")) == 0)
		return true;
	t->call.number = strtol(text, &end, 10);
	if (end == text)
		return false;
	at = end;
	for (int i = 0; i < 6 && t->call.number >= 0; i++)
		if (!(at = number_at(at, 16, &t->call.args[i])))
			return false;
	at = number_at(at, 16, &t->sp);
	at = at ? number_at(at, 16, &number) : NULL;
	if (!at)
		return false;
	t->pc = number;
	return true;
}

/* Text of a file of the thread without its newline, cut to fit. */
static void read_line(int dir, pid_t tid, const char *file, char *to,
		      size_t size)
{
	struct buf text = BUF_INIT;
	char name[64];

	to[0] = '\0';
	snprintf(name, sizeof(name), "task/%d/%s", (int)tid, file);
	if (procfs_read(dir, name, &text) == 0)
		snprintf(to, size, "%.*s", (int)strcspn(text.bytes, "\n"),
			 text.bytes);
	buf_free(&text);
}

int task_read(struct task *t, int dir, pid_t tid)
{
	struct procfs_stat stat;
	char line[1024];

	*t = (struct task) { .tid = tid, .call.number = TASK_NO_CALL };
	read_line(dir, tid, "stat", line, sizeof(line));
	if (!procfs_parse_stat(line, &stat))
		return -ESRCH;
	t->state = stat.state;
	t->user_ticks = stat.user_ticks;
	t->system_ticks = stat.system_ticks;
	read_line(dir, tid, "comm", t->name, sizeof(t->name));
	read_line(dir, tid, "wchan", t->wchan, sizeof(t->wchan));
	if (strcmp(t->wchan, "0") == 0)
		t->wchan[0] = '\0';
	read_line(dir, tid, "syscall", line, sizeof(line));
	if (!task_parse_syscall(line, t))
		t->call.number = TASK_NO_CALL;
	return 0;
}

static void put_descriptor(struct buf *out, uint64_t fd, int dir)
{
	char name[32], link[256];

	buf_printf(out, "fd %d", (int)fd);
	snprintf(name, sizeof(name), "fd/%d", (int)fd);
	if (dir < 0 || procfs_link(dir, name, link, sizeof(link)) < 0)
		return;
	buf_puts(out, ", ");
	if (!socket_describe(out, dir, link))
		buf_puts(out, link);
}

void task_describe_call(struct buf *out, const struct task_call *call, int dir)
{
	static const char *const words[] = {
		[WAITS_LOCK] = "a lock or condition",
		[WAITS_EVENTS] = "events",
		[WAITS_READY] = "descriptors",
		[WAITS_DATA] = "data on ",
		[WAITS_SPACE] = "room to write on ",
		[WAITS_CLIENT] = "a connection on ",
		[WAITS_TIMER] = "a timer",
		[WAITS_CHILD] = "a child process",
		[WAITS_SIGNAL] = "a signal",
		[WAITS_DISK] = "the disk",
		[WAITS_FILE_LOCK] = "a lock on ",
		[WAITS_OTHER] = "the kernel",
	};
	const struct call_name *c = find_call(call->number);

	if (!c) {
		buf_printf(out, "the kernel (system call %ld)", call->number);
		return;
	}
	buf_puts(out, words[c->waits]);
	if (words[c->waits][strlen(words[c->waits]) - 1] == ' ')
		put_descriptor(out, call->args[0], dir);
	buf_printf(out, " (%s)", c->name);
}
