/*
 * waits: a server whose answers take 150 ms, for a reason that their path
 * names: /sleep, /spin, /lock, /socket.  /stream: 50 ms to the first byte,
 * then a pause of 100 ms.  A thread for each connection; one more sleeps and
 * works all the time, for nobody.
 *
 *	waits PORT
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MS	1000000L
#define TAKE_NS (150 * MS)
#define OK	"HTTP/1.1 200 OK\r\n"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void pause_ns(long ns)
{
	nanosleep(&(struct timespec) { .tv_nsec = ns }, NULL);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Nothing after a call would let the compiler jump to what it calls. */
#define STAY __asm__ volatile("")

__attribute__((noinline)) static void do_sleep(void)
{
	pause_ns(TAKE_NS);
	STAY;
}

__attribute__((noinline)) static void do_spin(void)
{
	double end = now() + TAKE_NS / 1e9;

	while (now() < end)
		STAY;
}

static void *hold(void *taken)
{
	pthread_mutex_lock(&lock);
	*(volatile int *)taken = 1;
	pause_ns(TAKE_NS);
	pthread_mutex_unlock(&lock);
	return NULL;
}

__attribute__((noinline)) static void do_lock(void)
{
	volatile int taken = 0;
	pthread_t holder;

	if (pthread_create(&holder, NULL, hold, (void *)&taken) != 0)
		abort();
	while (!taken)
		pause_ns(MS / 10);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	pthread_join(holder, NULL);
}

static void *write_later(void *to)
{
	pause_ns(TAKE_NS);
	if (send(*(int *)to, "x", 1, 0) != 1)
		abort();
	return NULL;
}

__attribute__((noinline)) static void do_socket(void)
{
	pthread_t writer;
	int pair[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
	    pthread_create(&writer, NULL, write_later, &pair[1]) != 0 ||
	    recv(pair[0], &byte, 1, 0) != 1)
		abort();
	pthread_join(writer, NULL);
	close(pair[0]);
	close(pair[1]);
}

static void answer(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		pthread_exit(NULL);
}

__attribute__((noinline)) static void do_stream(int fd)
{
	pause_ns(50 * MS);
	answer(fd, OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
	pause_ns(100 * MS);
	answer(fd, "1\r\nb\r\n0\r\n\r\n");
}

static void handle(int fd, const char *request)
{
	if (strstr(request, " /stream ")) {
		do_stream(fd);
		return;
	}
	if (strstr(request, " /sleep "))
		do_sleep();
	else if (strstr(request, " /spin "))
		do_spin();
	else if (strstr(request, " /lock "))
		do_lock();
	else if (strstr(request, " /socket "))
		do_socket();
	answer(fd, OK "Content-Length: 2\r\n\r\nok");
}

static void *serve(void *argument)
{
	int fd = (int)(long)argument;
	char request[4096];
	ssize_t size;

	while ((size = read(fd, request, sizeof(request) - 1)) > 0) {
		request[size] = '\0';
		handle(fd, request);
	}
	close(fd);
	return NULL;
}

static void *work_for_nobody(void *nothing)
{
	for (;;)
		pause_ns(20 * MS);
	return nothing;
}

static void start(void *(*body)(void *), void *argument)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, argument) != 0)
		abort();
	pthread_detach(thread);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (argc != 2) {
		fprintf(stderr, "usage: waits PORT\n");
		return 2;
	}
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, 64) < 0)
		return 1;
	start(work_for_nobody, NULL);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0)
			return 1;
		start(serve, (void *)(long)client);
	}
}
