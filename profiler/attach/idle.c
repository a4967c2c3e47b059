#include "profiler/attach/idle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profiler/attach/inject.h"
#include "profiler/attach/inject_settings.h"
#include "profiler/attach/loader.h"
#include "profiler/attach/tracee.h"
#include "profiler/attach/turn.h"
#include "profiler/base/err.h"
#include "profiler/wire/late.h"

#define STEP_NS 2000000L /* between two looks for an answer */

struct idle {
	pid_t pid;
	int mem;
	uint64_t at; /* of its struct late_control */
	struct late_control control;
	struct err *err;
};

static int get(struct idle *i)
{
	ssize_t n =
		pread(i->mem, &i->control,
		      offsetof(struct late_control, settings), (off_t)i->at);

	return n > 0 ? 0
		     : err_set(i->err, -ESRCH, "process %d has ended",
			       (int)i->pid);
}

static int put(struct idle *i, size_t offset, size_t size)
{
	const char *from = (const char *)&i->control + offset;

	if (pwrite(i->mem, from, size, (off_t)(i->at + offset)) ==
	    (ssize_t)size)
		return 0;
	return err_errno(i->err, "cannot write to the memory of process %d",
			 (int)i->pid);
}

static int find(struct idle *i, struct err *err)
{
	struct loader l;
	int rc = loader_read(&l, i->pid, 1, err);

	if (rc < 0)
		return rc;
	i->at = l.recorder.sent ? 0 : l.recorder.control;
	loader_free(&l);
	if (!i->at)
		return err_set(err, -ENOTSUP,
			       "process %d has no recorder that waits; start "
			       "it with STRANDLINE=idle and the recorder "
			       "preloaded",
			       (int)i->pid);
	return 0;
}

static bool has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&p, 1, 0) != 0;
}

static int idle_open(struct idle *i, pid_t pid, int process, struct err *err)
{
	char path[64];
	int rc;

	*i = (struct idle) { .pid = pid, .mem = -1, .err = err };
	rc = find(i, err);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	i->mem = open(path, O_RDWR | O_CLOEXEC);
	if (i->mem < 0)
		return err_errno(err, "cannot open %s", path);
	/* What was found and opened is who is meant, if that one lives now. */
	rc = has_ended(process)
		     ? err_set(err, -ESRCH, "process %d has ended", (int)pid)
		     : get(i);
	if (rc == 0 && i->control.state == LATE_NOT_IDLE)
		rc = err_set(err, -ENOTSUP,
			     "process %d records already, since its start",
			     (int)pid);
	return rc;
}

static void idle_close(struct idle *i)
{
	if (i->mem >= 0)
		close(i->mem);
}

/* To write wishes, with what others have wished for before. */
static int open_in_turn(struct idle *i, pid_t pid, int process, struct err *err)
{
	int rc = idle_open(i, pid, process, err);

	if (rc == 0)
		rc = turn_take(i->mem, pid, process, err);
	return rc < 0 ? rc : get(i);
}

/* The wish last: it is what is looked at. */
static int ask(struct idle *i, enum late_op op)
{
	const size_t wanted = offsetof(struct late_control, wanted);
	int rc;

	i->control.op = op;
	rc = put(i, offsetof(struct late_control, op), sizeof(i->control.op));
	if (rc == 0 && op == LATE_ATTACH)
		rc = put(i, offsetof(struct late_control, settings),
			 sizeof(i->control.settings));
	i->control.wanted++;
	return rc < 0 ? rc : put(i, wanted, sizeof(i->control.wanted));
}

static int await(struct idle *i, uint64_t patience_ns)
{
	const struct timespec step = { .tv_nsec = STEP_NS };
	uint64_t until = tracees_now_ns() + patience_ns;
	uint32_t wanted = i->control.wanted;

	while (get(i) == 0) {
		if (i->control.answered == wanted)
			return i->control.result;
		if (tracees_now_ns() > until)
			return -ETIMEDOUT;
		nanosleep(&step, NULL);
	}
	return -ESRCH;
}

int idle_check(pid_t pid, int process, struct err *err)
{
	struct idle i;
	int rc = idle_open(&i, pid, process, err);

	idle_close(&i);
	return rc;
}

int idle_attach(pid_t pid, const struct inject_settings *settings,
		uint64_t patience_ns, struct err *err)
{
	struct idle i;
	int rc = open_in_turn(&i, pid, settings->process, err);

	if (rc == 0 && i.control.state == LATE_RECORDING)
		rc = err_set(err, -EALREADY,
			     "process %d is being recorded already", (int)pid);
	if (rc == 0) {
		inject_settings_put(&i.control.settings, settings);
		rc = ask(&i, LATE_ATTACH);
	}
	if (rc == 0)
		rc = await(&i, patience_ns);
	idle_close(&i);
	if (rc < 0 && rc != -ETIMEDOUT && err && !err->text[0])
		err_set(err, rc, "the recorder in process %d cannot begin: %s",
			(int)pid, strerror(-rc));
	return rc;
}

int idle_detach(pid_t pid, int process, uint64_t patience_ns, struct err *err)
{
	struct idle i;
	int rc = open_in_turn(&i, pid, process, err);

	if (rc == 0)
		rc = ask(&i, LATE_DETACH);
	if (rc == 0)
		rc = await(&i, patience_ns);
	idle_close(&i);
	if (rc == -ETIMEDOUT)
		err_set(err, rc,
			"process %d allocates nothing now; its recorder is "
			"switched off when it does",
			(int)pid);
	return rc;
}
