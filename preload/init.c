/*
 * init: start of the shim, and of a recording file.
 *
 * Settings come from the environment as the kernel keeps it
 * (/proc/self/environ): we may be called before libc has its own copy.
 *
 *	STRANDLINE		off | idle | (anything else: record)
 *	STRANDLINE_DIR		the recording's directory, absolute
 *	STRANDLINE_MODE		sample | exact
 *	STRANDLINE_RATE		auto | mean in bytes
 *	STRANDLINE_MAX_BYTES	cap on the recording
 *	STRANDLINE_HTTP		0: requests are not followed
 *	STRANDLINE_ROUTES	paths that are one route each, a line for each
 *	STRANDLINE_FOLLOW	0: only the process STRANDLINE_PID names
 *	STRANDLINE_SEED		for repeatable samples
 *	STRANDLINE_PATCH	0: leave allocators linked into the program
 *	STRANDLINE_PYTHON	0: Python frames are not read
 *	STRANDLINE_PYTHON_OBJECTS  0 | 1: whether CPython's objects are
 *				recorded (else: in sample mode only)
 */
#include <cpuid.h>

#include "preload/internal.h"
#include "preload/late.h"
#include "preload/openers.h"
#include "preload/patch.h"
#include "preload/pyobjects.h"
#include "preload/python.h"
#include "preload/real.h"
#include "preload/requests.h"
#include "preload/sys.h"

#define DEFAULT_MAX_BYTES (256ULL << 20)
#define FIRST_MEAN	  (128u << 10)

struct filter shim_filter_closed = { .counts = { 0 } };

struct shim shim = {
	.filter = &shim_filter_closed,
	.fd = -1,
};

struct settings {
	char text[32 << 10];
	size_t size;
};

static const char *setting(const struct settings *s, const char *name)
{
	for (size_t at = 0; at < s->size;) {
		const char *entry = s->text + at;
		size_t i = 0;

		while (name[i] && entry[i] == name[i])
			i++;
		if (!name[i] && entry[i] == '=')
			return entry + i + 1;
		while (at < s->size && s->text[at])
			at++;
		at++;
	}
	return NULL;
}

static bool is(const char *value, const char *word)
{
	if (!value)
		return false;
	while (*word && *value == *word)
		value++, word++;
	return *value == *word;
}

static uint64_t number(const char *value, uint64_t otherwise)
{
	uint64_t n = 0;

	if (!value || *value < '0' || *value > '9')
		return otherwise;
	while (*value >= '0' && *value <= '9')
		n = n * 10 + (uint64_t)(*value++ - '0');
	return n;
}

static size_t append(char *to, size_t capacity, size_t at, const char *text)
{
	while (*text && at + 1 < capacity)
		to[at++] = *text++;
	to[at] = 0;
	return at;
}

static size_t append_number(char *to, size_t capacity, size_t at, uint64_t n)
{
	char digits[24];
	int i = 23;

	digits[23] = 0;
	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	return append(to, capacity, at, digits + i);
}

uint64_t clock_ns(void)
{
	return sys_clock_ns(CLOCK_MONOTONIC);
}

static bool invariant_tsc(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
}

static size_t read_text(const char *path, char *to, size_t capacity)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	size_t size = 0;
	long got = 1;

	if (fd < 0)
		return 0;
	while (got > 0 && size < capacity) {
		got = sys_read(fd, to + size, capacity - size);
		if (got > 0)
			size += (size_t)got;
	}
	sys_close(fd);
	return size;
}

/* "<pid>.slabs", "<pid>.1.slabs" after an exec, and so on. */
static int open_file(uint32_t *image)
{
	for (*image = 0; *image < 1000; ++*image) {
		size_t at = append(shim.path, sizeof(shim.path), 0, shim.dir);
		int fd;

		at = append(shim.path, sizeof(shim.path), at, "/");
		at = append_number(shim.path, sizeof(shim.path), at,
				   (uint64_t)sys_getpid());
		if (*image) {
			at = append(shim.path, sizeof(shim.path), at, ".");
			at = append_number(shim.path, sizeof(shim.path), at,
					   *image);
		}
		append(shim.path, sizeof(shim.path), at, ".slabs");
		fd = descriptor_open(shim.path,
				     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
				     0644);
		if (fd != -17 /* EEXIST */)
			return fd;
	}
	return -17;
}

/* The first @size bytes of a file, reserved and mapped; or NULL. */
static void *map_start(int fd, uint32_t size)
{
	if (size > sys_file_size_limit() || sys_fallocate(fd, 0, size) < 0)
		return NULL;
	return sys_mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			fd, 0);
}

static void map_quota(int fd)
{
	shim.quota = map_start(fd, QUOTA_SIZE);
	sys_close(fd);
	if (shim.quota)
		quota_limit(shim.quota, shim.max_bytes);
}

/* Shared by all processes of the recording; without it each has its own cap. */
static void open_quota(void)
{
	char path[sizeof(shim.path)];
	size_t at = append(path, sizeof(path), 0, shim.dir);
	int fd;

	append(path, sizeof(path), at, "/" QUOTA_FILE);
	fd = sys_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0)
		map_quota(fd);
}

static void fill_header(struct slab_file *f, uint32_t image, bool forked)
{
	long got = sys3(SYS_readlink, (long)"/proc/self/exe", (long)f->exe,
			sizeof(f->exe) - 1);

	f->exe[got > 0 ? got : 0] = 0;
	sys3(SYS_prctl, 16 /* PR_GET_NAME */, (long)f->comm, 0);
	read_text("/proc/self/cmdline", f->command, sizeof(f->command) - 1);
	append(f->version, sizeof(f->version), 0, STRANDLINE_VERSION);
	f->format = SLAB_FORMAT;
	f->header_size = SLAB_FILE_HEADER_SIZE;
	f->slab_size = SLAB_SIZE;
	f->clock = shim.tsc ? SLAB_CLOCK_TSC : SLAB_CLOCK_MONOTONIC;
	f->pid = sys_getpid();
	f->ppid = (int)sys3(SYS_getppid, 0, 0, 0);
	f->image = image;
	f->forked = forked;
	f->late = shim.late && !forked;
	f->start_realtime_ns = sys_clock_ns(CLOCK_REALTIME);
	f->start_ticks = ticks_now();
	f->start_monotonic_ns = sys_clock_ns(CLOCK_MONOTONIC);
	f->sample_constant = SAMPLE_CONSTANT;
	f->seed = shim.seed;
	f->control.state = SLAB_RECORDING;
	f->control.mode = shim.mode;
	f->control.mean_bytes = shim.rate ? shim.rate : FIRST_MEAN;
	f->control.rate_auto = !shim.rate;
	f->control.samples_per_second = 1000;
	f->control.slabs_max = shim.max_bytes / SLAB_SIZE;
	/* A keeper needs a moment to find the file, however small the cap. */
	f->control.keeper_ns = f->start_monotonic_ns;
	f->stats.ticks_sampled =
		shim.mode == SLAB_MODE_EXACT ? EXACT_TIMED_MASK + 1 : 1;
	reach_tell(&f->entry);
	shim_memory_tell(&f->entry);
	__atomic_store_n(&f->magic, SLAB_FILE_MAGIC, __ATOMIC_RELEASE);
}

/* Where the last one lay: a thread may look there yet. */
static struct slab_file *move_header(struct slab_file *f)
{
	long at = sys6(SYS_mremap, (long)f, SLAB_FILE_HEADER_SIZE,
		       SLAB_FILE_HEADER_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       (long)shim.header, 0);

	if (at == (long)shim.header)
		return shim.header;
	sys_munmap(f, SLAB_FILE_HEADER_SIZE);
	return NULL;
}

static struct slab_file *begin_file(int fd, uint32_t image, bool forked)
{
	struct slab_file *f;

	if (fd < 0)
		return NULL;
	f = map_start(fd, SLAB_FILE_HEADER_SIZE);
	if (f && shim.header)
		f = move_header(f);
	if (!f || descriptor_begin(fd) < 0) {
		if (!shim.late) /* then it may be another's by that name */
			sys3(SYS_unlink, (long)shim.path, 0, 0);
		sys_close(fd);
		return NULL;
	}
	fill_header(f, image, forked);
	shim.window_ticks = shim.allocator_ticks = ticks_now();
	return f;
}

void shim_begin_file(bool forked)
{
	struct wire_quota *q = shim.quota;
	bool within = !q || quota_take(q, SLAB_FILE_HEADER_SIZE, false);
	uint32_t image = 0;
	int fd = within ? open_file(&image) : -1;

	if (within)
		shim.file = begin_file(fd, image, forked);
	if (shim.file || !q)
		return;
	if (within)
		quota_return(q, SLAB_FILE_HEADER_SIZE);
	__atomic_fetch_add(&q->unrecorded, 1, __ATOMIC_RELAXED);
}

/* LD_PRELOAD alone: ./strandline.PID.strand, else under /tmp. */
static void own_directory(void)
{
	static const char *const places[] = { "", "/tmp/" };

	for (int i = 0; i < 2; i++) {
		size_t at = 0;
		int rc;

		if (!places[i][0]) {
			long got = sys3(SYS_getcwd, (long)shim.dir, 400, 0);

			if (got <= 1)
				continue;
			at = append(shim.dir, sizeof(shim.dir), (size_t)got - 1,
				    "/");
		} else {
			at = append(shim.dir, sizeof(shim.dir), 0, places[i]);
		}
		at = append(shim.dir, sizeof(shim.dir), at, "strandline.");
		at = append_number(shim.dir, sizeof(shim.dir), at,
				   (uint64_t)sys_getpid());
		append(shim.dir, sizeof(shim.dir), at, ".strand");
		rc = sys_mkdir(shim.dir, 0755);
		if (rc == 0 || rc == -17 /* EEXIST */)
			return;
	}
	shim.dir[0] = 0;
}

/* Where /proc is not mounted: libc's copy, once it has one. */
static void read_libc_environment(struct settings *s)
{
	char ***environment = real_symbol("environ");

	for (char **at = environment ? *environment : NULL; at && *at; at++) {
		size_t end = append(s->text, sizeof(s->text), s->size, *at);

		if (end + 2 >= sizeof(s->text))
			return;
		s->size = end + 1; /* past the NUL */
	}
}

static void read_settings(void)
{
	static struct settings s; /* early stacks can be small */
	const char *dir;

	s.size = read_text("/proc/self/environ", s.text, sizeof(s.text) - 1);
	if (!s.size)
		read_libc_environment(&s);
	shim.idle = is(setting(&s, "STRANDLINE"), "idle");
	shim.routes = setting(&s, "STRANDLINE_ROUTES");
	shim.http = !is(setting(&s, "STRANDLINE_HTTP"), "0");
	shim.follow = !is(setting(&s, "STRANDLINE_FOLLOW"), "0");
	shim.on = !is(setting(&s, "STRANDLINE"), "off") &&
		  !real_libc_is_foreign() &&
		  (shim.follow || number(setting(&s, "STRANDLINE_PID"), 0) ==
					  (uint64_t)sys_getpid());
	shim.patch = !is(setting(&s, "STRANDLINE_PATCH"), "0");
	shim.python = !is(setting(&s, "STRANDLINE_PYTHON"), "0");
	shim.mode = is(setting(&s, "STRANDLINE_MODE"), "exact")
			    ? SLAB_MODE_EXACT
			    : SLAB_MODE_SAMPLE;
	shim.python_objects = number(setting(&s, "STRANDLINE_PYTHON_OBJECTS"),
				     shim.mode == SLAB_MODE_SAMPLE);
	shim.rate = number(setting(&s, "STRANDLINE_RATE"), 0);
	shim.max_bytes =
		number(setting(&s, "STRANDLINE_MAX_BYTES"), DEFAULT_MAX_BYTES);
	shim.seed = number(setting(&s, "STRANDLINE_SEED"),
			   sys_clock_ns(CLOCK_MONOTONIC));
	if (setting(&s, "STRANDLINE_SEED"))
		shim.seed_pid = sys_getpid();
	dir = setting(&s, "STRANDLINE_DIR");
	if (dir)
		append(shim.dir, sizeof(shim.dir), 0, dir);
	else if (shim.on && !shim.idle)
		own_directory();
}

static bool start_rules(void)
{
	static void *memory;

	shim.tsc = invariant_tsc();
	shim.second_ticks = 3000000000ULL; /* near enough for patience */
	if (!shim.tsc)
		shim.second_ticks = 1000000000ULL;
	if (!memory)
		memory = shim_memory(rules_size(14));
	if (!memory)
		return false;
	shim.rules = rules_init(memory, 14);
	fork_start();
	return true;
}

static void start_parts(void)
{
	nodes_start();
	patch_start(shim.patch);
	modules_start();
	allocator_start();
	shim.file->allocator.allocator = SLAB_ALLOCATOR_UNKNOWN;
	allocator_refresh();
	thread_start();
	sampled_start();
	if (shim.http)
		requests_start(shim.routes);
	brk_start();
	python_begin();
}

static void start_recording(void)
{
	if (!start_rules() || !shim.on)
		return;
	open_quota();
	shim_begin_file(false);
	if (shim.file)
		start_parts();
}

bool shim_begin_late(int fd, int quota_fd, const char *routes)
{
	if (!start_rules())
		return false;
	if (quota_fd >= 0)
		map_quota(quota_fd);
	shim.routes = routes;
	shim.file = begin_file(fd, 0, false);
	if (shim.file)
		start_parts();
	return shim.file != NULL;
}

void shim_start(void)
{
	uint64_t since;

	if (shim.started)
		return;
	shim.started = true;
	real_start();
	sockets_start();
	openers_start();
	since = sys_clock_ns(CLOCK_MONOTONIC);
	read_settings();
	if (shim.on && shim.idle)
		late_wait();
	else if (shim.on && shim.dir[0])
		start_recording();
	shim.on = shim.file != NULL;
	if (shim.file)
		shim.file->stats.startup_ns =
			sys_clock_ns(CLOCK_MONOTONIC) - since;
}

__attribute__((constructor)) static void constructor(void)
{
	if (late_begin())
		return; /* late.c begins a recording when it is asked to */
	shim_start();
	if (shim.on || shim.idle)
		pyobjects_find();
	if (shim.on)
		pyobjects_begin(true);
}

/* What readers need to tell it from a kill. */
void shim_note_end(void)
{
	allocator_refresh();
	requests_account();
	slab_refresh_clock();
	reach_leave(&shim.file->entry, shim.path);
	shim.file->ended_monotonic_ns = sys_clock_ns(CLOCK_MONOTONIC);
}

__attribute__((destructor)) static void destructor(void)
{
	if (shim.file && *shim.fork_canary == FORK_CANARY)
		shim_note_end();
}
