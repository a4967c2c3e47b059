/*
 * Every function of an allocator that is linked in, called by its name, which
 * PREFIX begins: malloc, je_malloc, _rjem_malloc.
 *
 * TRUTH kept calls=1000 bytes=100000 live=100000 blocks=1000
 * TRUTH brief calls=2000 bytes=72000 live=0 blocks=0
 * TRUTH aligned calls=4 bytes=9932 live=100 blocks=1
 * TRUTH grown calls=8 bytes=4080 live=0 blocks=0
 * TRUTH nothing calls=10 bytes=0 live=0 blocks=0
 * TRUTH refused calls=1 bytes=64 live=64 blocks=1
 * TRUTH made calls=40000 bytes=1920000 live=0 blocks=0
 * TRUTH child calls=0 bytes=0 live=0 blocks=0
 *
 * What made() makes another thread frees.  A child process has its own books.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/truth/truth.h"

#ifdef PREFIX
#define PASTE2(a, b)   a##b
#define PASTE(a, b)    PASTE2(a, b)
#define malloc	       PASTE(PREFIX, malloc)
#define calloc	       PASTE(PREFIX, calloc)
#define realloc	       PASTE(PREFIX, realloc)
#define free	       PASTE(PREFIX, free)
#define posix_memalign PASTE(PREFIX, posix_memalign)
#define aligned_alloc  PASTE(PREFIX, aligned_alloc)
#define memalign       PASTE(PREFIX, memalign)
#define valloc	       PASTE(PREFIX, valloc)
#endif

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *p, size_t size);
void free(void *p);
int posix_memalign(void **out, size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size);
void *valloc(size_t size);

#define BLOCKS 10000

static void *blocks[4][BLOCKS], *left[1003];
static volatile size_t too_much = PTRDIFF_MAX - 64, zero;

NOINLINE static void kept(void)
{
	for (int i = 0; i < 1000; i++)
		memset(left[i] = malloc(100), i, 100);
}

NOINLINE static void brief(void)
{
	for (int i = 0; i < 1000; i++)
		free(realloc(calloc(3, 8), 48));
}

NOINLINE static void aligned(void)
{
	void *p[4];

	if (posix_memalign(&p[0], 64, 640) != 0)
		abort();
	p[1] = aligned_alloc(4096, 8192);
	p[2] = memalign(256, 1000);
	p[3] = valloc(100);
	if ((uintptr_t)p[0] % 64 || (uintptr_t)p[1] % 4096 ||
	    (uintptr_t)p[2] % 256 || (uintptr_t)p[3] % 4096)
		abort();
	for (int i = 0; i < 3; i++)
		free(p[i]);
	left[1000] = p[3];
}

NOINLINE static void grown(void)
{
	char *p = NULL;

	for (size_t size = 16; size <= 2048; size *= 2) {
		p = realloc(p, size);
		memset(p, 1, size);
	}
	free(p);
	free(NULL);
}

NOINLINE static void nothing(void)
{
	for (int i = 0; i < 10; i++)
		free(malloc(zero));
}

NOINLINE static void refused(void)
{
	void *p = &p, *block = malloc(64);

	errno = 0;
	if (malloc(too_much) || calloc(too_much, 4) ||
	    realloc(block, too_much) || errno != ENOMEM)
		abort();
	if (posix_memalign(&p, 3, 8) != EINVAL || p != &p)
		abort();
	left[1001] = block;
}

NOINLINE static void *made(void *row)
{
	void **at = row;

	for (int i = 0; i < BLOCKS; i++)
		at[i] = malloc(48);
	return NULL;
}

static void *freed(void *row)
{
	void **at = row;

	for (int i = 0; i < BLOCKS; i++)
		free(at[i]);
	return NULL;
}

static void in_threads(void *(*run)(void *))
{
	pthread_t threads[4];

	for (int t = 0; t < 4; t++)
		pthread_create(&threads[t], NULL, run, blocks[t]);
	for (int t = 0; t < 4; t++)
		pthread_join(threads[t], NULL);
}

NOINLINE static int child(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		for (int i = 0; i < 500; i++)
			free(left[i]);
		_exit(left[999] != NULL && memcmp(left[999], left[743], 9) == 0
			      ? 7
			      : 1);
	}
	return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7;
}

int main(void)
{
	static const char done[] = "done\n";

	kept();
	brief();
	aligned();
	grown();
	nothing();
	refused();
	in_threads(made);
	in_threads(freed);
	if (!child())
		return 1;
	return write(1, done, sizeof(done) - 1) == sizeof(done) - 1 ? 23 : 2;
}
