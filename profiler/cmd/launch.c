/*
 * launch: start a command with the shim in it.
 */
#include "profiler/cmd/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"

#define PID_NAME "STRANDLINE_PID="

struct environment {
	VEC(char *) words;
	bool failed;
};

__attribute__((format(printf, 2, 3))) static void put(struct environment *e,
						      const char *fmt, ...)
{
	char **slot = vec_push(&e->words);
	va_list ap;

	if (!slot) {
		e->failed = true;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(slot, fmt, ap) < 0) {
		*slot = NULL;
		e->failed = true;
	}
	va_end(ap);
}

static void put_routes(struct environment *e, const struct launch *l)
{
	struct buf lines = BUF_INIT;

	for (size_t i = 0; i < l->route_count; i++)
		buf_printf(&lines, "%s%s", i ? "\n" : "", l->routes[i]);
	if (buf_status(&lines) < 0)
		e->failed = true;
	else if (lines.len)
		put(e, "STRANDLINE_ROUTES=%s", lines.bytes);
	buf_free(&lines);
}

/* Words that would speak against what we set. */
static bool is_ours(const char *word)
{
	static const char *const names[] = {
		"LD_PRELOAD=",	      "STRANDLINE=",
		"STRANDLINE_DIR=",    "STRANDLINE_MODE=",
		"STRANDLINE_RATE=",   PID_NAME,
		"STRANDLINE_FOLLOW=", "STRANDLINE_MAX_BYTES=",
		"STRANDLINE_HTTP=",   "STRANDLINE_ROUTES=",
		"STRANDLINE_PYTHON=", "STRANDLINE_PYTHON_OBJECTS=",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(word, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static const char *value_of(char *const *environment, const char *name)
{
	size_t len = strlen(name);

	for (; *environment; environment++)
		if (!strncmp(*environment, name, len) &&
		    (*environment)[len] == '=')
			return *environment + len + 1;
	return NULL;
}

void launch_free_environment(char **environment)
{
	for (char **word = environment; word && *word; word++)
		free(*word);
	free(environment);
}

/*
 * The recorder, the allocator that was chosen, and what the user preloads;
 * less other allocators when one was chosen.
 */
static void put_preload(struct environment *e, const struct launch *l,
			const char *theirs)
{
	struct buf words = BUF_INIT;
	char *copy = strdup(theirs ? theirs : ""), *at = copy, *word;

	buf_puts(&words, l->library);
	if (l->allocator.path[0])
		buf_printf(&words, ":%s", l->allocator.path);
	while (at && (word = strsep(&at, ": "))) /* ld.so parts at both */
		if (*word && !(l->allocator.chosen && allocator_is_one(word)))
			buf_printf(&words, ":%s", word);
	if (copy && !words.failed)
		put(e, "LD_PRELOAD=%s", words.bytes);
	else
		e->failed = true;
	free(copy);
	buf_free(&words);
}

char **launch_environment(const struct launch *l, char *const *environment)
{
	struct environment e = { VEC_INIT, false };

	put(&e, PID_NAME "%10s", ""); /* filled in by the child */
	put_preload(&e, l, value_of(environment, "LD_PRELOAD"));
	put(&e, "STRANDLINE_DIR=%s", l->dir);
	put(&e, "STRANDLINE_MODE=%s", l->exact ? "exact" : "sample");
	if (l->mean_bytes)
		put(&e, "STRANDLINE_RATE=%llu",
		    (unsigned long long)l->mean_bytes);
	else
		put(&e, "STRANDLINE_RATE=auto");
	put(&e, "STRANDLINE_MAX_BYTES=%llu", (unsigned long long)l->max_bytes);
	put(&e, "STRANDLINE_FOLLOW=%d", l->follow);
	put(&e, "STRANDLINE_HTTP=%d", l->http);
	put(&e, "STRANDLINE_PYTHON=%d", l->python);
	put(&e, "STRANDLINE_PYTHON_OBJECTS=%d", l->python_objects);
	put_routes(&e, l);
	for (; *environment; environment++)
		if (!is_ours(*environment))
			put(&e, "%s", *environment);
	if (e.failed || !vec_push(&e.words)) { /* the NULL at the end */
		for (size_t i = 0; i < e.words.count; i++)
			free(e.words.at[i]);
		vec_free(&e.words);
		return NULL;
	}
	return e.words.at;
}

/* In the child, where only what a signal handler may call is safe. */
static void set_pid(char **environment)
{
	char *at = environment[0] + strlen(PID_NAME);
	unsigned pid = (unsigned)getpid();
	char digits[12];
	int n = 0;

	do
		digits[n++] = (char)('0' + pid % 10);
	while (pid /= 10);
	while (n > 0)
		*at++ = digits[--n];
	*at = '\0';
}

/* A text without #! is the shell's, as execvp() and every shell have it. */
static void exec_as_script(const struct launch *l, char **environment)
{
	const char *words[64] = { "/bin/sh", l->path };
	size_t n = 2;

	for (char *const *arg = l->argv + 1; *arg && n < 63; arg++)
		words[n++] = *arg;
	execve("/bin/sh", (char *const *)words, environment);
}

static void child(const struct launch *l, char **environment, int report)
{
	int code;

	set_pid(environment);
	sigprocmask(SIG_SETMASK, l->mask, NULL);
	execve(l->path, l->argv, environment);
	if (errno == ENOEXEC)
		exec_as_script(l, environment);
	code = errno;
	if (write(report, &code, sizeof(code)) < 0)
		_exit(126);
	_exit(127);
}

int launch_start(const struct launch *l, char *const *environment, pid_t *pid,
		 struct err *err)
{
	char **words = launch_environment(l, environment);
	int report[2], code, rc = 0;
	ssize_t n;

	if (!words)
		return err_set(err, -ENOMEM, "out of memory");
	if (pipe2(report, O_CLOEXEC) < 0) {
		rc = err_errno(err, "cannot start %s", l->path);
		goto free_words;
	}
	*pid = fork();
	if (*pid == 0)
		child(l, words, report[1]);
	close(report[1]);
	if (*pid < 0) {
		rc = err_errno(err, "cannot start %s", l->path);
	} else {
		do /* the pipe closes when the exec succeeds */
			n = read(report[0], &code, sizeof(code));
		while (n < 0 && errno == EINTR);
		if (n == (ssize_t)sizeof(code))
			rc = err_set(err, -code, "cannot run %s: %s", l->path,
				     strerror(code));
	}
	close(report[0]);
free_words:
	launch_free_environment(words);
	return rc;
}
