/*
 * A small allocator in the same file as its callers, compiled so that they
 * know which registers it leaves alone, and use them.
 *
 * TRUTH kept calls=1000 bytes=1499500 live=1499500 blocks=1000
 * TRUTH brief calls=3000 bytes=208000 live=0 blocks=0
 *
 * It exits with 23 when all sums that it kept in registers are right.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "tests/programs/truth/truth.h"

struct block {
	size_t size;
	struct block *next;
};

static _Alignas(64) char arena[64 << 20];
static size_t used;
static struct block *spare[64];

NOINLINE void *malloc(size_t size)
{
	size_t class = (size + 63) / 64;
	struct block *b;

	if (class < 64 && spare[class]) {
		b = spare[class];
		spare[class] = b->next;
		return b + 1;
	}
	if (size > sizeof(arena) - used - 128)
		return NULL;
	b = (struct block *)(arena + used);
	used += class * 64 + sizeof(*b);
	b->size = size;
	return b + 1;
}

NOINLINE void free(void *p)
{
	struct block *b = (struct block *)p - 1;
	size_t class;

	if (!p)
		return;
	class = (b->size + 63) / 64;
	if (class >= 64)
		return;
	b->next = spare[class];
	spare[class] = b;
}

NOINLINE void *calloc(size_t count, size_t size)
{
	void *p = malloc(count * size);

	return p ? memset(p, 0, count * size) : NULL;
}

NOINLINE void *realloc(void *old, size_t size)
{
	void *p = malloc(size);
	size_t before = old ? ((struct block *)old - 1)->size : 0;

	if (!p)
		return NULL;
	if (old)
		memcpy(p, old, before < size ? before : size);
	free(old);
	return p;
}

static void *left[1000];

/* More live values than registers that a call is sure to keep. */
NOINLINE static double kept(double x, long n)
{
	double a = x, b = x + 1, c = x + 2, d = x + 3, e = x + 4, f = x + 5;
	long i, j = n, k = n + 1, l = n + 2, m = n + 3, o = n + 4, q = n + 5;

	for (i = 0; i < 1000; i++) {
		left[i] = malloc(1000 + (size_t)i);
		a += b;
		b += c;
		c += d;
		d += e;
		e += f;
		f += 1;
		j += k ^ i;
		k += l;
		l += m ^ 3;
		m += o;
		o += q ^ i;
		q += 1;
	}
	return a + b + c + d + e + f + (double)(j ^ k ^ l ^ m ^ o ^ q);
}

/* The same without a block. */
NOINLINE static double expected(double x, long n)
{
	double a = x, b = x + 1, c = x + 2, d = x + 3, e = x + 4, f = x + 5;
	long i, j = n, k = n + 1, l = n + 2, m = n + 3, o = n + 4, q = n + 5;

	for (i = 0; i < 1000; i++) {
		__asm__ volatile("");
		a += b;
		b += c;
		c += d;
		d += e;
		e += f;
		f += 1;
		j += k ^ i;
		k += l;
		l += m ^ 3;
		m += o;
		o += q ^ i;
		q += 1;
	}
	return a + b + c + d + e + f + (double)(j ^ k ^ l ^ m ^ o ^ q);
}

NOINLINE static long brief(long a, long b, long c, long d, long e)
{
	long sum = 0;

	for (long i = 0; i < 1000; i++) {
		char *p = calloc(1, 8);

		sum += p[0] + a * i;
		p = realloc(p, 100);
		sum ^= b + c;
		p = realloc(p, 100);
		sum += d ^ e;
		free(p);
	}
	return sum;
}

NOINLINE static long brief_expected(long a, long b, long c, long d, long e)
{
	long sum = 0;

	for (long i = 0; i < 1000; i++) {
		sum += a * i;
		sum ^= b + c;
		sum += d ^ e;
	}
	return sum;
}

int main(int argc, char **argv)
{
	static const char done[] = "done\n";
	long n = argc;

	(void)argv;
	if (kept((double)n, n) != expected((double)n, n) ||
	    brief(n, n + 1, n + 2, n + 3, n + 4) !=
		    brief_expected(n, n + 1, n + 2, n + 3, n + 4))
		return 1;
	return write(1, done, sizeof(done) - 1) == sizeof(done) - 1 ? 23 : 2;
}
