#include "profiler/attach/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "profiler/attach/borrow.h"
#include "profiler/attach/code_swap.h"
#include "profiler/attach/idle.h"
#include "profiler/attach/inject_check.h"
#include "profiler/attach/inject_code.h"
#include "profiler/attach/inject_image.h"
#include "profiler/attach/inject_settings.h"
#include "profiler/attach/loader.h"
#include "profiler/attach/tracee.h"
#include "profiler/base/err.h"
#include "profiler/proc/remote.h"
#include "profiler/wire/late.h"
#include "profiler/wire/slab.h"

#define TAKE_NS	  3000000000ULL	 /* to find a thread that can be borrowed */
#define START_NS  10000000000ULL /* for pthread_create: it may wait */
#define SERVE_NS  20000000000ULL /* for the recorder to do its part */
#define IDLE_NS	  3000000000ULL	 /* for one that waits to look */
#define CODE_NS	  2000000000ULL	 /* for its code to be changed; see late.c */
#define STEP_NS	  50000L
#define EAGER	  200 /* looks that only yield */
#define CODE_SIZE 1024
#define MFD_EXEC_ 0x10u

#define FIRST	   (-20)
#define BACK_LOOKS 400 /* between two looks whether it is back already */

struct injection {
	pid_t pid;
	int pidfd, mem;
	const struct buf *image;
	const struct inject_settings *settings;
	struct inject_result *result;
	struct err *err;
	struct loader loader;
	struct borrow borrow;
	uint8_t before[CODE_SIZE]; /* what the gap held */
	uint64_t area;		   /* 0: none */
	uint64_t tls_unused;	   /* 0: not known */
	struct late_area head;
};

static bool fd_has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static bool has_ended(const struct injection *in)
{
	return fd_has_ended(in->pidfd);
}

static int gone(const struct injection *in)
{
	return err_set(in->err, -ESRCH, "process %d has ended", (int)in->pid);
}

static int put(const struct injection *in, uint64_t at, const void *from,
	       size_t size)
{
	ssize_t n = pwrite(in->mem, from, size, (off_t)at);

	if (n == (ssize_t)size)
		return 0;
	return has_ended(in) ? gone(in)
			     : err_errno(in->err,
					 "cannot write to the memory of "
					 "process %d",
					 (int)in->pid);
}

static int get(const struct injection *in, uint64_t at, void *to, size_t size)
{
	ssize_t n = pread(in->mem, to, size, (off_t)at);

	return n == (ssize_t)size ? 0 : gone(in);
}

#define FIELD(in, field) ((in)->area + offsetof(struct late_area, field))

static int put_go(const struct injection *in, uint32_t go)
{
	return put(in, FIELD(in, go), &go, sizeof(go));
}

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
	uint8_t code[CODE_SIZE];

	inject_code_write(code, &with);
	in->area = l->hole;
	return put(in, l->gap, code, inject_code_size());
}

static void pause_a_bit(unsigned looks)
{
	const struct timespec step = { .tv_nsec = STEP_NS };

	if (looks < EAGER)
		sched_yield();
	else
		nanosleep(&step, NULL);
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
		if (has_ended(in))
			return gone(in);
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
		pause_a_bit(looks);
	}
	return 0;
}

/* What the tool says comes after what the borrowed thread writes. */
static int put_head(struct injection *in)
{
	const size_t from = offsetof(struct late_area, dlopen);
	int rc = put(in, in->area + from, (const char *)&in->head + from,
		     sizeof(in->head) - from);

	return rc < 0 ? rc : put_go(in, LATE_GO);
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
			  (off_t)FIELD(in, created)) != sizeof(said)) {
			if (has_ended(in))
				return gone(in);
			break; /* it has unmapped it */
		}
		if (!said.done && tracees_now_ns() > until)
			return err_set(in->err, -EBUSY,
				       "thread %d of process %d does not come "
				       "to start another; it goes on by itself",
				       (int)in->borrow.tid, (int)in->pid);
		pause_a_bit(looks);
	}
	in->head.left = said.left;
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

/* The conversation with the thread that loads. */

static int fill_memfd(struct injection *in, int fd)
{
	char path[64];
	size_t done = 0;
	int to;

	if (fd < 0)
		return err_set(in->err, fd,
			       "process %d cannot make a memfd: %s; use "
			       "--with bpf",
			       (int)in->pid, strerror(-fd));
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)in->pid, fd);
	to = open(path, O_WRONLY | O_CLOEXEC);
	if (to < 0)
		return err_errno(in->err, "cannot open %s", path);
	while (done < in->image->len) {
		ssize_t n = write(to, in->image->bytes + done,
				  in->image->len - done);

		if (n < 0) {
			int rc = err_errno(in->err, "cannot fill %s", path);

			close(to);
			return rc;
		}
		done += (size_t)n;
	}
	close(to);
	/* Spelled so that nobody else's library is found by this name, nor
	 * the recorder of another build. */
	snprintf(in->head.path, sizeof(in->head.path), "/proc/self/fd/%.*s%d",
		 (int)in->loader.recorder_count + 1, "/////////", fd);
	return put(in, FIELD(in, path), in->head.path, sizeof(in->head.path));
}

static int not_loaded(struct injection *in)
{
	struct remote memory = remote_process(in->pid);
	char text[256] = "";
	uint64_t at = 0;

	if (get(in, FIELD(in, error), &at, sizeof(at)) == 0 && at)
		(void)remote_read_text(&memory, at, text, sizeof(text));
	if (strstr(text, "static TLS"))
		return err_set(in->err, -ENOTSUP,
			       "process %d has no room left for thread-local "
			       "memory of libraries that come late; use "
			       "--with bpf, or start it with strandline run",
			       (int)in->pid);
	return err_set(in->err, -ENOTSUP,
		       "process %d cannot load the recorder: %s", (int)in->pid,
		       text[0] ? text : "its loader does not say why");
}

static int send_both(int socket, const int fds[LATE_NFILES])
{
	_Alignas(struct cmsghdr) char
		space[CMSG_SPACE(sizeof(int) * LATE_NFILES)] = { 0 };
	char byte = 0;
	struct iovec io = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * LATE_NFILES);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * LATE_NFILES);
	return sendmsg(socket, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_files(struct injection *in)
{
	const int fds[LATE_NFILES] = { in->settings->slabs,
				       in->settings->quota };
	int32_t theirs = -1;
	int socket, rc;

	rc = get(in, FIELD(in, socket), &theirs, sizeof(theirs));
	if (rc < 0)
		return rc;
	socket = (int)syscall(SYS_pidfd_getfd, in->pidfd, theirs, 0);
	if (socket < 0)
		return err_errno(in->err,
				 "cannot hand the recording over to process "
				 "%d",
				 (int)in->pid);
	rc = send_both(socket, fds);
	close(socket);
	if (rc < 0)
		err_set(in->err, rc,
			"cannot hand the recording over to process %d: %s",
			(int)in->pid, strerror(-rc));
	return rc;
}

/*
 * An allocator that is linked into the program.  The recorder is told how it
 * went, and goes on without it if need be.
 */
static int write_code(struct injection *in)
{
	struct late_code codes[LATE_CODES];
	struct err why = ERR_INIT;
	struct {
		uint64_t at;
		uint32_t count, on;
	} said = { 0 };
	int32_t result = -EINVAL;
	int rc = get(in, FIELD(in, code), &said, sizeof(said));

	if (rc == 0 && said.count <= LATE_CODES)
		rc = get(in, said.at, codes, said.count * sizeof(codes[0]));
	if (rc == 0 && said.count <= LATE_CODES)
		result = code_swap(in->pid, in->mem, codes, said.count, said.on,
				   CODE_NS, &in->result->still_ns, &why);
	if (result == 0)
		in->result->codes = said.count;
	return rc < 0 ? rc
		      : put(in, FIELD(in, code_result), &result,
			    sizeof(result));
}

static int recorder_error(struct injection *in, int rc)
{
	switch (rc) {
	case -EBUSY:
		return err_set(in->err, in->settings ? -EALREADY : -EBUSY,
			       in->settings
				       ? "process %d is being recorded already"
				       : "a thread of process %d does not come "
					 "out of the recorder; it records no "
					 "more, detach again to clear up",
			       (int)in->pid);
	case -ENOMEM:
		return err_set(in->err, rc,
			       "the recorder in process %d has no memory, or "
			       "no room on the disk, to begin",
			       (int)in->pid);
	default:
		return err_set(in->err, rc,
			       "the recorder in process %d cannot begin: %s",
			       (int)in->pid, strerror(-rc));
	}
}

static int conclude(struct injection *in)
{
	int rc = get(in, in->area, &in->head, sizeof(in->head));

	if (rc < 0)
		return rc;
	in->result->slots = in->head.slots;
	in->result->refused = in->head.forced;
	return in->head.result < 0 ? recorder_error(in, in->head.result) : 0;
}

/* One answer; 1: it was the last. */
static int answer(struct injection *in, uint32_t step)
{
	int32_t fd;
	int rc;

	switch (step) {
	case LATE_WANTS_IMAGE:
		rc = get(in, FIELD(in, fd), &fd, sizeof(fd));
		if (rc == 0)
			rc = fill_memfd(in, fd);
		break;
	case LATE_WANTS_FILES:
		rc = send_files(in);
		break;
	case LATE_NOT_LOADED:
		rc = not_loaded(in);
		break;
	case LATE_WANTS_CODE:
		rc = write_code(in);
		break;
	default:
		rc = conclude(in);
		if (rc == 0)
			rc = 1;
	}
	return rc;
}

static int serve(struct injection *in)
{
	uint64_t until = tracees_now_ns() + SERVE_NS;
	uint32_t step, last = LATE_NOTHING;
	int rc = 0;

	for (unsigned looks = 0; rc == 0; looks++) {
		rc = get(in, FIELD(in, step), &step, sizeof(step));
		if (rc < 0)
			return rc;
		if (step != last) {
			last = step;
			rc = answer(in, step);
			if (put_go(in, rc ? LATE_LEAVE : LATE_GO) < 0)
				return -ESRCH;
		} else if (tracees_now_ns() > until) {
			return err_set(in->err, -EBUSY,
				       "process %d does not come to load the "
				       "recorder; it goes on by itself",
				       (int)in->pid);
		}
		pause_a_bit(looks);
	}
	return rc < 0 ? rc : 0;
}

static int lend_at_once(struct injection *in)
{
	int rc = borrow_take(&in->borrow, &in->loader, TAKE_NS, in->err);

	if (rc < 0)
		return rc;
	rc = has_ended(in) /* then its number is another's now */
		     ? gone(in)
		     : put_code(in);
	if (rc == 0 && borrow_send(&in->borrow, in->loader.gap) < 0)
		rc = gone(in);
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

	if (rc == 0)
		rc = put_head(in);
	if (rc == 0 && in->loader.create)
		rc = wait_back(in);
	in->result->pause_ns = pause_of(in);
	if (rc == 0)
		rc = serve(in);
	if (rc == 0 && !in->loader.create) {
		rc = wait_back(in);
		in->result->pause_ns = pause_of(in);
	}
	return rc;
}

/*
 * As it was, if nobody is there any more: the thread that loaded went on to
 * the recorder.
 */
static void take_code_back(struct injection *in)
{
	struct err ignored = ERR_INIT;

	in->err = &ignored;
	if (is_back(in))
		(void)put(in, in->loader.gap, in->before, inject_code_size());
}

static int inject(struct injection *in, enum late_op op)
{
	struct inject_result *r = in->result;
	uint64_t since = tracees_now_ns();
	int rc;

	prepare(in, op);
	rc = get(in, in->loader.gap, in->before, inject_code_size());
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
	if (rc == 0)
		take_code_back(in);
	return rc;
}

static int begin(struct injection *in, struct err *err)
{
	char path[64];
	int rc = inject_check_process(in->pid, err);

	if (rc < 0)
		return rc;
	in->pidfd = (int)syscall(SYS_pidfd_open, in->pid, 0);
	if (in->pidfd < 0)
		return err_errno(err, "cannot watch process %d", (int)in->pid);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)in->pid);
	in->mem = open(path, O_RDWR | O_CLOEXEC);
	if (in->mem < 0)
		return err_errno(err, "cannot open %s", path);
	/* What was opened is of who is meant, if that one lives now. */
	if (in->settings && in->settings->process &&
	    fd_has_ended(in->settings->process))
		return gone(in);
	rc = loader_read(&in->loader, in->pid, inject_code_size(), err);
	if (rc == 0)
		rc = inject_check_recorder(&in->loader, in->image, err);
	return rc < 0 ? rc
		      : inject_check_room(&in->loader, in->image,
					  &in->tls_unused, err);
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
	in->pidfd = in->mem = -1;
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
	rc = begin(in, err);
	if (rc == 0 && in->loader.recorder.start && !in->loader.recorder.sent)
		rc = err_set(err, -EALREADY,
			     "process %d was started with the recorder in it",
			     (int)pid);
	if (rc == 0)
		rc = inject(in, LATE_ATTACH);
	finish(in);
	return rc;
}

int inject_detach(pid_t pid, const struct buf *image,
		  struct inject_result *result, struct err *err)
{
	struct injection *in;
	int rc;

	if (idle_check(pid, NULL) == 0) {
		int rc = inject_same_build(pid, image, err);

		return rc < 0 ? rc : idle_detach(pid, IDLE_NS, err);
	}
	in = injection_new(pid, image, result, err);
	if (!in)
		return -ENOMEM;
	rc = begin(in, err);
	if (rc == 0 && in->loader.recorder.sent)
		rc = inject(in, LATE_DETACH);
	finish(in);
	return rc;
}

int inject_check(pid_t pid, const struct buf *image, struct inject_plan *plan,
		 struct err *err)
{
	struct inject_result unused;
	struct injection *in = injection_new(pid, image, &unused, err);
	int rc;

	*plan = (struct inject_plan) { 0 };
	if (!in)
		return -ENOMEM;
	rc = begin(in, err);
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
