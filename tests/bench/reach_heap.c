/*
 * reach_heap [COUNT]: a heap to be scanned: COUNT blocks (5 million) of 16 to
 * 392 bytes, 1 GiB in all, most referred to by an earlier one and every
 * hundredth by none, and three threads more.
 *
 * Prints its pid and how many blocks nothing refers to; then, for each line
 * that comes, how many ms a fork of it takes.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPEN 65536 /* blocks that the next ones hang on */

struct block {
	uint64_t used; /* of the slots */
	struct block *slots[];
};

static struct {
	struct block *block;
	uint64_t room;
} open_blocks[OPEN];
static struct block *roots[OPEN];
static uint64_t state = 88172645463325252ULL;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Refer to @b from an open block, and open it in the place of a full one. */
static void hang(struct block *b, uint64_t room)
{
	uint64_t at = draw() % OPEN;
	struct block *parent = open_blocks[at].block;

	parent->slots[parent->used++] = b;
	if (--open_blocks[at].room == 0 || draw() % 4 == 0) {
		open_blocks[at].block = b;
		open_blocks[at].room = room;
	}
}

static unsigned long fill(unsigned long count)
{
	unsigned long lost = 0;

	for (unsigned long i = 0; i < count; i++) {
		uint64_t words = 2 + draw() % 48;
		struct block *b = calloc(words, 8);

		if (!b)
			abort();
		if (i < OPEN) {
			roots[i] = open_blocks[i].block = b;
			open_blocks[i].room = words - 1;
		} else if (i % 100 == 0) {
			lost++;
		} else {
			hang(b, words - 1);
		}
	}
	return lost;
}

static void *stand(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static double fork_ms(void)
{
	struct timespec before, after;
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &before);
	pid = fork();
	if (pid == 0)
		_exit(0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	waitpid(pid, NULL, 0);
	return (double)(after.tv_sec - before.tv_sec) * 1e3 +
	       (double)(after.tv_nsec - before.tv_nsec) / 1e6;
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 5000000;
	pthread_t thread;
	char line[16];

	printf("%d ", (int)getpid());
	printf("%lu\n", fill(count < OPEN ? OPEN : count));
	memset(open_blocks, 0, sizeof(open_blocks));
	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, stand, NULL);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		printf("%.2f\n", fork_ms());
		fflush(stdout);
	}
	return roots[draw() % OPEN] == NULL;
}
