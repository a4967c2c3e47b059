/*
 * A server that hangs: two threads take two locks in opposite order.
 *
 * Truth: take_first_then_second() holds `first` and waits for `second`, which
 * take_second_then_first() holds, which waits for `first`.  A third thread,
 * bystander(), waits for `first` too and is in no circle; the first thread
 * waits for the first of them to end.
 */
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;

static void *take_first_then_second(void *unused)
{
	pthread_mutex_lock(&first);
	pthread_barrier_wait(&both);
	pthread_mutex_lock(&second);
	return unused;
}

static void *take_second_then_first(void *unused)
{
	pthread_mutex_lock(&second);
	pthread_barrier_wait(&both);
	pthread_mutex_lock(&first);
	return unused;
}

static void *bystander(void *unused)
{
	pthread_barrier_wait(&both);
	pthread_mutex_lock(&first);
	return unused;
}

int main(void)
{
	pthread_t threads[3];

	pthread_barrier_init(&both, NULL, 4);
	if (pthread_create(&threads[0], NULL, take_first_then_second, NULL) ||
	    pthread_create(&threads[1], NULL, take_second_then_first, NULL) ||
	    pthread_create(&threads[2], NULL, bystander, NULL))
		return 1;
	pthread_barrier_wait(&both);
	puts("ready");
	fflush(stdout);
	pthread_join(threads[0], NULL);
	return 0;
}
