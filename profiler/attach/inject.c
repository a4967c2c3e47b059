#include "profiler/attach/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "profiler/attach/borrow.h"
#include "profiler/attach/idle.h"
#include "profiler/attach/inject_check.h"
#include "profiler/attach/inject_code.h"
#include "profiler/attach/inject_image.h"
#include "profiler/attach/inject_settings.h"
#include "profiler/attach/injection.h"
#include "profiler/attach/loader.h"
#include "profiler/attach/tracee.h"
#include "profiler/attach/turn.h"
#include "profiler/base/err.h"
#include "profiler/proc/remote.h"
#include "profiler/wire/late.h"
#include "profiler/wire/slab.h"

#define TAKE_NS	  3000000000ULL	 /* to find a thread that can be borrowed */
#define START_NS  10000000000ULL /* for pthread_create: it may wait */
#define IDLE_NS	  3000000000ULL	 /* for one that waits to look */
#define LEAVE_NS  3000000000ULL	 /* for one that was killed to be left */
#define LOOK_NS	  20000000L
#define MFD_EXEC_ 0x10u

#define FIRST	   (-20)
#define BACK_LOOKS 400 /* between two looks whether it is back already */

/* What the area holds. */

static unsigned memfd_flags(void)
{
	int fd = memfd_create("strandline", MFD_CLOEXEC | MFD_EXEC_);

	if (fd < 0)
		return MFD_CLOEXEC; /* Linux before 6.3 */
	close(fd);
	return MFD_CLOEXEC | MFD_EXEC_;
}

static void prepare(struct injection *in, enum late_op op)
{
	const struct loader *l = &in->loader;
	struct late_area *a = &in->head;

	*a = (struct late_area) {
		.dlopen = l->dlopen,
		.dlerror = l->dlerror,
		.dlopen_flags = l->dlopen_flags,
		.unmap = l->create ? l->unmap : 0,
		.entry = inject_image_entry(in->image),
		.memfd_flags = memfd_flags(),
		.fd = -1,
		.op = op,
		.socket = -1,
	};
	strcpy(a->name, LATE_NAME);
	if (in->settings)
		inject_settings_put(&a->settings, in->settings);
}

/* The loan. */

static int put_code(struct injection *in)
{
	const struct loader *l = &in->loader;
	const struct inject_code with = {
		.area = l->hole,
		.create = l->create,
		.attr_init = l->attr_init,
		.attr_setdetachstate = l->attr_setdetachstate,
		.attr_setstacksize = l->attr_setstacksize,
		.attr_destroy = l->attr_destroy,
		.start = l->recorder.start ? l->recorder.entry
					   : l->gap + inject_code_worker(),
		.mask = in->borrow.mask,
		.registers = borrow_way_back(&in->borrow),
	};
	uint8_t code[INJECTION_CODE_SIZE];

	inject_code_write(code, &with);
	in->area = l->hole;
	return injection_put(in, l->gap, code, inject_code_size());
}

static bool is_mapped(const struct injection *in)
{
	char byte;

	return pread(in->mem, &byte, 1, (off_t)in->area) == 1;
}

static bool is_back(const struct injection *in)
{
	return borrow_has_left(&in->borrow, in->loader.gap, inject_code_size());
}

/*
 * The borrowed thread has begun when its area is there.  One that is back
 * without it found the addresses taken.
 */
static int wait_begun(struct injection *in)
{
	uint64_t until = tracees_now_ns() + START_NS;

	for (unsigned looks = 0; !is_mapped(in); looks++) {
		if (injection_has_ended(in))
			return injection_gone(in);
		if (looks % BACK_LOOKS == BACK_LOOKS - 1 &&
		    borrow_waits_outside(&in->borrow, in->loader.gap,
					 inject_code_size()) &&
		    !is_mapped(in))
			return err_set(in->err, -EBUSY,
				       "process %d has no room where it was "
				       "looked for; try again",
				       (int)in->pid);
		if (tracees_now_ns() > until)
			return err_set(in->err, -EBUSY,
				       "the thread %d of process %d does not "
				       "get to run; try again",
				       (int)in->borrow.tid, (int)in->pid);
		injection_rest(looks);
	}
	return 0;
}

/* What the tool says comes after what the borrowed thread writes. */
static int put_head(struct injection *in)
{
	const size_t from = offsetof(struct late_area, dlopen);
	int rc = injection_put(in, in->area + from,
			       (const char *)&in->head + from,
			       sizeof(in->head) - from);

	return rc < 0 ? rc : injection_put_go(in, LATE_GO);
}

/* Until it is back; without threads in the process it has done all then. */
static int wait_back(struct injection *in)
{
	uint64_t until = tracees_now_ns() + START_NS;
	struct {
		uint32_t created, done;
		uint64_t left;
	} said = { 0 };

	for (unsigned looks = 0; !said.done; looks++) {
		if (pread(in->mem, &said, sizeof(said),
			  (off_t)INJECTION_AT(in, created)) != sizeof(said)) {
			if (injection_has_ended(in))
				return injection_gone(in);
			break; /* it has unmapped it */
		}
		if (!said.done && tracees_now_ns() > until)
			return err_set(in->err, -EBUSY,
				       "thread %d of process %d does not come "
				       "to start another; it goes on by itself",
				       (int)in->borrow.tid, (int)in->pid);
		injection_rest(looks);
	}
	in->head.left = said.left;
	in->begun = !said.created;
	if (said.done && said.created)
		return err_set(in->err, -EAGAIN,
			       "process %d cannot start a thread: %s",
			       (int)in->pid, strerror((int)said.created));
	return 0;
}

/* From the time stamps of both, at the rate that we measure meanwhile. */
static uint64_t pause_of(const struct injection *in)
{
	const struct borrow *b = &in->borrow;
	uint64_t ns = tracees_now_ns() - b->since_ns;
	uint64_t ticks = __builtin_ia32_rdtsc() - b->since_tsc;
	uint64_t away = in->head.left - b->since_tsc;

	if (!in->head.left || !ticks || away > ticks)
		return ns;
	return (uint64_t)((double)away * (double)ns / (double)ticks);
}

static int lend_at_once(struct injection *in)
{
	int rc = borrow_take(&in->borrow, &in->loader, TAKE_NS, in->err);

	if (rc < 0)
		return rc;
	rc = injection_has_ended(in) /* then its number is another's now */
		     ? injection_gone(in)
		     : put_code(in);
	if (rc == 0 && borrow_send(&in->borrow, in->loader.gap) < 0)
		rc = injection_gone(in);
	if (rc < 0)
		borrow_release(&in->borrow);
	return rc;
}

/* A thread stands still until we get to it: before others, where we may. */
static int lend(struct injection *in)
{
	int before = getpriority(PRIO_PROCESS, 0), rc;

	setpriority(PRIO_PROCESS, 0, FIRST);
	rc = lend_at_once(in);
	setpriority(PRIO_PROCESS, 0, before);
	return rc;
}

static int follow_loan(struct injection *in)
{
	int rc = wait_begun(in);

	in->begun = rc == 0;
	if (rc == 0)
		rc = put_head(in);
	if (rc == 0 && in->loader.create)
		rc = wait_back(in);
	in->result->pause_ns = pause_of(in);
	if (rc == 0)
		rc = injection_serve(in);
	if (rc == 0 && !in->loader.create) {
		rc = wait_back(in);
		in->result->pause_ns = pause_of(in);
	}
	return rc;
}

/*
 * As it was, if nobody is there any more: the thread that loaded went on to
 * the recorder.  Where it is not certain that it did, the code stays, and the
 * next tool puts its own elsewhere (loader.c).
 */
static void take_code_back(struct injection *in)
{
	struct err ignored = ERR_INIT;

	in->err = &ignored;
	if (!injection_has_ended(in) && is_back(in))
		(void)injection_put(in, in->loader.gap, in->before,
				    inject_code_size());
}

static int inject(struct injection *in, enum late_op op)
{
	struct inject_result *r = in->result;
	uint64_t since = tracees_now_ns();
	int rc;

	prepare(in, op);
	rc = injection_get(in, in->loader.gap, in->before, inject_code_size());
	if (rc == 0)
		rc = lend(in);
	if (rc < 0)
		return rc;
	rc = follow_loan(in);
	r->tid = in->borrow.tid;
	r->call = borrow_call_name(in->borrow.call);
	r->tries = in->borrow.tries;
	r->here_before = in->loader.recorder.start;
	r->total_ns = tracees_now_ns() - since;
	if (rc == 0 || !in->begun)
		take_code_back(in);
	return rc;
}

/* What was opened is of who is meant, if that one lives now. */
static int open_process(struct injection *in)
{
	char path[64];

	in->pidfd = (int)syscall(SYS_pidfd_open, in->pid, 0);
	if (in->pidfd < 0)
		return errno == ESRCH
			       ? injection_gone(in)
			       : err_errno(in->err, "cannot watch process %d",
					   (int)in->pid);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)in->pid);
	in->mem = open(path, O_RDWR | O_CLOEXEC);
	if (in->mem < 0)
		return errno == ENOENT || errno == ESRCH
			       ? injection_gone(in)
			       : err_errno(in->err, "cannot open %s", path);
	return injection_has_ended(in) ? injection_gone(in) : 0;
}

/*
 * By its number, which is its own as long as it lives: what was read in the
 * meantime is told from another's by its being alive afterwards.
 */
static int read_process(struct injection *in)
{
	struct err *err = in->err;
	int rc;

	loader_free(&in->loader);
	rc = loader_read(&in->loader, in->pid, inject_code_size(), err);

	if (rc == 0)
		rc = inject_check_recorder(&in->loader, in->image, err);
	if (rc == 0)
		rc = inject_check_room(&in->loader, in->image, &in->tls_unused,
				       err);
	return injection_has_ended(in) ? injection_gone(in) : rc;
}

static int begin(struct injection *in)
{
	int rc = inject_check_process(in->pid, in->err);

	return rc < 0 ? rc : open_process(in);
}

/* One that was not started with the recorder in it. */
static int read_other(struct injection *in)
{
	int rc = read_process(in);

	if (rc < 0 || !in->loader.recorder.start || in->loader.recorder.sent)
		return rc;
	return err_set(in->err, -EALREADY,
		       "process %d was started with the recorder in it",
		       (int)in->pid);
}

/* Where a tool was killed a moment ago, its guard is about to leave. */
static int wait_until_left(struct injection *in)
{
	const struct timespec step = { .tv_nsec = LOOK_NS };
	uint64_t until = tracees_now_ns() + LEAVE_NS;
	int rc = read_other(in);

	while (rc == 0 && in->loader.recording && tracees_now_ns() < until) {
		nanosleep(&step, NULL);
		rc = read_other(in);
	}
	return rc;
}

static int attach(struct injection *in)
{
	int rc = begin(in);

	if (rc == 0)
		rc = wait_until_left(in);
	if (rc == 0)
		rc = turn_take(in->mem, in->pid, in->pidfd, in->err);
	if (rc == 0)
		rc = read_other(in);
	return rc < 0 ? rc : inject(in, LATE_ATTACH);
}

static int detach(struct injection *in)
{
	int rc = begin(in);

	if (rc == 0)
		rc = turn_take(in->mem, in->pid, in->pidfd, in->err);
	if (rc == 0)
		rc = read_process(in);
	if (rc == 0 && in->loader.recorder.sent)
		rc = inject(in, LATE_DETACH);
	return rc;
}

static void finish(struct injection *in)
{
	loader_free(&in->loader);
	if (in->mem >= 0)
		close(in->mem);
	if (in->pidfd >= 0)
		close(in->pidfd);
	free(in);
}

static struct injection *injection_new(pid_t pid, const struct buf *image,
				       struct inject_result *result,
				       struct err *err)
{
	struct injection *in = calloc(1, sizeof(*in));

	*result = (struct inject_result) { 0 };
	if (!in) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	in->pid = pid;
	in->pidfd = in->mem = in->process = -1;
	in->image = image;
	in->result = result;
	in->err = err;
	return in;
}

int inject_attach(pid_t pid, const struct buf *image,
		  const struct inject_settings *settings,
		  struct inject_result *result, struct err *err)
{
	struct injection *in = injection_new(pid, image, result, err);
	int rc;

	if (!in)
		return -ENOMEM;
	in->settings = settings;
	in->process = settings->process;
	rc = attach(in);
	finish(in);
	return rc;
}

int inject_detach(pid_t pid, int process, const struct buf *image,
		  struct inject_result *result, struct err *err)
{
	struct injection *in;
	int rc;

	if (idle_check(pid, process, NULL) == 0) {
		rc = inject_same_build(pid, image, err);
		return rc < 0 ? rc : idle_detach(pid, process, IDLE_NS, err);
	}
	in = injection_new(pid, image, result, err);
	if (!in)
		return -ENOMEM;
	in->process = process;
	rc = detach(in);
	finish(in);
	return rc;
}

int inject_check(pid_t pid, int process, const struct buf *image,
		 struct inject_plan *plan, struct err *err)
{
	struct inject_result unused;
	struct injection *in = injection_new(pid, image, &unused, err);
	int rc;

	*plan = (struct inject_plan) { 0 };
	if (!in)
		return -ENOMEM;
	in->process = process;
	rc = begin(in);
	if (rc == 0)
		rc = read_process(in);
	if (rc == 0) {
		long call = -1;

		plan->tid = borrow_candidate(pid, &call);
		plan->call = borrow_call_name(call);
		plan->recorder = in->loader.recorder.sent;
		plan->own_thread = in->loader.create;
		plan->tls_size = inject_image_tls(image).size;
		plan->tls_unused = in->tls_unused;
		memcpy(plan->libc, in->loader.libc, sizeof(plan->libc));
		memcpy(plan->gap_in, in->loader.gap_in, sizeof(plan->gap_in));
	}
	finish(in);
	return rc;
}
