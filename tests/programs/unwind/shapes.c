/*
 * shapes: mallocs below every kind of frame that C, signals and assembler can
 * make.  For the oracle: what it allocates does not matter, where from does.
 */
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NOIPA __attribute__((noipa))

typedef void action(void);

static action *const none = NULL;

/* shapes.S */
void shape_push_sub(action *then);
void shape_cfa_in_rbx(action *then);
void shape_cfa_in_r13(action *then);
void shape_remember(action *then);
void shape_drap(action *then);
void shape_expressions(action *then);
void shape_bp_is_cfa(action *then);
void shape_no_return(action *then);

static __thread jmp_buf back;
static volatile unsigned ticks;

NOIPA static void allocate(void)
{
	void *volatile p = malloc(48);

	free(p);
}

NOIPA static void with_alloca(size_t size)
{
	char *room = alloca(size);

	memset(room, 1, size);
	allocate();
	__asm__ volatile("" : : "r"(room) : "memory");
}

NOIPA static void with_vla(size_t n)
{
	int room[n];

	memset(room, 1, sizeof(room));
	allocate();
	__asm__ volatile("" : : "r"(room) : "memory");
}

NOIPA static void realigned(void)
{
	_Alignas(64) char room[64];

	memset(room, 1, sizeof(room));
	allocate();
	__asm__ volatile("" : : "r"(room) : "memory");
}

NOIPA static void realigned_with_alloca(size_t size)
{
	_Alignas(64) char room[64];
	char *more = alloca(size);

	memset(room, 1, sizeof(room));
	memset(more, 1, size);
	allocate();
	__asm__ volatile("" : : "r"(room), "r"(more) : "memory");
}

NOIPA static void large_frame(void)
{
	volatile char room[200000];

	room[1000] = 1;
	allocate();
	room[2000] = room[1000];
}

__attribute__((noipa, optimize("no-omit-frame-pointer"))) static void
with_frame_pointer(int depth)
{
	volatile char room[24];

	room[3] = 1;
	if (depth)
		with_frame_pointer(depth - 1);
	else
		allocate();
	room[4] = room[3];
}

NOIPA static unsigned recurse(unsigned depth)
{
	volatile char room[40];

	room[3] = (char)depth;
	if (depth == 0 || depth % 500 == 0)
		allocate();
	return depth ? recurse(depth - 1) + (unsigned)room[3] : 1;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	allocate();
	return x < y ? -1 : x > y;
}

NOIPA static void through_libc(void)
{
	int numbers[40];

	for (int i = 0; i < 40; i++)
		numbers[i] = i * 7919 % 40;
	qsort(numbers, 40, sizeof(numbers[0]), by_number);
	bsearch(&numbers[9], numbers, 40, sizeof(numbers[0]), by_number);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	(void)context;
	ticks++;
	allocate();
}

static void on_nested(int number)
{
	(void)number;
	raise(SIGUSR2);
	allocate();
}

NOIPA static void through_signals(void)
{
	struct sigaction plain = { .sa_handler = on_nested };
	struct sigaction info = { .sa_sigaction = on_signal,
				  .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &plain, NULL);
	sigaction(SIGUSR2, &info, NULL);
	raise(SIGUSR1);
	raise(SIGUSR2);
	with_frame_pointer(3);
}

/* No allocation here, the handler makes it; calls through the PLT. */
NOIPA static unsigned prologues(unsigned depth)
{
	volatile char room[72];
	struct timespec now;
	char text[32];

	room[5] = (char)depth;
	clock_gettime(CLOCK_MONOTONIC, &now);
	memcpy(text, "interrupted anywhere", 21);
	if (depth)
		return prologues(depth - 1) + (unsigned)room[5];
	return (unsigned)strlen(text) + (unsigned)now.tv_nsec % 2;
}

static void nothing(void)
{
}

/* A handler that interrupts at any instruction. */
NOIPA static void interrupted(void)
{
	struct sigaction info = { .sa_sigaction = on_signal,
				  .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval every = { { 0, 200 }, { 0, 200 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	time_t until = time(NULL) + 10;

	sigaction(SIGALRM, &info, NULL);
	ticks = 0;
	setitimer(ITIMER_REAL, &every, NULL);
	while (ticks < 1500 && time(NULL) < until) {
		prologues(5);
		shape_push_sub(nothing);
		shape_remember(none);
		shape_remember(nothing);
		shape_drap(nothing);
		shape_cfa_in_rbx(nothing);
		shape_expressions(nothing);
		shape_bp_is_cfa(nothing);
	}
	setitimer(ITIMER_REAL, &never, NULL);
}

static void leave(void)
{
	allocate();
	longjmp(back, 1);
}

NOIPA static void shapes(void)
{
	with_alloca(100);
	with_alloca(3000);
	with_vla(17);
	realigned();
	realigned_with_alloca(500);
	large_frame();
	with_frame_pointer(10);
	through_libc();
	shape_push_sub(allocate);
	shape_cfa_in_rbx(allocate);
	shape_cfa_in_r13(allocate);
	shape_remember(allocate);
	shape_drap(allocate);
	shape_drap(realigned);
	shape_expressions(allocate);
	shape_bp_is_cfa(allocate);
	shape_bp_is_cfa(through_signals);
	if (!setjmp(back))
		shape_no_return(leave);
}

static void *thread(void *unused)
{
	(void)unused;
	shapes();
	shape_cfa_in_rbx(shapes);
	shape_drap(shapes);
	recurse(100);
	return NULL;
}

int main(void)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		shapes();
	through_signals();
	recurse(2000);
	recurse(900);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, thread, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	interrupted();
	return 0;
}
