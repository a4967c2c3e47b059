/*
 * probed: does one thing that a probe should see, over and over.
 *
 *   spin DEPTH	    work() at the end of DEPTH calls of dive()
 *   signal	    work() in a signal's handler, interrupting dive()
 *   jit NAME	    work() at the end of dive(), which code that is made at run
 *		    time calls, with a frame pointer and no rules; a NAME that
 *		    is not "-" is what /tmp/perf-PID.map says of it
 *   late PLUGIN    late_spin() of a plugin, after a line on standard input
 *   grow MIB	    at a line on standard input, write to MIB MiB of new
 *		    memory: 3/4 below keep(), 1/4 below lend(); lent memory
 *		    goes back at the second line, and it exits at the third
 *   wait WHAT	    futex, epoll, socket, pipe or sleep, for 20 ms each time
 *   heap	    keep 2 MiB in inherit(); at each line on standard input
 *		    keep 4096 blocks of 1000 bytes in hoard(), and take and give
 *		    back four times as many in churn()
 *   malloc	    allocate and release, and nothing else
 *   fork	    start children that spin for 0.2 s, one after the other
 *
 * It prints a line when it has begun, and after each thing it was told to do.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

static volatile uint64_t count;

static void say(const char *word)
{
	puts(word);
	fflush(stdout);
}

static void listen_for_a_line(void)
{
	char line[64];

	if (!fgets(line, sizeof(line), stdin))
		exit(0);
}

NOINLINE void work(uint64_t turns)
{
	while (turns--)
		count++;
}

/* Its frame has a size that only it knows. */
NOINLINE void dive(int depth, uint64_t turns)
{
	char *room = alloca(16 + (count & 64));

	memset(room, depth, 16);
	if (depth > 1)
		dive(depth - 1, turns);
	else
		work(turns);
	count += (uint64_t)room[3];
}

static void spin(const char *depth)
{
	say("spinning");
	for (;;)
		dive(atoi(depth), 1000000);
}

static void on_signal(int number)
{
	(void)number;
	work(3000000);
}

static void interrupt(void)
{
	const struct itimerval often = { { 0, 20000 }, { 0, 20000 } };

	signal(SIGALRM, on_signal);
	setitimer(ITIMER_REAL, &often, NULL);
	say("interrupted");
	for (;;)
		dive(5, 100000);
}

/* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
static const unsigned char trampoline[] = { 0x55, 0x48, 0x89, 0xe5,
					    0xff, 0xd7, 0x5d, 0xc3 };

static void dive_once(void)
{
	dive(5, 100000);
	count++; /* no tail call */
}

static void name_code(const void *code, const char *name)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	file = fopen(path, "w");
	if (!file)
		exit(3);
	fprintf(file, "%lx %zx %s\n", (unsigned long)code, sizeof(trampoline),
		name);
	fclose(file);
}

NOINLINE void generate(const char *name)
{
	char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*call)(void (*)(void));

	if (code == MAP_FAILED)
		exit(3);
	memcpy(code, trampoline, sizeof(trampoline));
	if (strcmp(name, "-"))
		name_code(code, name);
	*(void **)&call = code;
	say("generated");
	for (;;)
		call(dive_once);
}

static void late(const char *plugin)
{
	void (*spin_late)(uint64_t);
	void *handle;

	say("ready");
	listen_for_a_line();
	handle = dlopen(plugin, RTLD_NOW);
	if (!handle)
		exit(3);
	*(void **)&spin_late = dlsym(handle, "late_spin");
	say("loaded");
	for (;;)
		spin_late(100000);
}

NOINLINE char *take(size_t size)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		exit(3);
	madvise(at, size, MADV_NOHUGEPAGE);
	memset(at, 1, size);
	return at;
}

NOINLINE char *keep(size_t size)
{
	char *at = take(size);

	count += (uint64_t)at[0];
	return at;
}

NOINLINE char *lend(size_t size)
{
	char *at = take(size);

	count += (uint64_t)at[0];
	return at;
}

static void grow(const char *mib)
{
	size_t size = (size_t)atoi(mib) << 20;
	char *lent;

	say("ready");
	listen_for_a_line();
	keep(size / 4 * 3);
	lent = lend(size / 4);
	say("grown");
	listen_for_a_line();
	munmap(lent, size / 4);
	say("shrunk");
	listen_for_a_line();
}

NOINLINE void wait_for(const char *what, const int *fds)
{
	static const struct timespec while_ = { 0, 20000000 };
	char byte;

	if (!strcmp(what, "futex")) {
		static uint32_t word;

		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &while_, NULL,
			0);
	} else if (!strcmp(what, "epoll")) {
		struct epoll_event event;

		epoll_wait(fds[0], &event, 1, 20);
	} else if (!strcmp(what, "sleep")) {
		nanosleep(&while_, NULL);
	} else if (read(fds[0], &byte, 1) < 0 && errno != EAGAIN) {
		exit(3);
	}
}

/* Somebody who writes a byte every 20 ms. */
static void write_often(int fd)
{
	if (fork())
		return;
	for (;;) {
		usleep(20000);
		if (write(fd, "x", 1) != 1)
			_exit(0);
	}
}

static void waits(const char *what)
{
	int fds[2] = { -1, -1 };

	signal(SIGPIPE, SIG_DFL);
	if (!strcmp(what, "epoll"))
		fds[0] = epoll_create1(0);
	else if (!strcmp(what, "pipe") && pipe(fds) == 0)
		write_often(fds[1]);
	else if (!strcmp(what, "socket") &&
		 socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0)
		write_often(fds[1]);
	close(fds[1]);
	say("waiting");
	for (;;)
		wait_for(what, fds);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void *volatile kept[64 * 1024];
static unsigned kept_count;

/* Inlined: whose block it is, their names say. */
static inline __attribute__((always_inline)) void keep_block(size_t size)
{
	char *block = malloc(size);

	memset(block, 1, size);
	kept[kept_count++ % (sizeof(kept) / sizeof(kept[0]))] = block;
}

NOINLINE void inherit(void)
{
	for (int i = 0; i < 2048; i++)
		keep_block(1024);
}

NOINLINE void hoard(void)
{
	keep_block(1000);
}

NOINLINE void churn(void)
{
	char *block = calloc(3, 100);

	block = realloc(block, 1000);
	memset(block, 1, 1000);
	free(block);
}

static void heap(void)
{
	inherit();
	say("ready");
	for (;;) {
		listen_for_a_line();
		for (int i = 0; i < 4 * 4096; i++) {
			churn();
			if (i % 4 == 0)
				hoard();
		}
		say("done");
	}
}

NOINLINE void allocate(void)
{
	for (;;) {
		char *volatile block = malloc(64);

		free(block);
		count++;
	}
}

static void forks(void)
{
	say("forking");
	for (;;) {
		pid_t child = fork();

		if (child == 0) {
			uint64_t end = now_ms() + 200;

			while (now_ms() < end)
				dive(3, 100000);
			_exit(0);
		}
		waitpid(child, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const char *how = argc > 2 ? argv[2] : "1";

	if (!strcmp(what, "spin"))
		spin(how);
	else if (!strcmp(what, "signal"))
		interrupt();
	else if (!strcmp(what, "jit"))
		generate(how);
	else if (!strcmp(what, "late"))
		late(how);
	else if (!strcmp(what, "grow"))
		grow(how);
	else if (!strcmp(what, "wait"))
		waits(how);
	else if (!strcmp(what, "heap"))
		heap();
	else if (!strcmp(what, "malloc")) {
		say("allocating");
		allocate();
	} else if (!strcmp(what, "fork"))
		forks();
	else
		return 2;
	return 0;
}
