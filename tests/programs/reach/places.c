/*
 * reach_places SECONDS [PLUGIN]: keeps blocks in every place that a pointer
 * can be in, and loses some; waits, frees some, waits again, and exits with 0.
 * SIGUSR1 ends the first wait and SIGUSR2 the second, which else take 3/4 and
 * 1/4 of SECONDS.
 *
 * Functions that make unreachable blocks, and how many of what size:
 *   lost_list	100 of 48, each but the first referred to by the one before
 *   lost_cycle	10 of 64, in a ring
 *   lost_root	5 of 128, each referring to one of
 *   lost_leaf	5 of 32
 *   hidden	20 of 80, kept as XOR of their addresses and a number; half of
 *		them are freed after 3/4 of the time, so they are not lost
 * What kept_*() make, one block of 200 each, is in use.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))
#define USE(p)	 __asm__ volatile("" : : "r"(p) : "memory")
#define KEPT	 200

struct node {
	struct node *next;
	char rest[];
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *make(size_t size)
{
	void *p = malloc(size);

	if (!p)
		fail("malloc");
	memset(p, 0, size);
	return p;
}

/* Make blocks under one's own name; the pointer is nobody's but the caller's.
 */
#define MAKER(name)                       \
	NOINLINE void *name(size_t size); \
	NOINLINE void *name(size_t size)  \
	{                                 \
		void *p = make(size);     \
                                          \
		USE(p);                   \
		return p;                 \
	}
MAKER(lost_list)
MAKER(lost_cycle)
MAKER(lost_root)
MAKER(lost_leaf)
MAKER(hidden)
MAKER(kept_global)
MAKER(kept_inside)
MAKER(kept_heap)
MAKER(kept_tls)
MAKER(kept_stack)
MAKER(kept_register)
MAKER(kept_vector)
MAKER(kept_library)
MAKER(kept_mapping)
MAKER(kept_read_only)
MAKER(kept_epoll)
MAKER(kept_timer)
MAKER(kept_shared)

/* What earlier calls left on the stack, where a later frame may lie. */
static NOINLINE void wipe(void)
{
	volatile char bytes[16384];

	memset((char *)bytes, 0, sizeof(bytes));
	USE(bytes);
}

static NOINLINE void lose(void)
{
	struct node *list = NULL, *first = NULL, *last = NULL;

	for (int i = 0; i < 100; i++) {
		struct node *n = lost_list(48);

		n->next = list;
		list = n;
	}
	for (int i = 0; i < 10; i++) {
		struct node *n = lost_cycle(64);

		n->next = last;
		last = n;
		first = first ? first : n;
	}
	first->next = last;
	for (int i = 0; i < 5; i++) {
		struct node *n = lost_root(128);

		n->next = lost_leaf(32);
		USE(n);
	}
	USE(list);
}

#define KEY 0x5a5a5a5a5a5a5a5aULL
static uint64_t hidden_words[20];

static NOINLINE void hide(void)
{
	for (int i = 0; i < 20; i++)
		hidden_words[i] = (uint64_t)hidden(80) ^ KEY;
}

static NOINLINE void show_half(void)
{
	for (int i = 0; i < 10; i++)
		free((void *)(hidden_words[i] ^ KEY));
}

static void *volatile global;
static char *volatile inside;
static struct node *volatile heap;
static __thread void *volatile tls;
static pthread_barrier_t ready;

static void *tls_thread(void *arg)
{
	tls = kept_tls(KEPT);
	wipe();
	pthread_barrier_wait(&ready);
	for (;;)
		pause();
	return arg;
}

static void *stack_thread(void *arg)
{
	void *volatile mine = kept_stack(KEPT);

	wipe();
	pthread_barrier_wait(&ready);
	for (;;) {
		pause();
		USE(mine);
	}
	return arg;
}

/* Until the end of the process, with the pointer in r15 alone. */
static void *register_thread(void *arg)
{
	pthread_barrier_wait(&ready);
	__asm__ volatile("call kept_register\n\t"
			 "mov %%rax, %%r15\n\t"
			 "call wipe_for_asm\n"
			 "1:\tmov %0, %%eax\n\t"
			 "syscall\n\t"
			 "jmp 1b"
			 :
			 : "i"(SYS_pause), "D"((long)KEPT)
			 : "memory");
	return arg;
}

static void *vector_thread(void *arg)
{
	pthread_barrier_wait(&ready);
	__asm__ volatile("call kept_vector\n\t"
			 "push %%rax\n\t"
			 "call wipe_for_asm\n\t"
			 "pop %%rax\n\t"
			 "movq %%rax, %%xmm7\n"
			 "1:\tmov %0, %%eax\n\t"
			 "syscall\n\t"
			 "jmp 1b"
			 :
			 : "i"(SYS_pause), "D"((long)KEPT)
			 : "memory");
	return arg;
}

__attribute__((used)) static void wipe_for_asm(void) __asm__("wipe_for_asm");
static void wipe_for_asm(void)
{
	wipe();
}

static void **map(int flags)
{
	void **p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static NOINLINE void keep_in_kernel(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct sigevent when = { .sigev_notify = SIGEV_NONE };
	int epoll = epoll_create1(0), event = eventfd(0, 0);
	timer_t timer;

	ev.data.ptr = kept_epoll(KEPT);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, event, &ev) < 0)
		fail("epoll_ctl");
	when.sigev_value.sival_ptr = kept_timer(KEPT);
	if (timer_create(CLOCK_MONOTONIC, &when, &timer) < 0)
		fail("timer_create");
}

static NOINLINE void keep_in_mappings(void)
{
	void **read_only = map(MAP_PRIVATE);

	map(MAP_PRIVATE)[3] = kept_mapping(KEPT);
	map(MAP_SHARED)[3] = kept_shared(KEPT);
	read_only[100] = kept_read_only(KEPT);
	mprotect(read_only, 4096, PROT_READ);
}

static NOINLINE void keep(const char *plugin)
{
	void *library = plugin ? dlopen(plugin, RTLD_NOW) : NULL;
	void (*put)(void *);

	global = kept_global(KEPT);
	inside = (char *)kept_inside(KEPT) + 150;
	heap = make(64); /* in main's name */
	heap->next = kept_heap(KEPT);
	if (library) {
		put = (void (*)(void *))dlsym(library, "plugin_keep");
		put(kept_library(KEPT));
	}
	keep_in_kernel();
	keep_in_mappings();
}

static void start(void *(*run)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, NULL))
		fail("pthread_create");
}

/* Until a signal that all threads block, or for some time. */
static void wait_for(int signal, double seconds)
{
	struct timespec most = { .tv_sec = (time_t)seconds };
	sigset_t set;

	most.tv_nsec = (long)((seconds - (double)most.tv_sec) * 1e9);
	sigemptyset(&set);
	sigaddset(&set, signal);
	sigtimedwait(&set, NULL, &most);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 4;
	sigset_t waited;

	sigemptyset(&waited);
	sigaddset(&waited, SIGUSR1);
	sigaddset(&waited, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &waited, NULL);
	pthread_barrier_init(&ready, NULL, 5);
	start(tls_thread);
	start(stack_thread);
	start(register_thread);
	start(vector_thread);
	pthread_barrier_wait(&ready);
	keep(argc > 2 ? argv[2] : NULL);
	lose();
	hide();
	wipe();
	wait_for(SIGUSR1, seconds * 0.75);
	show_half();
	wipe();
	wait_for(SIGUSR2, seconds * 0.25);
	return 0;
}
