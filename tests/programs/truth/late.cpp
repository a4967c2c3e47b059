/*
 * Blocks that thread-local destructors free, and make, as late as can be.
 *
 * TRUTH fill calls=3200 bytes=320000 live=0 blocks=0
 * TRUTH last_words calls=32 bytes=1600 live=1600 blocks=32
 *
 * 32 threads each leave 100 blocks of 100 bytes to a C++ thread_local and to
 * a key of thread-specific data whose destructor asks to be called again
 * three times; the last call makes a block of 50 that nobody frees.
 */
#include <cstdlib>
#include <pthread.h>
#include <thread>
#include <vector>

#include "truth.h"

static pthread_key_t key;

struct Owner {
	void *blocks[50];

	~Owner()
	{
		for (void *block : blocks)
			free(block);
	}
};

static thread_local Owner owner;

struct Bag {
	void *blocks[50];
	int rounds;
};

NOINLINE static void fill(void **blocks)
{
	for (int i = 0; i < 50; i++)
		blocks[i] = malloc(100);
}

NOINLINE static void last_words()
{
	void *p = malloc(50);

	USE(p);
}

static void leave(void *arg)
{
	Bag *bag = static_cast<Bag *>(arg);

	if (bag->rounds++ < 2) {
		pthread_setspecific(key, bag);
		return;
	}
	for (void *block : bag->blocks)
		free(block);
	last_words();
}

int main()
{
	static Bag bags[32];

	pthread_key_create(&key, leave);
	for (Bag &bag : bags) {
		std::thread([&bag] {
			fill(owner.blocks);
			fill(bag.blocks);
			pthread_setspecific(key, &bag);
		}).join();
	}
	return 0;
}
