/*
 * Threads that do nothing but allocate and release, by the names that PREFIX
 * begins, until standard input ends: somebody changes the entries of these
 * functions meanwhile.
 *
 * It says "ready" when all are at it, and exits with 23 when no block was
 * given to two at once, nor lost what was written to it.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "tests/programs/truth/truth.h"

#ifndef PREFIX
#define PREFIX
#endif
#define PASTE2(a, b) a##b
#define PASTE(a, b)  PASTE2(a, b)
#define NAME(name)   PASTE(PREFIX, name)

void *NAME(malloc)(size_t size);
void *NAME(calloc)(size_t count, size_t size);
void *NAME(realloc)(void *p, size_t size);
void NAME(free)(void *p);

#define THREADS 4
#define HELD	64

static volatile bool over, broken;
static volatile int at_it;

static bool holds(const uint8_t *block, size_t size, uint8_t value)
{
	return block[0] == value && block[size / 2] == value &&
	       block[size - 1] == value;
}

NOINLINE static void *storm(void *number)
{
	uint8_t *blocks[HELD] = { 0 }, own = (uint8_t)(uintptr_t)number;
	size_t sizes[HELD] = { 0 };

	for (uint32_t i = 0; !over; i++) {
		uint32_t slot = i * 2654435761U >> 26, size = 16 + i % 500;

		if (blocks[slot] &&
		    !holds(blocks[slot], sizes[slot], (uint8_t)(own + slot)))
			broken = true;
		if (i % 3 == 0) {
			blocks[slot] = NAME(realloc)(blocks[slot], size);
		} else {
			NAME(free)(blocks[slot]);
			blocks[slot] = i % 3 == 1 ? NAME(malloc)(size)
						  : NAME(calloc)(1, size);
		}
		sizes[slot] = size;
		memset(blocks[slot], (uint8_t)(own + slot), size);
		if (i == 1000)
			__atomic_add_fetch(&at_it, 1, __ATOMIC_RELAXED);
	}
	for (int slot = 0; slot < HELD; slot++)
		NAME(free)(blocks[slot]);
	return NULL;
}

int main(void)
{
	static const char ready[] = "ready\n";
	pthread_t threads[THREADS];
	char byte;

	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, storm,
				   (void *)(i * HELD)))
			return 1;
	while (at_it < THREADS)
		usleep(1000);
	if (write(1, ready, sizeof(ready) - 1) < 0)
		return 2;
	while (read(0, &byte, 1) > 0)
		;
	over = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return broken ? 1 : 23;
}
