#include "profiler/cmd/top_recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/cmd/recording.h"

#define NAMES_MOST 1000

struct top_recorder {
	pid_t child; /* 0: it has ended */
	int said;    /* what it writes to standard error */
	int status;
	char dir[PATH_MAX];
	char why[480]; /* its last sentence */
};

/* Here where one may write, else where everybody may. */
static int choose_dir(char dir[PATH_MAX], pid_t pid, struct err *err)
{
	const char *where = access(".", W_OK) == 0 ? "." : "/tmp";
	struct stat sb;

	for (int n = 1; n < NAMES_MOST; n++) {
		snprintf(dir, PATH_MAX, "%s/top-%d-%d.strand", where, (int)pid,
			 n);
		if (lstat(dir, &sb) < 0 && errno == ENOENT)
			return 0;
	}
	return err_set(err, -EEXIST, "there are %d recordings of it already",
		       NAMES_MOST);
}

/* In the child: only what is safe after a fork of a process with threads. */
static void become(const char *pid, const char *dir, int said, pid_t parent)
{
	const char *const words[] = { "strandline", "attach",  pid, "-o",
				      dir,	    "--quiet", NULL };
	int nothing = open("/dev/null", O_RDWR);
	sigset_t none;

	/* Should top die, leave as for Ctrl-C. */
	prctl(PR_SET_PDEATHSIG, SIGINT);
	if (getppid() != parent || nothing < 0)
		_exit(1);
	setpgid(0, 0); /* Ctrl-C is top's */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(nothing, STDIN_FILENO);
	dup2(nothing, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	execv("/proc/self/exe", (char **)words);
	_exit(1);
}

int top_recorder_start(struct top_recorder **out, pid_t pid, struct err *err)
{
	struct top_recorder *r = calloc(1, sizeof(*r));
	pid_t parent = getpid();
	char number[16];
	int ends[2], rc;

	*out = NULL;
	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	rc = choose_dir(r->dir, pid, err);
	if (rc < 0)
		goto free_recorder;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		rc = err_errno(err, "cannot attach");
		goto free_recorder;
	}
	snprintf(number, sizeof(number), "%d", (int)pid);
	r->child = fork();
	if (r->child == 0)
		become(number, r->dir, ends[1], parent);
	close(ends[1]);
	r->said = ends[0];
	if (r->child < 0) {
		rc = err_errno(err, "cannot attach");
		close(ends[0]);
		goto free_recorder;
	}
	*out = r;
	return 0;

free_recorder:
	free(r);
	return rc;
}

bool top_recorder_ready(const struct top_recorder *r)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/host.slabs", r->dir);
	return access(path, R_OK) == 0;
}

const char *top_recorder_dir(const struct top_recorder *r)
{
	return r->dir;
}

/* The last line of what it said, without who said it. */
static void listen(struct top_recorder *r)
{
	static const char who[] = "strandline: ";
	char text[1024], *line;
	ssize_t n = read(r->said, text, sizeof(text) - 1);

	if (n <= 0)
		return;
	text[n] = '\0';
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (strncmp(line, who, strlen(who)) == 0)
		line += strlen(who);
	snprintf(r->why, sizeof(r->why), "%.470s", line);
}

static void note_end(struct top_recorder *r, int status)
{
	r->child = 0;
	r->status = status;
	listen(r);
}

static bool failed(const struct top_recorder *r)
{
	return !WIFEXITED(r->status) || WEXITSTATUS(r->status) != 0;
}

static int tell(const struct top_recorder *r, struct err *err)
{
	if (!failed(r))
		return 0;
	return err_set(err, -EIO, "%s",
		       r->why[0] ? r->why : "strandline attach failed");
}

bool top_recorder_ended(struct top_recorder *r, struct err *why)
{
	int status;

	if (r->child && waitpid(r->child, &status, WNOHANG) == r->child)
		note_end(r, status);
	if (r->child)
		return false;
	tell(r, why);
	return true;
}

int top_recorder_stop(struct top_recorder *r, struct err *err)
{
	int status = 0;

	if (r->child) {
		kill(r->child, SIGINT);
		while (waitpid(r->child, &status, 0) < 0 && errno == EINTR)
			;
		note_end(r, status);
	}
	return tell(r, err);
}

void top_recorder_free(struct top_recorder *r)
{
	if (!r)
		return;
	close(r->said);
	free(r);
}
