/*
 * Which processes may be attached to.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/cmd/admit.h"

static int admit_pid(pid_t pid, struct admitted *process, struct err *err)
{
	char word[16];

	snprintf(word, sizeof(word), "%d", (int)pid);
	return admit(process, word, err);
}

static pid_t sleeper(void)
{
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	return child;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

Test(admit, a_process_of_ours_is_admitted_with_its_program)
{
	pid_t child = sleeper();
	struct err err = ERR_INIT;
	struct admitted process;

	cr_assert_eq(admit_pid(child, &process, &err), 0, "%s", err.text);
	cr_expect_eq(process.own_pid, child);
	cr_expect_not_null(strstr(process.exe, "unit_admit"));
	cr_expect(admitted_lives(&process));
	admitted_close(&process);
	end(child);
}

Test(admit, one_that_ends_afterwards_is_known_to_have_ended)
{
	pid_t child = sleeper();
	struct err err = ERR_INIT;
	struct admitted process;

	cr_assert_eq(admit_pid(child, &process, &err), 0, "%s", err.text);
	end(child);
	cr_expect_not(admitted_lives(&process));
	admitted_close(&process);
}

Test(admit, a_zombie_has_ended)
{
	pid_t child = fork();
	struct err err = ERR_INIT;
	struct admitted process;

	if (child == 0)
		_exit(0);
	waitid(P_PID, (id_t)child, &(siginfo_t) { 0 }, WEXITED | WNOWAIT);
	cr_expect_eq(admit_pid(child, &process, &err), -ESRCH);
	cr_expect_not_null(strstr(err.text, "has ended already"));
	waitpid(child, NULL, 0);
}

Test(admit, nobody_has_the_number_of_one_that_was_reaped)
{
	pid_t child = sleeper();
	struct err err = ERR_INIT;
	struct admitted process;

	end(child);
	cr_expect_eq(admit_pid(child, &process, &err), -ESRCH);
	cr_expect_not_null(strstr(err.text, "there is no process"));
}

Test(admit, a_thread_of_the_kernel_has_no_program)
{
	struct err err = ERR_INIT;
	struct admitted process;

	if (access("/proc/2/stat", F_OK) < 0)
		cr_skip_test("no thread of the kernel is seen here");
	cr_expect_eq(admit_pid(2, &process, &err), -ENOTSUP);
	cr_expect_not_null(strstr(err.text, "thread of the kernel"));
}

Test(admit, strandline_does_not_attach_to_itself)
{
	struct err err = ERR_INIT;
	struct admitted process;

	cr_expect_eq(admit_pid(getpid(), &process, &err), -ENOTSUP);
}

Test(admit, a_word_is_no_process)
{
	struct err err = ERR_INIT;
	struct admitted process;

	cr_expect_eq(admit(&process, "12x", &err), -EINVAL);
	cr_expect_eq(admit(&process, "", &err), -EINVAL);
	cr_expect_eq(admit(&process, "-1", &err), -EINVAL);
	cr_expect_eq(admit(&process, "99999999999999999999", &err), -EINVAL);
}

Test(admit, a_process_of_another_user_is_refused_with_its_name)
{
	struct err err = ERR_INIT;
	struct admitted process;

	if (geteuid() != 0 || setuid(65534) < 0)
		cr_skip_test("only root can become another user");
	cr_expect_eq(admit_pid(1, &process, &err), -EACCES);
	cr_expect_not_null(strstr(err.text, "it is root's"));
}
