/*
 * Truth, by function (calls, bytes asked for, live at the end):
 *
 *	kept		1,000 malloc of 100; none freed: 1,000 live, 100,000 B
 *	brief		  500 malloc of 24, each freed at once: temporary
 *	cleared		   10 calloc of 10 x 8 = 80; live 800 B
 *	grown		    1 malloc of 10, 9 realloc to 20 .. 100; live 100 B
 *	refused		    1 malloc of 64, a realloc that fails; live 64 B
 *	nothing		    7 malloc of 0; all freed
 *	aligned		    posix_memalign 1 MiB at 1 MiB, aligned_alloc 256 at
 *			    64, memalign 100 at 32, valloc 10, pvalloc 10; freed
 *	high		    1 malloc of 8 MiB, freed: it makes the peak
 *	from_handler	    1 malloc of 33 in a signal handler; live 33 B
 */
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline, noclone))

static void *pile[1000];
static void *left[16];

NOINLINE static void kept(void)
{
	for (int i = 0; i < 1000; i++)
		pile[i] = malloc(100);
}

NOINLINE static void brief(void)
{
	for (int i = 0; i < 500; i++)
		free(malloc(24));
}

NOINLINE static void cleared(void)
{
	for (int i = 0; i < 10; i++)
		left[i] = calloc(10, 8);
}

NOINLINE static void grown(void)
{
	void *p = malloc(10);

	for (size_t size = 20; size <= 100; size += 10)
		p = realloc(p, size);
	left[10] = p;
}

NOINLINE static int refused(void)
{
	void *p = malloc(64), *q;

	q = realloc(p, (size_t)1 << 60);
	left[11] = p;
	return q != NULL;
}

NOINLINE static void nothing(void)
{
	void *p[7];

	for (int i = 0; i < 7; i++)
		p[i] = malloc(0);
	for (int i = 0; i < 7; i++)
		free(p[i]);
	free(NULL);
}

NOINLINE static int aligned(void)
{
	void *p, *q[4];
	int wrong = posix_memalign(&p, 1 << 20, 1 << 20);

	q[0] = aligned_alloc(64, 256);
	q[1] = memalign(32, 100);
	q[2] = valloc(10);
	q[3] = pvalloc(10);
	wrong |= (uintptr_t)p % (1 << 20) || (uintptr_t)q[0] % 64;
	free(p);
	for (int i = 0; i < 4; i++)
		free(q[i]);
	return wrong;
}

NOINLINE static void high(void)
{
	char *p = malloc(8 << 20);

	memset(p, 1, 100);
	free(p);
}

NOINLINE static void from_handler(int signal)
{
	(void)signal;
	left[12] = malloc(33);
}

int main(void)
{
	int wrong;

	kept();
	brief();
	cleared();
	grown();
	wrong = refused();
	nothing();
	wrong |= aligned();
	high();
	signal(SIGUSR1, from_handler);
	raise(SIGUSR1);
	return wrong;
}
