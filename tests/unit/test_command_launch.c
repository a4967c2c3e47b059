#include "profiler/cmd/launch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profiler/base/err.h"

static const struct launch plain = {
	.library = "/lib/libstrandline.so",
	.dir = "/r.strand",
	.max_bytes = 1048576,
	.follow = true,
};

static const char *value_of(char **environment, const char *name)
{
	const char *value = NULL;
	size_t len = strlen(name);

	for (; *environment; environment++) {
		if (strncmp(*environment, name, len) ||
		    (*environment)[len] != '=')
			continue;
		cr_assert_null(value, "%s is there twice", name);
		value = *environment + len + 1;
	}
	return value;
}

static char **environment_of(const struct launch *l, char *const *before)
{
	char **environment = launch_environment(l, before);

	cr_assert_not_null(environment);
	return environment;
}

static char *const none[] = { NULL };

Test(launch, tells_the_shim_what_to_do)
{
	char **e = environment_of(&plain, none);

	cr_assert_str_eq(value_of(e, "LD_PRELOAD"), "/lib/libstrandline.so");
	cr_assert_str_eq(value_of(e, "STRANDLINE_DIR"), "/r.strand");
	cr_assert_str_eq(value_of(e, "STRANDLINE_MODE"), "sample");
	cr_assert_str_eq(value_of(e, "STRANDLINE_RATE"), "auto");
	cr_assert_str_eq(value_of(e, "STRANDLINE_MAX_BYTES"), "1048576");
	cr_assert_str_eq(value_of(e, "STRANDLINE_FOLLOW"), "1");
	launch_free_environment(e);
}

Test(launch, has_other_modes_and_rates)
{
	struct launch l = plain;
	char **e;

	l.exact = true;
	l.mean_bytes = 65536;
	l.follow = false;
	e = environment_of(&l, none);
	cr_assert_str_eq(value_of(e, "STRANDLINE_MODE"), "exact");
	cr_assert_str_eq(value_of(e, "STRANDLINE_RATE"), "65536");
	cr_assert_str_eq(value_of(e, "STRANDLINE_FOLLOW"), "0");
	launch_free_environment(e);
}

Test(launch, tells_the_shim_of_routes_a_line_for_each)
{
	static const char *const routes[] = { "/users/{id}", "GET /a" };
	struct launch l = plain;
	char **e = environment_of(&l, none);

	cr_assert_null(value_of(e, "STRANDLINE_ROUTES"));
	launch_free_environment(e);
	l.http = true;
	l.routes = routes;
	l.route_count = 2;
	e = environment_of(&l, none);
	cr_assert_str_eq(value_of(e, "STRANDLINE_HTTP"), "1");
	cr_assert_str_eq(value_of(e, "STRANDLINE_ROUTES"),
			 "/users/{id}\nGET /a");
	launch_free_environment(e);
}

Test(launch, keeps_what_is_preloaded_already)
{
	char *const before[] = { "LD_PRELOAD=/lib/libjemalloc.so.2", NULL };
	char **e = environment_of(&plain, before);

	cr_assert_str_eq(value_of(e, "LD_PRELOAD"),
			 "/lib/libstrandline.so:/lib/libjemalloc.so.2");
	launch_free_environment(e);
}

Test(launch, an_allocator_that_is_chosen_takes_the_place_of_others)
{
	char *const before[] = {
		"LD_PRELOAD=/lib/libtcmalloc.so.4 /lib/libfoo.so", NULL
	};
	struct launch l = plain;
	char **e;

	l.allocator = (struct allocator) { true, "/lib/libjemalloc.so.2" };
	e = environment_of(&l, before);
	cr_assert_str_eq(value_of(e, "LD_PRELOAD"),
			 "/lib/libstrandline.so:/lib/libjemalloc.so.2:"
			 "/lib/libfoo.so");
	launch_free_environment(e);
	l.allocator.path[0] = '\0'; /* glibc */
	e = environment_of(&l, before);
	cr_assert_str_eq(value_of(e, "LD_PRELOAD"),
			 "/lib/libstrandline.so:/lib/libfoo.so");
	launch_free_environment(e);
}

Test(launch, takes_the_place_of_older_settings)
{
	char *const before[] = { "STRANDLINE=off", "STRANDLINE_DIR=/old",
				 "STRANDLINE_SEED=7", "HOME=/root", NULL };
	char **e = environment_of(&plain, before);

	cr_assert_null(value_of(e, "STRANDLINE"));
	cr_assert_str_eq(value_of(e, "STRANDLINE_DIR"), "/r.strand");
	cr_assert_str_eq(value_of(e, "STRANDLINE_SEED"), "7");
	cr_assert_str_eq(value_of(e, "HOME"), "/root");
	launch_free_environment(e);
}

/* Its exit status when started by way of a launch. */
static int run(const char *path, char *const *argv, char *const *before)
{
	struct launch l = plain;
	struct err err = ERR_INIT;
	sigset_t mask;
	int status;
	pid_t pid;

	sigemptyset(&mask);
	l.path = path;
	l.argv = argv;
	l.mask = &mask;
	l.library = ""; /* nothing is preloaded: an empty name is no name */
	cr_assert_eq(launch_start(&l, before, &pid, &err), 0, "%s", err.text);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

Test(launch, tells_the_process_its_own_number)
{
	char *const argv[] = { "sh", "-c",
			       "test $STRANDLINE_PID = $$ && "
			       "exit 9",
			       NULL };

	cr_assert_eq(run("/bin/sh", argv, none), 9);
}

Test(launch, hands_down_the_environment)
{
	char *const argv[] = { "sh", "-c", "exit $CODE", NULL };
	char *const before[] = { "CODE=11", NULL };

	cr_assert_eq(run("/bin/sh", argv, before), 11);
}

Test(launch, a_text_without_an_interpreter_goes_to_the_shell)
{
	char path[] = "/tmp/strandline-launch-XXXXXX";
	char *const argv[] = { "script", "13", NULL };
	int fd = mkstemp(path);

	cr_assert_eq(write(fd, "exit $1\n", 8), 8);
	fchmod(fd, 0700);
	close(fd);
	cr_assert_eq(run(path, argv, none), 13);
	unlink(path);
}

Test(launch, an_exec_that_fails_is_told)
{
	char *const argv[] = { "x", NULL };
	struct launch l = plain;
	struct err err = ERR_INIT;
	sigset_t mask;
	pid_t pid;

	sigemptyset(&mask);
	l.path = "/nonexistent/x";
	l.argv = argv;
	l.mask = &mask;
	cr_assert_eq(launch_start(&l, none, &pid, &err), -ENOENT);
	cr_assert_str_eq(err.text, "cannot run /nonexistent/x: No such file or "
				   "directory");
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}
