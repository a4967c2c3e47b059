#include "tests/servers/rag_c/faults.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_SIZE  1024
#define HISTORY	     16384
#define BUFFER_SIZE  8192
#define SCRATCH_SIZE 65536

struct fault {
	const char *name, *verdict, *endpoint, *function;
	size_t bytes_per_request;
	void (*on_start)(void);
	void (*on_search)(const char *query);
	void (*on_chat)(const char *prompt);
};

struct remembered { /* an answer that is never asked for again */
	struct remembered *next;
	char *answer;
	char pad[24];
};

static struct {
	const struct fault *fault;
	pthread_mutex_t lock; /* guards what follows */
	size_t leak_bytes;
	struct remembered *answers;
	void *history[HISTORY]; /* a ring, full from the start */
	size_t oldest;
	unsigned chats;
} planted = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The last buffer of this thread, shrunk once the next one is behind it. */
static __thread void *unshrunk;

/* Copies the prompt into a buffer that nobody frees. */
__attribute__((noinline)) static void parse_prompt(const char *prompt)
{
	char *buffer = malloc(planted.leak_bytes);

	if (buffer)
		strncpy(buffer, prompt, planted.leak_bytes - 1);
	__asm__ volatile("" : : "r"(buffer) : "memory");
}

__attribute__((noinline)) static void remember_answer(const char *query)
{
	struct remembered *r = malloc(sizeof(*r));

	if (!r)
		return;
	r->answer = calloc(1, ANSWER_SIZE);
	if (r->answer)
		strncpy(r->answer, query, ANSWER_SIZE - 1);
	pthread_mutex_lock(&planted.lock);
	r->next = planted.answers;
	planted.answers = r;
	pthread_mutex_unlock(&planted.lock);
}

static void fill_history(void)
{
	for (size_t i = 0; i < HISTORY; i++)
		planted.history[i] = malloc(48);
	malloc_trim(0); /* what the start left free must not hide the growth */
}

/*
 * One more kept head of 48 bytes, and behind it one more hole, just too small
 * for the next buffer; the oldest head goes.  glibc shrinks in place, so its
 * heap grows although what lives in it does not.
 */
__attribute__((noinline)) static void shrink_to_fit(const char *query)
{
	char *buffer = malloc(BUFFER_SIZE), *last = unshrunk;

	if (!buffer)
		return;
	memset(buffer, query[0], BUFFER_SIZE);
	unshrunk = buffer;
	if (!last)
		return;
	last = realloc(last, 48);
	pthread_mutex_lock(&planted.lock);
	free(planted.history[planted.oldest]);
	planted.history[planted.oldest] = last;
	planted.oldest = (planted.oldest + 1) % HISTORY;
	pthread_mutex_unlock(&planted.lock);
}

__attribute__((noinline)) static void map_scratch(const char *prompt)
{
	char *scratch = mmap(NULL, SCRATCH_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (scratch != MAP_FAILED)
		memset(scratch, prompt[0], SCRATCH_SIZE);
}

static void *watch(void *arg)
{
	for (;;)
		pause();
	return arg;
}

__attribute__((noinline)) static void start_watcher(const char *prompt)
{
	pthread_t thread;

	(void)prompt;
	if (__atomic_add_fetch(&planted.chats, 1, __ATOMIC_RELAXED) % 8 == 0 &&
	    pthread_create(&thread, NULL, watch, NULL) == 0)
		pthread_detach(thread);
}

static void raise_fd_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

__attribute__((noinline)) static void open_audit_log(const char *prompt)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)prompt;
	__asm__ volatile("" : : "r"(fd)); /* no jump: it is to be named */
}

__attribute__((noinline)) static void wait_for_replica(const char *prompt)
{
	const struct timespec far_away = { 1, 200000000 };

	(void)prompt;
	nanosleep(&far_away, NULL);
}

static const struct fault faults[] = {
	{ .name = "none", .verdict = "clean", .endpoint = "", .function = "" },
	{ .name = "native_leak",
	  .verdict = "leak",
	  .endpoint = "/api/v1/chat",
	  .function = "parse_prompt",
	  .bytes_per_request = 1024,
	  .on_chat = parse_prompt },
	{ .name = "cache",
	  .verdict = "growth",
	  .endpoint = "/api/v1/retrieval/search",
	  .function = "remember_answer",
	  .bytes_per_request = sizeof(struct remembered) + ANSWER_SIZE,
	  .on_search = remember_answer },
	{ .name = "retention",
	  .verdict = "retention",
	  .endpoint = "/api/v1/retrieval/search",
	  .function = "shrink_to_fit",
	  .on_start = fill_history,
	  .on_search = shrink_to_fit },
	{ .name = "mapping_leak",
	  .verdict = "mappings",
	  .endpoint = "/api/v1/chat",
	  .function = "map_scratch",
	  .bytes_per_request = SCRATCH_SIZE,
	  .on_chat = map_scratch },
	{ .name = "thread_leak",
	  .verdict = "threads",
	  .endpoint = "/api/v1/chat",
	  .function = "start_watcher",
	  .on_chat = start_watcher },
	{ .name = "fd_leak",
	  .verdict = "fds",
	  .endpoint = "/api/v1/chat",
	  .function = "open_audit_log",
	  .on_start = raise_fd_limit,
	  .on_chat = open_audit_log },
	{ .name = "slow_endpoint",
	  .verdict = "clean",
	  .endpoint = "/api/v1/chat",
	  .function = "wait_for_replica",
	  .on_chat = wait_for_replica },
};

#define FAULT_COUNT (sizeof(faults) / sizeof(*faults))

bool faults_init(void)
{
	const char *name = getenv("RAG_FAULT"), *bytes;

	if (!name || !*name)
		name = "none";
	bytes = getenv("RAG_FAULT_BYTES");
	planted.leak_bytes = bytes ? strtoul(bytes, NULL, 10) : 1024;
	for (size_t i = 0; i < FAULT_COUNT; i++) {
		if (strcmp(faults[i].name, name) != 0)
			continue;
		planted.fault = &faults[i];
		if (faults[i].on_start)
			faults[i].on_start();
		return planted.leak_bytes > 0;
	}
	return false;
}

const char *faults_name(void)
{
	return planted.fault->name;
}

void faults_print(FILE *out)
{
	for (size_t i = 0; i < FAULT_COUNT; i++)
		fprintf(out,
			"%s\n  \"%s\": {\"classes\": [\"%s\"], \"endpoint\":"
			" \"%s\", \"function\": \"%s\","
			" \"bytes_per_request\": [%zu, %zu]}",
			i ? "," : "{", faults[i].name, faults[i].verdict,
			faults[i].endpoint, faults[i].function,
			faults[i].bytes_per_request,
			faults[i].bytes_per_request);
	fprintf(out, "\n}\n");
}

void faults_on_search(const char *query)
{
	if (planted.fault->on_search)
		planted.fault->on_search(query);
}

void faults_on_chat(const char *prompt)
{
	if (planted.fault->on_chat)
		planted.fault->on_chat(prompt);
}
