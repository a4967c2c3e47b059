/*
 * spans: 100 times a span within a span, and 50 tasks that hop between two
 * threads, each at its own span when it runs.
 */
#include "preload/api/strandline.h"

#include <pthread.h>
#include <stdlib.h>

#define TASKS 50

static void *volatile sink;

static void allocate(size_t size)
{
	sink = malloc(size);
	free(sink);
}

static void embed(void)
{
	STRANDLINE_SPAN("embed");

	allocate(3000);
}

static void answer(void)
{
	STRANDLINE_SPAN("answer");

	allocate(1000);
	embed();
	allocate(500);
}

static struct strandline_span tasks[TASKS];

/* A step of each task, in turn. */
static void *step(void *size)
{
	for (int i = 0; i < TASKS; i++) {
		uint64_t before = strandline_turn(tasks[i].number);

		allocate((size_t)size * (size_t)(1 + i % 2));
		strandline_turn(before);
		allocate(7777);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread;

	for (int i = 0; i < 100; i++)
		answer();
	for (int i = 0; i < TASKS; i++) {
		tasks[i] = strandline_begin(i % 2 ? "odd" : "even");
		strandline_turn(0);
	}
	step((void *)100);
	pthread_create(&thread, NULL, step, (void *)1000);
	pthread_join(thread, NULL);
	for (int i = 0; i < TASKS; i++)
		strandline_end(&tasks[i]);
	return 0;
}
