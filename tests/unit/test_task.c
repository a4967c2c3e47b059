#include "profiler/proc/task.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/socket.h"

static struct task parsed(const char *text)
{
	struct task t = { 0 };

	cr_assert(task_parse_syscall(text, &t), "%s", text);
	return t;
}

static void describes(long number, uint64_t first, const char *expected)
{
	const struct task_call call = { number, { first } };
	struct buf out = BUF_INIT;

	task_describe_call(&out, &call, -1);
	cr_expect_str_eq(out.bytes, expected);
	buf_free(&out);
}

static void socket_is(const char *table, const char *text, uint64_t inode,
		      const char *expected)
{
	struct buf out = BUF_INIT;
	bool found;

	buf_puts(&out, "<");
	found = socket_find(&out, table, text, inode);
	cr_expect_eq(found, expected != NULL);
	cr_expect_str_eq(out.bytes + 1, expected ? expected : "");
	buf_free(&out);
}

Test(task, a_call_that_waits_has_number_arguments_and_pointers)
{
	struct task t = parsed("202 0x7f01 0x189 0x0 0x0 0x0 0xff "
			       "0x7ffc10 0x7f0099\n");

	cr_expect_eq(t.call.number, 202);
	cr_expect_eq(t.call.args[0], 0x7f01);
	cr_expect_eq(t.call.args[5], 0xff);
	cr_expect_eq(t.sp, 0x7ffc10);
	cr_expect_eq(t.pc, 0x7f0099);
}

Test(task, a_thread_stopped_outside_of_a_call_has_pointers_only)
{
	struct task t = parsed("-1 0x7ffc10 0x7f0099\n");

	cr_expect_eq(t.call.number, TASK_NO_CALL);
	cr_expect_eq(t.sp, 0x7ffc10);
}

Test(task, a_thread_that_runs_has_nothing)
{
	struct task t = parsed("running\n");

	cr_expect_eq(t.call.number, TASK_NO_CALL);
	cr_expect_eq(t.pc, 0);
}

Test(task, half_a_line_is_refused)
{
	struct task t;

	cr_expect_not(task_parse_syscall("", &t));
	cr_expect_not(task_parse_syscall("7 0x1 0x2", &t));
	cr_expect_not(task_parse_syscall("7 a b c d e f g h x", &t));
}

Test(task, this_thread_is_read_with_its_name)
{
	int dir = procfs_open("/proc", getpid());
	struct task t;

	cr_assert_eq(task_read(&t, dir, gettid()), 0);
	cr_expect_eq(t.state, 'R');
	cr_expect_neq(t.name[0], '\0');
	cr_expect_eq(task_read(&t, dir, 1 << 23), -ESRCH);
	close(dir);
}

Test(task, what_is_waited_for_is_told_in_words)
{
	describes(SYS_futex, 0x7f01, "a lock or condition (futex)");
	describes(SYS_recvfrom, 7, "data on fd 7 (recvfrom)");
	describes(SYS_epoll_wait, 5, "events (epoll_wait)");
	describes(999, 0, "the kernel (system call 999)");
}

#define TCP_HEAD "  sl  local_address rem_address st tx rx\n"

Test(socket, a_connection_is_told_by_both_ends)
{
	socket_is("tcp",
		  TCP_HEAD
		  "   0: 0100007F:CB9E 0900000A:1538 01 "
		  "00000000:00000000 00:00000000 00000000     0        "
		  "0 4711 1 0000000041558bcf 100 0 0 10 0\n",
		  4711, "tcp 127.0.0.1:52126 to 10.0.0.9:5432");
}

Test(socket, a_listener_is_told_by_its_port)
{
	socket_is("tcp6",
		  TCP_HEAD
		  "   0: 00000000000000000000000000000000:1F40 "
		  "00000000000000000000000000000000:0000 0A "
		  "00000000:00000000 00:00000000 00000000     0        "
		  "0 12 1 0000000041558bcf 100 0 0 10 0\n",
		  12, "tcp listening on [::]:8000");
}

Test(socket, a_unix_socket_is_told_by_its_path)
{
	const char *text = "Num RefCount Protocol Flags Type St Inode Path\n"
			   "00: 00000003 00000000 00000000 0001 03  1146\n"
			   "00: 00000002 00000000 00010000 0001 01  1147 "
			   "/run/x.sock\n";

	socket_is("unix", text, 1146, "unix socket");
	socket_is("unix", text, 1147, "unix socket /run/x.sock");
}

Test(socket, an_inode_of_no_line_and_a_broken_line_give_nothing)
{
	socket_is("tcp", TCP_HEAD, 1, NULL);
	socket_is("tcp", "0: xyz 0 01 0 0 0 0 0 77 1\n", 77, NULL);
}
