#include "preload/late.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/socket.h>

#include "preload/got.h"
#include "preload/internal.h"
#include "preload/maps.h"
#include "preload/openers.h"
#include "preload/pads.h"
#include "preload/patch.h"
#include "preload/pyobjects.h"
#include "preload/python.h"
#include "preload/real.h"
#include "preload/requests.h"
#include "preload/spans.h"
#include "preload/sys.h"
#include "profiler/wire/late.h"

#define QUIET_NS  2000000000ULL /* for the threads inside to come out */
#define ESCAPE_NS 20000000ULL	/* the same where a server's thread waits */
#define GRACE_NS  20000000ULL	/* see release() */
#define STEP_NS	  200000
#define TURN_NS	  4000000000ULL
#define ORPHAN_NS 10000000000ULL /* a tool so silent has died */

#define MEMBARRIER_EXPEDITED 8
#define MEMBARRIER_REGISTER  16

/* Set to 1 by the tool in what it sends; so it has to be in the file. */
EXPORT uint32_t strandline_late_image = 2;

/* Known by this name to tools; in a preloaded recorder that waits. */
EXPORT struct late_control strandline_control;

static struct {
	bool ready; /* the real functions are known */
	char routes[sizeof(((struct late_settings *)0)->routes)];
	uint32_t turn; /* one thread at a time begins or ends */
	bool patched;  /* code was changed; a child has that, too */
} late;

static void nap(void)
{
	struct timespec step = { .tv_nsec = STEP_NS };

	sys3(SYS_nanosleep, (long)&step, 0, 0);
}

/*
 * Two tools may want the same at once, and what belongs to a recording must
 * be unmapped once: the second time it may be the server's.
 */
static bool take_turn(uint64_t patience_ns)
{
	uint64_t until = sys_clock_ns(CLOCK_MONOTONIC) + patience_ns;

	while (__atomic_exchange_n(&late.turn, 1, __ATOMIC_ACQUIRE)) {
		if (sys_clock_ns(CLOCK_MONOTONIC) >= until)
			return false;
		nap();
	}
	return true;
}

static void end_turn(void)
{
	__atomic_store_n(&late.turn, 0, __ATOMIC_RELEASE);
}

bool late_begin(void)
{
	shim.late = *(volatile uint32_t *)&strandline_late_image == 1;
	shim.started |= shim.late;
	return shim.late;
}

static int call(struct dl_phdr_info *info, size_t size, void *what)
{
	(void)info;
	(void)size;
	((void (*)(void))what)();
	return 1;
}

/* @what goes over the loader's list, which is at rest while it calls us. */
static bool with_loader(void (*what)(void))
{
	int (*iterate)(int (*)(struct dl_phdr_info *, size_t, void *), void *) =
		real_symbol("dl_iterate_phdr");

	if (!iterate)
		return false;
	iterate(call, (void *)what);
	return true;
}

static void look_up(void)
{
	real_start();
	sockets_start();
	openers_start();
	got_start();
	pyobjects_find();
	late.ready = true;
}

static bool find_functions(void)
{
	return late.ready || (!real_libc_is_foreign() && with_loader(look_up));
}

static void unmap_quota(void)
{
	if (shim.quota)
		sys_munmap(shim.quota, QUOTA_SIZE);
	shim.quota = NULL;
}

static void copy_text(char *to, const char *from, size_t size)
{
	size_t i = 0;

	for (; i + 1 < size && from[i]; i++)
		to[i] = from[i];
	to[i] = 0;
}

static bool wait_for_tool(struct late_area *area, uint32_t wanted)
{
	uint64_t until =
		sys_clock_ns(CLOCK_MONOTONIC) + LATE_PATIENCE_MS * 1000000ULL;

	while (__atomic_load_n(&area->go, __ATOMIC_ACQUIRE) != wanted) {
		if (sys_clock_ns(CLOCK_MONOTONIC) > until)
			return false;
		nap();
	}
	return true;
}

static bool tool_says(struct late_area *area, enum late_step step,
		      uint32_t wanted)
{
	__atomic_store_n(&area->go, LATE_WAIT, __ATOMIC_RELAXED);
	__atomic_store_n(&area->step, step, __ATOMIC_RELEASE);
	return wait_for_tool(area, wanted);
}

static bool receive(int socket, int files[LATE_NFILES])
{
	_Alignas(struct cmsghdr) char
		space[CMSG_SPACE(sizeof(int) * LATE_NFILES)];
	char byte;
	struct iovec io = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};
	struct cmsghdr *c;

	if (sys3(SYS_recvmsg, socket, (long)&m,
		 MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0)
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int) * LATE_NFILES))
		return false;
	for (int i = 0; i < LATE_NFILES; i++)
		files[i] = ((int *)CMSG_DATA(c))[i];
	return true;
}

/* Descriptors come over a socket, whose other end the tool takes from us. */
static int ask_for_files(struct late_area *area, int files[LATE_NFILES])
{
	int ends[2];
	bool got;

	if (sys6(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0,
		 (long)ends, 0, 0) < 0)
		return -24; /* EMFILE, as a rule */
	area->socket = ends[1];
	got = tool_says(area, LATE_WANTS_FILES, LATE_GO) &&
	      receive(ends[0], files);
	sys_close(ends[0]);
	sys_close(ends[1]);
	return got ? 0 : -71; /* EPROTO */
}

/*
 * The entries of an allocator that is linked into the program, by the tool.
 * They lead to the hooks from then on, which do nothing while there is no
 * recording: should no tool be there at its end, they stay so.
 */
static bool change_code(struct late_area *area, bool on)
{
	unsigned count;

	area->code = (uint64_t)pads_later(&count);
	if (!count || late.patched == on)
		return true;
	area->code_count = count;
	area->code_on = on;
	area->code_result = -16; /* EBUSY */
	late.patched = true;	 /* who knows, when no answer comes */
	if (!tool_says(area, LATE_WANTS_CODE, LATE_GO))
		return false;
	late.patched = (area->code_result == 0) == on;
	return area->code_result == 0;
}

static void find_code(struct late_area *area)
{
	if (!area->settings.patch)
		return;
	patch_find_program();
	with_loader(patch_find_libraries);
	patch_settle(change_code(area, true));
}

static void take_settings(const struct late_settings *area)
{
	shim.mode = area->mode;
	shim.rate = area->rate;
	shim.max_bytes = area->max_bytes;
	shim.follow = area->follow && area->dir[0];
	shim.http = area->http;
	shim.patch = area->patch;
	shim.python_objects = area->python_objects;
	shim.python = area->python;
	shim.seed = sys_clock_ns(CLOCK_MONOTONIC);
	copy_text(shim.dir, area->dir, sizeof(shim.dir));
	copy_text(shim.path, area->file, sizeof(shim.path));
	copy_text(late.routes, area->routes, sizeof(late.routes));
}

static int begin(const struct late_settings *settings,
		 const int files[LATE_NFILES])
{
	__atomic_store_n(&shim.closed, true, __ATOMIC_SEQ_CST);
	take_settings(settings);
	if (!shim_begin_late(files[LATE_FILE_SLABS], files[LATE_FILE_QUOTA],
			     late.routes)) {
		unmap_quota();
		return -12; /* ENOMEM */
	}
	sys3(SYS_membarrier, MEMBARRIER_REGISTER, 0, 0);
	shim.on = true;
	__atomic_store_n(&shim.closed, false, __ATOMIC_SEQ_CST);
	return 0;
}

static int attach(struct late_area *area)
{
	struct got_counts counts, more;
	int files[LATE_NFILES], rc;

	if (shim.file)
		return -16; /* EBUSY */
	if (!find_functions())
		return -95; /* EOPNOTSUPP */
	rc = ask_for_files(area, files);
	if (rc < 0)
		return rc;
	find_code(area);
	rc = begin(&area->settings, files);
	if (rc < 0) {
		change_code(area, false);
		return rc;
	}
	got_patch(&counts);
	got_patch(&more); /* those that were being bound just then */
	pyobjects_begin(false);
	area->slots = counts.slots + more.slots;
	area->forced = counts.refused;
	return 0;
}

/* True when no thread is inside any more; @but is the caller's own state. */
static bool wait_until_quiet(const struct thread_state *but,
			     uint64_t patience_ns)
{
	uint64_t until = sys_clock_ns(CLOCK_MONOTONIC) + patience_ns;

	__atomic_store_n(&shim.closed, true, __ATOMIC_SEQ_CST);
	if (sys3(SYS_membarrier, MEMBARRIER_EXPEDITED, 0, 0) < 0)
		nap(); /* Linux before 4.14 */
	while (!thread_all_quiet(but)) {
		if (sys_clock_ns(CLOCK_MONOTONIC) > until)
			return false;
		nap();
	}
	return true;
}

static bool find_mapping(uint64_t start, struct maps_line *line)
{
	struct maps_text text;
	bool found = false;
	size_t at = 0;

	if (!maps_read(&text))
		return false;
	while (!found && maps_next(&text, &at, line))
		found = line->start == start;
	maps_free(&text);
	return found;
}

/* What of the file is mapped, but for the header. */
static void unmap_slabs(void)
{
	struct maps_line header, line;
	struct maps_text text;
	size_t at = 0;

	if (!find_mapping((uint64_t)shim.file, &header) || !header.inode ||
	    !maps_read(&text))
		return;
	while (maps_next(&text, &at, &line))
		if (line.inode == header.inode && line.dev == header.dev &&
		    line.start != header.start)
			sys_munmap((void *)line.start, line.end - line.start);
	maps_free(&text);
}

/*
 * Everything that belongs to the recording.  What a thread may look at before
 * it is known to be inside stays mapped, as empty pages: the header, the set
 * of samples, states.
 */
static void release(void)
{
	struct slab_file *header = shim.file;

	shim_note_end();
	modules_forget();
	python_codes_forget();
	nodes_fork_child();
	sampled_clear();
	shim.filter = &shim_filter_closed;
	requests_fork_child();
	spans_fork_child();
	openers_fork_child();
	brk_fork_child();
	slabs_fork_child();
	shim_memory_forget();
	thread_end_epoch();
	unmap_slabs();
	descriptor_forget();
	unmap_quota();
	__atomic_store_n(&shim.epoch, shim.epoch + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&shim.file, NULL, __ATOMIC_RELEASE);
	sys6(SYS_mmap, (long)header, SLAB_FILE_HEADER_SIZE,
	     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	     -1, 0);
	shim.header = header;
}

static bool end(const struct thread_state *but, uint64_t patience_ns)
{
	shim.on = false;
	got_restore();
	if (!wait_until_quiet(but, patience_ns))
		return false;
	release();
	return true;
}

static int detach(struct late_area *area)
{
	bool unchanged = change_code(area, false);

	if (shim.file) {
		pyobjects_detach();
		unchanged &= end(NULL, QUIET_NS);
	}
	return unchanged ? 0 : -16; /* EBUSY */
}

/* Where there is no thread of ours; the area is the tool's then to unmap. */
static void leave(struct late_area *area)
{
	bool mine = area->unmap;

	if (tool_says(area, LATE_DONE, LATE_LEAVE) && mine)
		sys_munmap(area, LATE_AREA_SIZE);
}

static int work(struct late_area *area)
{
	switch (area->op) {
	case LATE_ATTACH:
		return attach(area);
	case LATE_DETACH:
		return detach(area);
	default:
		return -22; /* EINVAL */
	}
}

EXPORT void *strandline_late(struct late_area *area)
{
	if (!wait_for_tool(area, LATE_GO))
		return NULL; /* what it wants was not said */
	area->result = -16;  /* EBUSY */
	if (take_turn(TURN_NS)) {
		area->result = work(area);
		end_turn();
	}
	leave(area);
	return NULL;
}

/* The tool is gone, and this thread is inside: once and for all. */
static void escape(void)
{
	if (!take_turn(0))
		return;
	if (shim.on && end(self.state, ESCAPE_NS) && shim.idle)
		strandline_control.state = LATE_IDLE;
	end_turn();
}

static int open_below(const char *dir, const char *name)
{
	char path[sizeof(shim.path)];
	size_t at = 0;

	while (*dir && at < sizeof(path) - 1)
		path[at++] = *dir++;
	while (*name && at < sizeof(path) - 1)
		path[at++] = *name++;
	path[at] = 0;
	return descriptor_open(path, O_RDWR | O_CLOEXEC, 0);
}

/* A preloaded recorder opens its files itself, as any that was preloaded. */
static int begin_preloaded(const struct late_settings *settings)
{
	int files[LATE_NFILES], rc;

	if (shim.file)
		return -16; /* EBUSY */
	files[LATE_FILE_SLABS] =
		descriptor_open(settings->file,
				O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (files[LATE_FILE_SLABS] < 0)
		return files[LATE_FILE_SLABS];
	files[LATE_FILE_QUOTA] = open_below(settings->dir, "/" QUOTA_FILE);
	rc = begin(settings, files);
	if (rc == 0)
		pyobjects_begin(false);
	return rc;
}

static int end_preloaded(void)
{
	if (!shim.file)
		return 0;
	pyobjects_detach();
	return end(self.state, ESCAPE_NS) ? 0 : -11; /* EAGAIN */
}

/* What a tool wants of a recorder that waits.  No hook of ours is due here. */
COLD void late_answer(void)
{
	struct late_control *c = &strandline_control;
	uint32_t wanted = __atomic_load_n(&c->wanted, __ATOMIC_ACQUIRE);

	if (wanted == c->answered || !take_turn(0))
		return;
	c->result = c->op == LATE_ATTACH   ? begin_preloaded(&c->settings)
		    : c->op == LATE_DETACH ? end_preloaded()
					   : -22; /* EINVAL */
	c->state = shim.file ? LATE_RECORDING : LATE_IDLE;
	if (c->result != -11)
		__atomic_store_n(&c->answered, wanted, __ATOMIC_RELEASE);
	end_turn();
}

/* Everything that takes one thread, or the loader at rest, is done now. */
void late_wait(void)
{
	shim.late = shim.closed = late.ready = true;
	fork_start();
	patch_start(shim.patch);
	thread_start();
	strandline_control.state = LATE_IDLE;
}

COLD void late_look(void)
{
	const struct slab_control *c = &shim.file->control;
	uint64_t keeper = __atomic_load_n(&c->keeper_ns, __ATOMIC_RELAXED);
	struct got_counts counts;

	if (sys_clock_ns(CLOCK_MONOTONIC) - keeper > ORPHAN_NS) {
		escape();
		return;
	}
	if (shim.idle)
		late_answer();
	else if (got_stale())
		got_patch(&counts);
}

/* Whoever had these is not in the child. */
void late_fork(void)
{
	end_turn();
	got_fork_child();
}

/* A child that cannot record has no use for us. */
void late_fork_child(void)
{
	shim.on = false;
	shim.closed = true;
	got_restore();
	if (late.patched)
		pads_restore();
	late.patched = false;
	shim.epoch++;
}
