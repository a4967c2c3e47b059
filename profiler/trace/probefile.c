/*
 * probefile: writes <pid>.probe.slabs.
 *
 * A record is written behind `used`, then `used` is stored with release
 * order, as in writer.c; a node's slab entry is written whole before the
 * weight that needs it.
 */
#include "profiler/trace/probefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/trace/fold.h"
#include "profiler/trace/probefile_state.h"
#include "profiler/wire/slab.h"

/* 64 MiB: some three million requests. */
#define EVENT_SLABS_MOST 1024
#define SLOW_ROUTES	 256
#define SAME_PIDS_MOST	 10000

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);

	memcpy(to, from, n);
	to[n] = 0;
}

static void fill_header(struct slab_file *f,
			const struct probefile_process *process)
{
	size_t command = process->command_size < sizeof(f->command)
				 ? process->command_size
				 : sizeof(f->command);

	f->format = SLAB_FORMAT;
	f->header_size = SLAB_FILE_HEADER_SIZE;
	f->slab_size = SLAB_SIZE;
	f->clock = SLAB_CLOCK_MONOTONIC;
	f->start_realtime_ns = now_ns(CLOCK_REALTIME);
	f->start_monotonic_ns = now_ns(CLOCK_MONOTONIC);
	f->start_ticks = f->start_monotonic_ns;
	f->pid = process->pid;
	f->ppid = process->ppid;
	f->seen_pid = process->seen_pid;
	copy_text(f->exe, sizeof(f->exe), process->exe);
	copy_text(f->comm, sizeof(f->comm), process->comm);
	copy_text(f->version, sizeof(f->version), STRANDLINE_VERSION);
	memcpy(f->command, process->command, command);
	f->control.slabs_max = EVENT_SLABS_MOST;
	f->sample_constant = PROBEFILE_CONSTANT;
	__atomic_store_n(&f->magic, SLAB_FILE_MAGIC, __ATOMIC_RELEASE);
}

static int begin_file(struct probefile *f, const char *path,
		      const struct probefile_process *process, struct err *err)
{
	int rc = posix_fallocate(f->fd, 0, SLAB_FILE_HEADER_SIZE);

	if (rc)
		return err_set(err, -rc, "cannot write %s: %s", path,
			       strerror(rc));
	f->file = mmap(NULL, SLAB_FILE_HEADER_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED, f->fd, 0);
	if (f->file == MAP_FAILED) {
		f->file = NULL;
		return err_errno(err, "cannot map %s", path);
	}
	fill_header(f->file, process);
	return 0;
}

/* Its descriptor, @path its name; or -errno. */
static int create(char path[PATH_MAX], const char *dir, pid_t pid)
{
	int fd = -1;

	snprintf(path, PATH_MAX, "%s/%d.probe.slabs", dir, (int)pid);
	for (int n = 1; n < SAME_PIDS_MOST; n++) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd >= 0 || errno != EEXIST)
			break;
		snprintf(path, PATH_MAX, "%s/%d.%d.probe.slabs", dir, (int)pid,
			 n);
	}
	return fd < 0 ? -errno : fd;
}

int probefile_create(struct probefile **out, const char *dir,
		     const struct probefile_process *process, struct err *err)
{
	struct probefile *f = calloc(1, sizeof(*f));
	char path[PATH_MAX];
	int rc = -ENOMEM;

	*out = NULL;
	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	f->fd = -1;
	f->node_ids = hash_new();
	f->sum_places = hash_new();
	if (!f->node_ids || !f->sum_places) {
		err_set(err, rc, "out of memory");
		goto close;
	}
	f->fd = create(path, dir, process->pid);
	if (f->fd < 0) {
		rc = err_set(err, f->fd, "cannot write %s: %s", path,
			     strerror(-f->fd));
		goto close;
	}
	rc = begin_file(f, path, process, err);
	if (rc < 0)
		goto close;
	*out = f;
	return 0;

close:
	probefile_close(f);
	return rc;
}

static void slab_close(struct slab_head **slab)
{
	if (!*slab)
		return;
	__atomic_store_n(&(*slab)->sealed, 1, __ATOMIC_RELEASE);
	munmap(*slab, SLAB_SIZE);
	*slab = NULL;
}

void probefile_close(struct probefile *f)
{
	if (!f)
		return;
	slab_close(&f->meta);
	slab_close(&f->nodes);
	slab_close(&f->events);
	if (f->file)
		munmap(f->file, SLAB_FILE_HEADER_SIZE);
	if (f->fd >= 0)
		close(f->fd);
	hash_free(f->node_ids);
	hash_free(f->sum_places);
	vec_free(&f->sums);
	free(f->slowest);
	free(f);
}

static int slab_begin(struct probefile *f, struct slab_head **slab,
		      enum slab_kind kind, uint64_t seq)
{
	uint64_t n = f->file->slabs_taken;
	struct slab_head *head;
	int rc = posix_fallocate(f->fd, (off_t)slab_offset(n), SLAB_SIZE);

	if (rc)
		return -rc;
	head = mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd,
		    (off_t)slab_offset(n));
	if (head == MAP_FAILED)
		return -errno;
	f->file->slabs_taken = n + 1;
	head->kind = kind;
	head->seq = seq;
	head->room = SLAB_SIZE;
	head->first_ticks = f->file->start_ticks;
	__atomic_store_n(&head->magic, SLAB_MAGIC, __ATOMIC_RELEASE);
	*slab = head;
	return 0;
}

void probefile_publish(struct slab_head *slab, size_t size)
{
	__atomic_store_n(&slab->used, slab->used + (uint32_t)size,
			 __ATOMIC_RELEASE);
}

void *probefile_room(struct probefile *f, size_t size, int *rc)
{
	*rc = size > SLAB_ROOM ? -EMSGSIZE : 0;
	if (*rc < 0)
		return NULL;
	if (f->meta && f->meta->used + size > SLAB_ROOM)
		slab_close(&f->meta);
	if (!f->meta)
		*rc = slab_begin(f, &f->meta, SLAB_META, f->file->slabs_taken);
	return *rc < 0 ? NULL : (uint8_t *)(f->meta + 1) + f->meta->used;
}

uint32_t probefile_module(struct probefile *f,
			  const struct probefile_module *module)
{
	size_t size = probefile_aligned(sizeof(struct wire_module) +
					strlen(module->path) + 1);
	struct wire_module *to;
	int rc;

	if (f->modules >= WIRE_NODE_MODULE_MASK)
		return 0;
	to = probefile_room(f, size, &rc);
	if (!to)
		return 0;
	to->head = (struct wire_head) { .type = WIRE_MODULE,
					.size = (uint32_t)size };
	to->id = ++f->modules;
	to->build_id_size = module->build_id_size;
	to->bias = module->bias;
	to->start = module->start;
	to->end = module->end;
	to->ticks = now_ns(CLOCK_MONOTONIC);
	memcpy(to->build_id, module->build_id, module->build_id_size);
	strcpy(to->path, module->path);
	probefile_publish(f->meta, size);
	f->file->stats.modules = f->modules;
	return f->modules;
}

int probefile_route(struct probefile *f, uint32_t id, const char *text)
{
	size_t size =
		probefile_aligned(sizeof(struct wire_route) + strlen(text) + 1);
	struct wire_route *to;
	int rc;

	if (id >= sizeof(f->routes) * 8 || f->routes[id / 8] >> id % 8 & 1)
		return 0;
	to = probefile_room(f, size, &rc);
	if (!to)
		return rc;
	to->head = (struct wire_head) { .type = WIRE_ROUTE,
					.size = (uint32_t)size };
	to->id = id;
	strcpy(to->text, text);
	probefile_publish(f->meta, size);
	f->routes[id / 8] |= (uint8_t)(1 << id % 8);
	return 0;
}

/* Digesting gives events' slabs back; without it there are only so many. */
static bool events_room(struct probefile *f)
{
	uint64_t held =
		f->file->slabs_taken -
		__atomic_load_n(&f->file->slabs_given_back, __ATOMIC_RELAXED);

	if (f->events && f->events->used + 2 * RECORD_MAX_SIZE > SLAB_ROOM)
		slab_close(&f->events);
	if (f->events)
		return true;
	if (held >= EVENT_SLABS_MOST ||
	    slab_begin(f, &f->events, SLAB_EVENTS, f->file->slabs_taken) < 0)
		return false;
	f->ticks = f->events->first_ticks;
	f->addr = f->mean = 0;
	f->tid = 0;
	return true;
}

static uint8_t *put_time(struct probefile *f, uint8_t *at, uint64_t ns)
{
	at = record_put(at, record_zigzag((int64_t)(ns - f->ticks)));
	f->ticks = ns;
	return at;
}

static void put_bytes(struct probefile *f, const uint8_t *bytes,
		      const uint8_t *end)
{
	size_t size = (size_t)(end - bytes);

	memcpy((uint8_t *)(f->events + 1) + f->events->used, bytes, size);
	probefile_publish(f->events, size);
}

/* Who does it, where that was another one until now. */
static uint8_t *put_thread(struct probefile *f, uint8_t *at,
			   const struct probefile_block *b)
{
	if (f->tid == b->tid)
		return at;
	f->tid = b->tid;
	*at++ = RECORD_THREAD;
	at = record_put(at, (uint32_t)b->tid);
	return put_time(f, at, b->at);
}

static uint8_t *put_mean(struct probefile *f, uint8_t *at, uint64_t mean)
{
	if (f->mean == mean)
		return at;
	f->mean = mean;
	*at++ = RECORD_MEAN;
	return record_put(at, mean);
}

static uint8_t *put_address(struct probefile *f, uint8_t *at, uint64_t address)
{
	uint64_t addr = address >> 3;

	at = record_put(at, record_zigzag((int64_t)(addr - f->addr)));
	f->addr = addr;
	return at;
}

static int no_events_room(struct probefile *f)
{
	f->file->stats.drops[DROP_NO_SLAB]++;
	return -ENOSPC;
}

int probefile_alloc(struct probefile *f, const struct probefile_block *b)
{
	uint8_t bytes[2 * RECORD_MAX_SIZE], *at = bytes;

	if (!events_room(f))
		return no_events_room(f);
	at = put_thread(f, at, b);
	at = put_mean(f, at, b->mean);
	*at++ = (uint8_t)(RECORD_ALLOC | b->api << 4);
	at = record_put(at, b->node);
	at = record_put(at, b->size);
	at = put_address(f, at, b->address);
	at = put_time(f, at, b->at);
	put_bytes(f, bytes, at);
	f->file->stats.allocations++;
	return 0;
}

int probefile_release(struct probefile *f, enum record_type type,
		      const struct probefile_block *b)
{
	uint8_t bytes[2 * RECORD_MAX_SIZE], *at = bytes;

	if (!events_room(f))
		return no_events_room(f);
	at = put_thread(f, at, b);
	*at++ = (uint8_t)type;
	at = put_address(f, at, b->address);
	at = put_time(f, at, b->at);
	put_bytes(f, bytes, at);
	f->file->stats.releases += type == RECORD_FREE;
	return 0;
}

static uint64_t span(uint64_t from, uint64_t to)
{
	return from && to > from ? to - from : 0;
}

/* Is it among the slowest of its route so far? */
static bool is_slow(struct probefile *f, const struct probefile_request *r,
		    uint64_t took)
{
	uint64_t *slowest;
	int at = SLOWEST;

	if (!f->slowest)
		f->slowest = calloc(SLOW_ROUTES, sizeof(*f->slowest));
	if (!f->slowest || r->route >= SLOW_ROUTES)
		return false;
	slowest = f->slowest[r->route];
	while (at > 0 && took > slowest[at - 1])
		at--;
	if (at == SLOWEST)
		return false;
	memmove(slowest + at + 1, slowest + at,
		(size_t)(SLOWEST - 1 - at) * sizeof(*slowest));
	slowest[at] = took;
	return true;
}

/* Without room for it the rest is as good. */
static void put_slow(struct probefile *f, const struct probefile_request *r)
{
	uint64_t took = span(r->first_in, r->last_out);
	struct wire_slow *to;
	int rc;

	f->slow = r->status && !(r->flags & REQUEST_CUT) && is_slow(f, r, took);
	if (!f->slow)
		return;
	to = probefile_room(f, sizeof(*to), &rc);
	if (!to)
		return;
	*to = (struct wire_slow) {
		.head = { .type = WIRE_SLOW, .size = sizeof(*to) },
		.at_ns = r->first_in,
		.took = took,
		.ttfb = span(r->first_in, r->first_out),
		.queue = span(r->first_in, r->read),
		.gap = r->gap,
		.cpu = r->cpu,
		.route = r->route,
		.status = r->status,
		.flags = r->flags,
	};
	probefile_publish(f->meta, sizeof(*to));
}

int probefile_request(struct probefile *f, const struct probefile_request *r)
{
	uint64_t ttfb = span(r->first_in, r->first_out);
	uint8_t bytes[RECORD_MAX_SIZE], *at = bytes;

	if (!events_room(f))
		return no_events_room(f);
	*at++ = (uint8_t)(RECORD_REQUEST | r->flags << 4);
	at = record_put(at, r->route);
	at = record_put(at, r->status);
	at = record_put(at, span(r->first_in, r->last_out));
	at = record_put(at, r->first_out && !ttfb ? 1 : ttfb);
	at = record_put(at, span(r->first_in, r->read));
	at = record_put(at, r->gap);
	at = put_time(f, at, r->at);
	put_bytes(f, bytes, at);
	f->file->stats.requests++;
	put_slow(f, r);
	return 0;
}

bool probefile_is_slow(const struct probefile *f)
{
	return f->slow;
}

int probefile_slow_parts(struct probefile *f, uint32_t route, uint64_t at_ns,
			 const struct wire_slow_part *parts, size_t count)
{
	size_t size = sizeof(struct wire_slow_parts) + count * sizeof(*parts);
	struct wire_slow_parts *to;
	int rc;

	to = probefile_room(f, size, &rc);
	if (!to)
		return rc;
	to->head = (struct wire_head) { .type = WIRE_SLOW_PARTS,
					.size = (uint32_t)size };
	to->at_ns = at_ns;
	to->route = route;
	memcpy(to->at, parts, count * sizeof(*parts));
	probefile_publish(f->meta, size);
	return 0;
}

static uint8_t *put_span(struct probefile *f, uint8_t *at, enum span_step step,
			 uint32_t name, uint64_t ns)
{
	*at++ = (uint8_t)(RECORD_SPAN | step << 4);
	at = record_put(at, f->spans);
	at = record_put(at, name);
	return put_time(f, at, ns);
}

int probefile_span(struct probefile *f, uint32_t name, uint64_t began_ns,
		   uint64_t ended_ns)
{
	uint8_t bytes[2 * RECORD_MAX_SIZE], *at = bytes;

	if (!events_room(f))
		return no_events_room(f);
	f->spans++;
	at = put_span(f, at, SPAN_BEGIN, name, began_ns);
	at = put_span(f, at, SPAN_END, 0, ended_ns);
	put_bytes(f, bytes, at);
	return 0;
}

void probefile_connection(struct probefile *f, bool foreign)
{
	f->file->stats.connections += !foreign;
	f->file->stats.foreign += foreign;
}

uint32_t probefile_text(struct probefile *f, const char *text)
{
	size_t size =
		probefile_aligned(sizeof(struct wire_text) + strlen(text) + 1);
	struct wire_text *to;
	int rc;

	to = probefile_room(f, size, &rc);
	if (!to)
		return 0;
	to->head = (struct wire_head) { .type = WIRE_TEXT,
					.size = (uint32_t)size };
	to->id = ++f->texts;
	strcpy(to->text, text);
	probefile_publish(f->meta, size);
	return f->texts;
}

static uint32_t new_node(struct probefile *f, const struct wire_node *node)
{
	uint32_t at = f->node_count % WIRE_NODES_PER_SLAB;

	if (f->node_count >= FOLD_NODE_MAX)
		return 0;
	if (at == 0)
		slab_close(&f->nodes);
	if (!f->nodes && slab_begin(f, &f->nodes, SLAB_NODES,
				    f->node_count / WIRE_NODES_PER_SLAB) < 0)
		return 0;
	((struct wire_node *)(f->nodes + 1))[at] = *node;
	probefile_publish(f->nodes, sizeof(*node));
	f->file->stats.nodes = ++f->node_count;
	return f->node_count;
}

uint32_t probefile_node(struct probefile *f, uint32_t parent,
			enum wire_node_kind kind, uint32_t module,
			uint64_t value)
{
	const struct wire_node node = {
		.parent = parent,
		.kind_module = (uint32_t)kind << 24 | module,
		.value = value,
	};
	uint64_t key = hash_mix((uint64_t)node.kind_module << 32 | parent);
	uint64_t *found;
	uint32_t id;

	/* 64 bits of a mix: two of a million stacks clash once in 10^7. */
	key = hash_mix(key ^ value);
	found = hash_find(f->node_ids, key);
	if (found)
		return (uint32_t)*found;
	id = new_node(f, &node);
	if (id)
		(void)hash_set(f->node_ids, key, id);
	else
		f->file->stats.drops[DROP_NODES_FULL]++;
	return id;
}

int probefile_weigh(struct probefile *f, uint32_t node,
		    enum wire_weight_kind kind, int64_t count, int64_t weight)
{
	uint64_t key = (uint64_t)kind << 32 | node;
	uint64_t *place = hash_find(f->sum_places, key);
	struct sum *sum;

	if (place) {
		sum = &f->sums.at[*place];
	} else {
		sum = vec_push(&f->sums);
		if (!sum || hash_set(f->sum_places, key, f->sums.count - 1) < 0)
			return -ENOMEM;
		*sum = (struct sum) { .node = node, .kind = (uint32_t)kind };
	}
	sum->count += count;
	sum->weight += weight;
	return 0;
}

/* As many of the sums from @from on as one record holds; how many. */
static ssize_t put_weights(struct probefile *f, size_t from, uint64_t at_ns)
{
	size_t most = (SLAB_ROOM / 4 - sizeof(struct wire_weights)) /
		      sizeof(struct wire_weight);
	size_t count = f->sums.count - from, size;
	struct wire_weights *to;
	int rc;

	if (count > most)
		count = most;
	size = sizeof(*to) + count * sizeof(to->at[0]);
	to = probefile_room(f, size, &rc);
	if (!to)
		return rc;
	to->head = (struct wire_head) { .type = WIRE_WEIGHTS,
					.size = (uint32_t)size };
	to->at_ns = at_ns;
	for (size_t i = 0; i < count; i++) {
		const struct sum *sum = &f->sums.at[from + i];

		to->at[i] = (struct wire_weight) {
			.node = sum->node,
			.kind = sum->kind,
			.count = sum->count,
			.weight = sum->weight,
		};
	}
	probefile_publish(f->meta, size);
	return (ssize_t)count;
}

static void forget_sums(struct probefile *f)
{
	const struct sum *sum;

	vec_foreach (&f->sums, sum)
		hash_remove(f->sum_places,
			    (uint64_t)sum->kind << 32 | sum->node, NULL);
	f->sums.count = 0;
}

int probefile_flush(struct probefile *f, uint64_t at_ns)
{
	size_t done = 0;

	f->file->later_monotonic_ns = f->file->later_ticks = at_ns;
	while (done < f->sums.count) {
		ssize_t some = put_weights(f, done, at_ns);

		if (some < 0)
			return (int)some; /* what was not written waits */
		for (size_t i = done; i < done + (size_t)some; i++)
			f->sums.at[i].count = f->sums.at[i].weight = 0;
		done += (size_t)some;
	}
	forget_sums(f);
	return 0;
}

/* The file's ticks are ns. */
void probefile_spent(struct probefile *f, uint64_t ns)
{
	f->file->stats.ticks_spent = ns;
	f->file->stats.ticks_sampled = 1;
}

void probefile_ended(struct probefile *f, uint64_t at_ns)
{
	f->file->ended_monotonic_ns = at_ns;
}

uint64_t probefile_bytes(const struct probefile *f)
{
	return slab_offset(f->file->slabs_taken);
}
