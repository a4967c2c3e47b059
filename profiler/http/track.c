/*
 * track: see track.h.
 *
 * A table of buckets of eight keys, one cache line each; connection i belongs
 * to key i.  Eight consecutive keys share a bucket, so that file descriptors,
 * which are dense, fill it and touch few pages.  Who finds a full bucket goes
 * on to another one (double hashing), and counts itself in `passed` of those
 * it passed, which is how a search knows where to stop.
 */
#include "profiler/http/track.h"

#include "profiler/http/connection.h"

#define WAYS 8

/* Spins before a lock is given up: a pause is 40 to 140 cycles, so 1 us. */
#define SPINS 20

/* A slot whose connection is being made; no key, as keys are not all ones. */
#define CLAIMED UINT64_MAX

enum lock {
	UNLOCKED = 0,
	LOCKED = 1,
	CLOSE_DUE = 2, /* by whom could not wait; the holder does it */
};

struct bucket {
	uint64_t keys[WAYS];
};

struct shared {
	uint32_t lock;
	struct connection c;
	uint64_t missed[2]; /* by way: bytes of feeds that were dropped */
};

struct track {
	struct bucket *buckets;
	struct shared *connections;
	uint16_t *passed; /* by bucket */
	uint64_t mask;	  /* of buckets */
	struct routes *routes;
	track_sink *sink;
	void *context;
	uint64_t counts[TRACK_NCOUNTS];
};

static const char *const names[TRACK_NCOUNTS] = {
	[TRACK_REQUESTS] = "requests",
	[TRACK_CONNECTIONS] = "connections",
	[TRACK_NOT_HTTP] = "connections that are not HTTP",
	[TRACK_TLS] = "connections that are TLS",
	[TRACK_HTTP2] = "connections that are HTTP/2",
	[TRACK_CLIENT] = "connections of which we are the client",
	[TRACK_UPGRADES] = "connections upgraded",
	[TRACK_FRAMING_LOST] = "times the framing was lost",
	[TRACK_BUSY] = "reads and writes dropped for a busy connection",
	[TRACK_TABLE_FULL] = "connections beyond the table",
	[TRACK_PIPELINE_FULL] = "requests beyond the pipeline",
};

static size_t aligned(size_t size)
{
	return (size + 63) & ~(size_t)63;
}

static size_t buckets_for(size_t connections)
{
	size_t n = 64 / WAYS;

	while (n * WAYS < connections)
		n *= 2;
	return n;
}

size_t track_size(size_t connections)
{
	size_t n = buckets_for(connections);

	return aligned(sizeof(struct track)) + n * sizeof(struct bucket) +
	       aligned(n * sizeof(uint16_t)) + n * WAYS * sizeof(struct shared);
}

struct track *track_init(void *memory, size_t connections,
			 struct routes *routes, track_sink *sink, void *context)
{
	size_t n = buckets_for(connections);
	struct track *t = memory;
	char *at = (char *)memory + aligned(sizeof(struct track));

	t->buckets = (struct bucket *)at;
	at += n * sizeof(struct bucket);
	t->passed = (uint16_t *)at;
	at += aligned(n * sizeof(uint16_t));
	t->connections = (struct shared *)at;
	t->mask = n - 1;
	t->routes = routes;
	t->sink = sink;
	t->context = context;
	return t;
}

static void count(struct track *t, enum track_count which)
{
	__atomic_fetch_add(&t->counts[which], 1, __ATOMIC_RELAXED);
}

uint64_t track_counted(const struct track *t, enum track_count which)
{
	return __atomic_load_n(&t->counts[which], __ATOMIC_RELAXED);
}

const char *track_count_name(enum track_count which)
{
	return (unsigned)which < TRACK_NCOUNTS ? names[which] : "unknown";
}

/* The buckets in which a key can be, in the order of search. */
struct search {
	uint64_t at;
	uint64_t step; /* odd, so that it comes by all */
};

static struct search search_for(const struct track *t, uint64_t key)
{
	uint64_t hash = (key / WAYS) * 0x9e3779b97f4a7c15ULL;

	return (struct search) { .at = (hash >> 40) & t->mask,
				 .step = (hash >> 20) | 1 };
}

static void go_on(const struct track *t, struct search *s)
{
	s->at = (s->at + s->step) & t->mask;
}

static uint64_t key_at(const struct track *t, uint64_t slot)
{
	return __atomic_load_n(&t->buckets[slot / WAYS].keys[slot % WAYS],
			       __ATOMIC_ACQUIRE);
}

#define NO_SLOT UINT64_MAX

/* NO_SLOT: not followed. */
static uint64_t slot_of(const struct track *t, uint64_t key)
{
	struct search s = search_for(t, key);

	for (uint64_t i = 0; i <= t->mask; i++) {
		for (unsigned way = 0; way < WAYS; way++)
			if (key_at(t, s.at * WAYS + way) == key)
				return s.at * WAYS + way;
		if (!__atomic_load_n(&t->passed[s.at], __ATOMIC_ACQUIRE))
			return NO_SLOT;
		go_on(t, &s);
	}
	return NO_SLOT;
}

bool track_knows(const struct track *t, uint64_t key)
{
	return slot_of(t, key) != NO_SLOT;
}

static bool lock(struct shared *s)
{
	for (unsigned i = 0; i < SPINS; i++) {
		uint32_t free = UNLOCKED;

		if (__atomic_compare_exchange_n(&s->lock, &free, LOCKED, false,
						__ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
#ifdef __SSE2__
		__builtin_ia32_pause();
#endif
	}
	return false;
}

static struct listener listener_for(struct track *t, uint64_t key)
{
	return (struct listener) { .routes = t->routes,
				   .sink = t->sink,
				   .context = t->context,
				   .counts = t->counts,
				   .key = key };
}

static void change_passed(struct track *t, struct search s, uint64_t last,
			  uint16_t by)
{
	for (; s.at != last; go_on(t, &s))
		__atomic_fetch_add(&t->passed[s.at], by, __ATOMIC_RELEASE);
}

/* The slot is nobody's from here on; its lock is held. */
static void release(struct track *t, uint64_t slot, uint64_t key)
{
	__atomic_store_n(&t->buckets[slot / WAYS].keys[slot % WAYS], 0,
			 __ATOMIC_RELEASE);
	change_passed(t, search_for(t, key), slot / WAYS, (uint16_t)-1);
}

static void close_locked(struct track *t, uint64_t slot, uint64_t key,
			 uint64_t now)
{
	struct listener l = listener_for(t, key);

	connection_close(&t->connections[slot].c, &l, now);
	release(t, slot, key);
}

static void unlock(struct track *t, uint64_t slot)
{
	struct shared *s = &t->connections[slot];
	uint32_t held = LOCKED;

	if (__atomic_compare_exchange_n(&s->lock, &held, UNLOCKED, false,
					__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return;
	if (key_at(t, slot) && key_at(t, slot) != CLAIMED)
		close_locked(t, slot, key_at(t, slot), s->c.last_at);
	__atomic_store_n(&s->lock, UNLOCKED, __ATOMIC_RELEASE);
}

/* An empty slot of this bucket, claimed and locked; else NO_SLOT. */
static uint64_t claim(struct track *t, uint64_t bucket)
{
	for (unsigned way = 0; way < WAYS; way++) {
		uint64_t *key = &t->buckets[bucket].keys[way];
		uint64_t slot = bucket * WAYS + way, empty = 0;

		if (__atomic_load_n(key, __ATOMIC_RELAXED) ||
		    !__atomic_compare_exchange_n(key, &empty, CLAIMED, false,
						 __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		if (lock(&t->connections[slot]))
			return slot;
		__atomic_store_n(key, 0, __ATOMIC_RELEASE);
	}
	return NO_SLOT;
}

static void make(struct track *t, uint64_t slot, uint64_t key, bool joined)
{
	struct shared *s = &t->connections[slot];

	connection_init(&s->c, joined);
	/* Atomic, for one who comes too late may still add to them. */
	__atomic_store_n(&s->missed[TRACK_IN], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&s->missed[TRACK_OUT], 0, __ATOMIC_RELAXED);
	change_passed(t, search_for(t, key), slot / WAYS, 1);
	__atomic_store_n(&t->buckets[slot / WAYS].keys[slot % WAYS], key,
			 __ATOMIC_RELEASE);
	count(t, TRACK_CONNECTIONS);
	unlock(t, slot);
}

static void insert(struct track *t, uint64_t key, bool joined)
{
	struct search s = search_for(t, key);

	for (uint64_t i = 0; i <= t->mask; i++) {
		uint64_t slot = claim(t, s.at);

		if (slot != NO_SLOT) {
			make(t, slot, key, joined);
			return;
		}
		go_on(t, &s);
	}
	count(t, TRACK_TABLE_FULL);
}

/* The slot of @key, locked; else NO_SLOT. */
static uint64_t enter(struct track *t, uint64_t key)
{
	uint64_t slot = slot_of(t, key);

	if (slot == NO_SLOT)
		return NO_SLOT;
	if (!lock(&t->connections[slot])) {
		count(t, TRACK_BUSY);
		return NO_SLOT;
	}
	if (key_at(t, slot) == key)
		return slot;
	unlock(t, slot); /* closed in the meantime */
	return NO_SLOT;
}

void track_open(struct track *t, uint64_t key)
{
	uint64_t slot;

	/* Its number is in use again, and nobody said that it was closed. */
	if (slot_of(t, key) != NO_SLOT) {
		slot = enter(t, key);
		if (slot == NO_SLOT)
			return;
		close_locked(t, slot, key, t->connections[slot].c.last_at);
		unlock(t, slot);
	}
	insert(t, key, false);
}

void track_follow(struct track *t, uint64_t key)
{
	if (slot_of(t, key) == NO_SLOT)
		insert(t, key, true);
}

/* Bytes that went by while somebody else held the lock. */
static void catch_up(struct shared *s, const struct listener *l)
{
	for (int way = TRACK_IN; way <= TRACK_OUT; way++) {
		uint64_t missed = 0;

		if (__atomic_load_n(&s->missed[way], __ATOMIC_RELAXED))
			missed = __atomic_exchange_n(&s->missed[way], 0,
						     __ATOMIC_RELAXED);
		if (missed)
			connection_missed(&s->c, l, (enum track_way)way,
					  missed);
	}
}

bool track_feed(struct track *t, uint64_t key, const struct track_feed *feed)
{
	uint64_t slot = slot_of(t, key);
	struct shared *s;
	bool taken = false;

	if (slot == NO_SLOT)
		return false;
	s = &t->connections[slot];
	if (!lock(s)) {
		__atomic_fetch_add(&s->missed[feed->way], feed->total,
				   __ATOMIC_RELAXED);
		count(t, TRACK_BUSY);
		return false;
	}
	if (key_at(t, slot) == key) {
		struct listener l = listener_for(t, key);

		catch_up(s, &l);
		taken = connection_feed(&s->c, &l, feed);
	}
	unlock(t, slot);
	return taken;
}

bool track_left(struct track *t, uint64_t key)
{
	uint64_t slot = slot_of(t, key);
	bool left;

	if (slot == NO_SLOT)
		return true;
	if (!lock(&t->connections[slot]))
		return false;
	left = key_at(t, slot) != key ||
	       t->connections[slot].c.kind == CONNECTION_LEFT;
	unlock(t, slot);
	return left;
}

void track_close(struct track *t, uint64_t key, uint64_t now)
{
	uint64_t slot = slot_of(t, key);
	uint32_t held = LOCKED;

	if (slot == NO_SLOT)
		return;
	/* Closing cannot be dropped: who holds the lock does it then. */
	while (!lock(&t->connections[slot])) {
		if (__atomic_compare_exchange_n(&t->connections[slot].lock,
						&held, LOCKED | CLOSE_DUE,
						false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED) ||
		    held & CLOSE_DUE)
			return;
		held = LOCKED;
	}
	if (key_at(t, slot) == key) {
		struct listener l = listener_for(t, key);

		catch_up(&t->connections[slot], &l);
		close_locked(t, slot, key, now);
	}
	unlock(t, slot);
}

void track_sweep(struct track *t, uint64_t now, uint64_t idle)
{
	for (uint64_t slot = 0; slot < (t->mask + 1) * WAYS; slot++) {
		uint64_t key = key_at(t, slot);
		struct shared *s = &t->connections[slot];

		if (!key || key == CLAIMED || !lock(s))
			continue;
		if (key_at(t, slot) == key) {
			struct listener l = listener_for(t, key);

			connection_sweep(&s->c, &l, now, idle);
		}
		unlock(t, slot);
	}
}

uint32_t track_route(struct track *t, uint64_t key)
{
	uint64_t slot = enter(t, key);
	const struct connection *c;
	uint32_t route = 0;

	if (slot == NO_SLOT)
		return 0;
	c = &t->connections[slot].c;
	if (c->kind == CONNECTION_HTTP && c->awaited)
		route = c->queue[(c->oldest + c->awaited - 1) %
				 TRACK_PIPELINE_MAX]
				.route;
	unlock(t, slot);
	return route;
}

bool track_awaits(struct track *t)
{
	bool awaits = false;

	for (uint64_t slot = 0; slot < (t->mask + 1) * WAYS && !awaits;
	     slot++) {
		struct shared *s = &t->connections[slot];

		if (!key_at(t, slot))
			continue;
		if (!lock(s))
			return true; /* somebody is at it */
		awaits = key_at(t, slot) && s->c.kind == CONNECTION_HTTP &&
			 s->c.awaited > 0;
		unlock(t, slot);
	}
	return awaits;
}

/*
 * Locks may be held by threads that are not in this process, in the middle of
 * anything.  What is in flight is the parent's to tell, who may answer it; so
 * is what it has counted.
 */
void track_fork_child(struct track *t)
{
	if (!t->buckets)
		return; /* another thread was just setting it up */
	for (uint64_t slot = 0; slot < (t->mask + 1) * WAYS; slot++) {
		struct shared *s = &t->connections[slot];
		uint64_t key = key_at(t, slot);
		uint64_t *at = &t->buckets[slot / WAYS].keys[slot % WAYS];

		if (!key)
			continue;
		if (key == CLAIMED)
			*at = 0;
		else if (s->lock != UNLOCKED)
			connection_init(&s->c, true);
		else
			connection_forget(&s->c);
		s->missed[TRACK_IN] = 0;
		s->missed[TRACK_OUT] = 0;
		s->lock = UNLOCKED;
	}
	for (unsigned i = 0; i < TRACK_NCOUNTS; i++)
		t->counts[i] = 0;
}
