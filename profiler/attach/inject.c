#include "profiler/attach/inject.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "profiler/attach/borrow.h"
#include "profiler/attach/idle.h"
#include "profiler/attach/inject_check.h"
#include "profiler/attach/inject_code.h"
#include "profiler/attach/inject_settings.h"
#include "profiler/attach/loader.h"
#include "profiler/attach/module.h"
#include "profiler/attach/tracee.h"
#include "profiler/base/err.h"
#include "profiler/proc/remote.h"
#include "profiler/wire/late.h"
#include "profiler/wire/slab.h"

#define TAKE_NS	  3000000000ULL	 /* to find a thread that can be borrowed */
#define START_NS  10000000000ULL /* for pthread_create: it may wait */
#define SERVE_NS  20000000000ULL /* for the recorder to do its part */
#define IDLE_NS	  3000000000ULL	 /* for one that waits to look */
#define STEP_NS	  50000L
#define EAGER	  200 /* looks that only yield */
#define CODE_SIZE 1024
#define MFD_EXEC_ 0x10u

/* What the kernel looks for in the frame of a signal handler. */
#define UC_FLAGS    7 /* vector registers beyond SSE; ss as it is */
#define VECTORS_SW  464
#define MAGIC_BEGIN 0x46505853u
#define MAGIC_END   0x46505845u
#define NO_STACK    0x40 /* no such flag: the signal stack stays as it is */

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
	struct late_area head;
};

static bool has_ended(const struct injection *in)
{
	struct pollfd p = { .fd = in->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
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

/* The recorder's own. */

static const uint8_t *segment(const struct buf *image, uint64_t at, size_t size,
			      size_t *offset)
{
	const Elf64_Ehdr *eh = (const void *)image->bytes;
	const Elf64_Phdr *p = (const void *)(image->bytes + eh->e_phoff);

	for (int i = 0; i < eh->e_phnum; i++, p++) {
		if (p->p_type != PT_LOAD || at < p->p_vaddr ||
		    at + size > p->p_vaddr + p->p_filesz)
			continue;
		*offset = at - p->p_vaddr + p->p_offset;
		return (const uint8_t *)image->bytes + *offset;
	}
	return NULL;
}

static bool is_elf(const struct buf *image)
{
	const Elf64_Ehdr *eh = (const void *)image->bytes;

	return image->len > sizeof(*eh) &&
	       memcmp(eh->e_ident, ELFMAG, SELFMAG) == 0 &&
	       eh->e_phoff + eh->e_phnum * sizeof(Elf64_Phdr) <= image->len;
}

/* The file, laid out as it would be in memory. */
static uint64_t symbol_of(const struct buf *image, const char *name)
{
	const Elf64_Ehdr *eh = (const void *)image->bytes;
	const Elf64_Phdr *p = (const void *)(image->bytes + eh->e_phoff);
	struct remote_range ranges[16];
	struct remote memory;
	size_t count = 0;
	struct module m;

	for (int i = 0; i < eh->e_phnum && count < 16; i++, p++)
		if (p->p_type == PT_LOAD &&
		    p->p_offset + p->p_filesz <= image->len)
			ranges[count++] = (struct remote_range) {
				p->p_vaddr,
				image->bytes + p->p_offset,
				p->p_filesz,
			};
	memory = remote_fake(ranges, count);
	return module_read(&m, &memory, 0) ? module_symbol(&m, name) : 0;
}

int inject_image(struct buf *image, const char *path, struct err *err)
{
	const uint32_t one = 1;
	uint64_t at;
	size_t offset;
	int rc = buf_read_file(image, path, err);

	if (rc < 0)
		return rc;
	at = is_elf(image) ? symbol_of(image, LATE_IMAGE) : 0;
	if (!at || !segment(image, at, sizeof(one), &offset) ||
	    !symbol_of(image, LATE_SYMBOL))
		return err_set(err, -ENOEXEC,
			       "%s is not a recorder that can be sent into a "
			       "process; install strandline anew",
			       path);
	memcpy(image->bytes + offset, &one, sizeof(one));
	return 0;
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
		.attr_init = l->attr_init,
		.attr_setdetachstate = l->attr_setdetachstate,
		.attr_setstacksize = l->attr_setstacksize,
		.attr_destroy = l->attr_destroy,
		.create = l->create,
		.dlopen = l->dlopen,
		.dlerror = l->dlerror,
		.dlopen_flags = l->dlopen_flags,
		.unmap = l->create ? l->unmap : 0,
		.entry = symbol_of(in->image, LATE_SYMBOL),
		.memfd_flags = memfd_flags(),
		.fd = -1,
		.patience = { 0, LATE_PATIENCE_MS * 1000000ULL / 25000 },
		.op = op,
		.socket = -1,
	};
	strcpy(a->name, LATE_NAME);
	a->start =
		l->recorder ? l->recorder_entry : l->gap + inject_code_worker();
	if (in->settings)
		inject_settings_put(&a->settings, in->settings);
}

/* By which the borrowed thread goes back should we die. */
static void frame(const struct injection *in, ucontext_t *uc, uint8_t *vectors,
		  size_t *vectors_size)
{
	const struct borrow *b = &in->borrow;
	struct user_regs_struct r = borrow_way_back(b);
	uint32_t size = (uint32_t)b->vectors_size;
	greg_t *g = uc->uc_mcontext.gregs;
	uint64_t features;

	memset(uc, 0, sizeof(*uc));
	uc->uc_flags = UC_FLAGS;
	uc->uc_stack.ss_flags = NO_STACK;
	memcpy(&uc->uc_sigmask, &b->mask, sizeof(b->mask));
	g[REG_R8] = (greg_t)r.r8;
	g[REG_R9] = (greg_t)r.r9;
	g[REG_R10] = (greg_t)r.r10;
	g[REG_R11] = (greg_t)r.r11;
	g[REG_R12] = (greg_t)r.r12;
	g[REG_R13] = (greg_t)r.r13;
	g[REG_R14] = (greg_t)r.r14;
	g[REG_R15] = (greg_t)r.r15;
	g[REG_RDI] = (greg_t)r.rdi;
	g[REG_RSI] = (greg_t)r.rsi;
	g[REG_RBP] = (greg_t)r.rbp;
	g[REG_RBX] = (greg_t)r.rbx;
	g[REG_RDX] = (greg_t)r.rdx;
	g[REG_RAX] = (greg_t)r.rax;
	g[REG_RCX] = (greg_t)r.rcx;
	g[REG_RSP] = (greg_t)r.rsp;
	g[REG_RIP] = (greg_t)r.rip;
	g[REG_EFL] = (greg_t)r.eflags;
	g[REG_CSGSFS] = (greg_t)(r.cs | r.ss << 48);
	uc->uc_mcontext.fpregs = (void *)(in->area + LATE_VECTORS);
	memcpy(vectors, b->vectors, size);
	memcpy(&features, vectors + VECTORS_SW, sizeof(features));
	memcpy(vectors + VECTORS_SW, (uint32_t[]) { MAGIC_BEGIN, size + 4 }, 8);
	memcpy(vectors + VECTORS_SW + 8, &features, sizeof(features));
	memcpy(vectors + VECTORS_SW + 16, &size, sizeof(size));
	memcpy(vectors + size, (uint32_t[]) { MAGIC_END }, 4);
	*vectors_size = size + 4;
}

static int put_area(struct injection *in)
{
	static const uint64_t kernel_mask_end = 8;
	uint8_t vectors[BORROW_VECTORS + 8];
	size_t vectors_size;
	ucontext_t uc;
	int rc;

	frame(in, &uc, vectors, &vectors_size);
	rc = put(in, in->area, &in->head, sizeof(in->head));
	if (rc == 0)
		rc = put(in, in->area + LATE_FRAME, &uc,
			 offsetof(ucontext_t, uc_sigmask) + kernel_mask_end);
	if (rc == 0)
		rc = put(in, in->area + LATE_VECTORS, vectors, vectors_size);
	return rc;
}

/* The loan. */

static int put_code(struct injection *in)
{
	struct user_regs_struct back = borrow_way_back(&in->borrow);
	uint8_t code[CODE_SIZE];
	int rc = get(in, in->loader.gap, in->before, inject_code_size());

	if (rc < 0)
		return rc;
	inject_code_write(code, &back, in->borrow.mask);
	return put(in, in->loader.gap, code, inject_code_size());
}

static int map_area(struct injection *in)
{
	const uint64_t args[] = {
		0,
		LATE_AREA_SIZE,
		PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		(uint64_t)-1,
		0,
	};
	int64_t at =
		borrow_call(&in->borrow, in->loader.gap + inject_code_call(),
			    SYS_mmap, args);

	if (at < 0 && at > -4096)
		return err_set(in->err, (int)at,
			       "process %d cannot map memory: %s", (int)in->pid,
			       strerror((int)-at));
	in->area = (uint64_t)at;
	return 0;
}

/* Of the area, where no thread of the process does it. */
static void unmap_area(struct injection *in)
{
	const uint64_t args[] = { in->area, LATE_AREA_SIZE, 0, 0, 0, 0 };

	borrow_call(&in->borrow, in->loader.gap + inject_code_call(),
		    SYS_munmap, args);
}

static void pause_a_bit(unsigned looks)
{
	const struct timespec step = { .tv_nsec = STEP_NS };

	if (looks < EAGER)
		sched_yield();
	else
		nanosleep(&step, NULL);
}

static int start_error(struct injection *in, int rc)
{
	switch (rc) {
	case -EFAULT:
		return err_set(in->err, rc,
			       "starting a thread in process %d failed with "
			       "signal; it was put back as it was",
			       (int)in->pid);
	case -ETIMEDOUT:
		return err_set(in->err, -EBUSY,
			       "process %d does not come to start a thread; "
			       "it was put back as it was, try again",
			       (int)in->pid);
	default:
		return gone(in);
	}
}

/* Until the borrowed thread has started the other. */
static int wait_started(struct injection *in)
{
	uint64_t until = tracees_now_ns() + START_NS;
	uint32_t done[2] = { 0 };

	for (unsigned looks = 0;; looks++) {
		int rc = get(in, FIELD(in, created), done, sizeof(done));

		if (rc < 0)
			return rc;
		if (done[1])
			break;
		rc = borrow_look(&in->borrow);
		if (rc == 0 && tracees_now_ns() > until)
			rc = -ETIMEDOUT;
		if (rc < 0)
			return start_error(in, rc);
		pause_a_bit(looks);
	}
	if (done[0])
		return err_set(in->err, -EAGAIN,
			       "process %d cannot start a thread: %s",
			       (int)in->pid, strerror((int)done[0]));
	return 0;
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
	/* Spelled so that nobody else's library is found by this name. */
	snprintf(in->head.path, sizeof(in->head.path), "/proc/self/fd//%d", fd);
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
		if (rc == 0 && !in->loader.create)
			rc = borrow_look(&in->borrow);
		pause_a_bit(looks);
	}
	return rc < 0 ? rc : 0;
}

/* Without threads: the borrowed one does all, and is away as long. */
static int serve_borrowed(struct injection *in)
{
	int rc = serve(in), started = wait_started(in);

	borrow_stop(&in->borrow);
	if (started == 0)
		unmap_area(in);
	in->result->pause_ns = borrow_return(&in->borrow);
	return rc < 0 ? rc : started;
}

static int serve_beside(struct injection *in)
{
	int rc = wait_started(in);

	borrow_stop(&in->borrow);
	if (rc < 0)
		unmap_area(in);
	in->result->pause_ns = borrow_return(&in->borrow);
	return rc < 0 ? rc : serve(in);
}

static int run_loan(struct injection *in)
{
	int rc = put_code(in);

	if (rc == 0)
		rc = map_area(in);
	if (rc == 0)
		rc = put_area(in);
	if (rc == 0)
		rc = borrow_send(&in->borrow,
				 in->loader.gap + inject_code_stub(), in->area,
				 in->area + LATE_AREA_SIZE - 64);
	if (rc < 0) {
		in->result->pause_ns = borrow_return(&in->borrow);
		return rc;
	}
	return in->loader.create ? serve_beside(in) : serve_borrowed(in);
}

/* Nobody is there any more: the thread that loaded went on to the recorder. */
static void take_code_back(struct injection *in)
{
	struct err ignored = ERR_INIT;

	in->err = &ignored;
	(void)put(in, in->loader.gap, in->before, inject_code_size());
}

static int inject(struct injection *in, enum late_op op)
{
	struct inject_result *r = in->result;
	uint64_t since = tracees_now_ns();
	struct err *err = in->err;
	int rc;

	prepare(in, op);
	rc = borrow_take(&in->borrow, &in->loader, TAKE_NS, err);
	if (rc < 0)
		return rc;
	if (has_ended(in)) { /* then its number is another's now */
		borrow_return(&in->borrow);
		return gone(in);
	}
	rc = run_loan(in);
	r->tid = in->borrow.tid;
	r->call = borrow_call_name(in->borrow.call);
	r->tries = in->borrow.tries;
	r->here_before = in->loader.recorder;
	if (rc == 0)
		take_code_back(in);
	r->total_ns = tracees_now_ns() - since;
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
	return loader_read(&in->loader, in->pid, inject_code_size(), err);
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
	if (rc == 0 && in->loader.recorder && !in->loader.recorder_sent)
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

	if (idle_check(pid, NULL) == 0)
		return idle_detach(pid, IDLE_NS, err);
	in = injection_new(pid, image, result, err);
	if (!in)
		return -ENOMEM;
	rc = begin(in, err);
	if (rc == 0 && in->loader.recorder_sent)
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
		plan->recorder = in->loader.recorder_sent;
		plan->own_thread = in->loader.create;
		memcpy(plan->libc, in->loader.libc, sizeof(plan->libc));
		memcpy(plan->gap_in, in->loader.gap_in, sizeof(plan->gap_in));
	}
	finish(in);
	return rc;
}
