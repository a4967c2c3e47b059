#include "profiler/cmd/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "profiler/attach/inject.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"

#define NOBODY	 0
#define TRIES	 10 /* a server can be where no thread may be borrowed */
#define PAUSE_NS 200000000L

struct guard {
	int pipe;
	pid_t pid;
};

struct watched {
	pid_t pid;
	int pidfd;
};

static bool has_ended(const struct watched *w)
{
	struct pollfd p = { .fd = w->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static void release(const struct watched *w, const struct buf *image)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct inject_result result;

	for (int i = 0; i < TRIES && !has_ended(w); i++) {
		struct err err = ERR_INIT;
		int rc = inject_detach(w->pid, w->pidfd, image, &result, &err);

		if (rc != -EBUSY)
			return;
		nanosleep(&pause, NULL);
	}
}

/* Returns the exit status. */
static int guard(int pipe, const struct buf *image)
{
	VEC(struct watched) all = VEC_INIT;
	struct watched *w;
	bool done = false;
	pid_t pid;

	while (!done && read(pipe, &pid, sizeof(pid)) == sizeof(pid)) {
		done = pid == NOBODY;
		w = done ? NULL : vec_push(&all);
		if (w)
			*w = (struct watched) {
				pid,
				(int)syscall(SYS_pidfd_open, pid, 0),
			};
	}
	vec_foreach (&all, w) {
		if (!done && w->pidfd >= 0)
			release(w, image);
	}
	vec_free(&all);
	return 0;
}

/* Away from the terminal, the group and the files of the other. */
static void stand_apart(int pipe)
{
	static const int ignored[] = { SIGINT,	SIGTERM, SIGHUP, SIGQUIT,
				       SIGPIPE, SIGUSR1, SIGUSR2 };

	setsid();
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "strandline-guard");
	if (pipe > 0)
		syscall(SYS_close_range, 0, pipe - 1, 0);
	syscall(SYS_close_range, pipe + 1, ~0u, 0);
}

int guard_start(struct guard **out, const struct buf *image, struct err *err)
{
	struct guard *g = calloc(1, sizeof(*g));
	int ends[2];

	*out = NULL;
	if (!g)
		return err_set(err, -ENOMEM, "out of memory");
	if (pipe2(ends, O_CLOEXEC) < 0) {
		free(g);
		return err_errno(err, "cannot guard the server");
	}
	g->pid = fork();
	if (g->pid == 0) {
		stand_apart(ends[0]);
		_exit(guard(ends[0], image));
	}
	close(ends[0]);
	g->pipe = ends[1];
	if (g->pid < 0) {
		int rc = err_errno(err, "cannot guard the server");

		close(g->pipe);
		free(g);
		return rc;
	}
	*out = g;
	return 0;
}

void guard_watch(struct guard *g, pid_t pid)
{
	if (g && write(g->pipe, &pid, sizeof(pid)) < 0)
		g->pid += 0; /* it was killed: the recorder looks for itself */
}

void guard_stop(struct guard *g)
{
	if (!g)
		return;
	guard_watch(g, NOBODY);
	close(g->pipe);
	waitpid(g->pid, NULL, 0);
	free(g);
}
