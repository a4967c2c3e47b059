/*
 * spans: see spans.h, and api/strandline.h for who calls.
 *
 * The shim only says which span a thread is at; what was allocated there is
 * for the reader to add up.  Numbers of spans are never used again.
 */
#include "preload/spans.h"

#include "preload/api/strandline.h"
#include "preload/requests.h"
#include "preload/routebook.h"
#include "profiler/http/route.h"

#define NAME_MAX 120u /* bytes; more of a name is not looked at */
#define PATH_MAX 2048u

static struct {
	struct routebook names;
	uint64_t last; /* number handed out */
	uint32_t making;
} spans = { .names.first = SPAN_NAME_FIRST - 1 };

static size_t length_of(const char *text, size_t max)
{
	size_t n = 0;

	while (n < max && text[n])
		n++;
	return n;
}

/* The table of names, made by the first that needs it; NULL: not yet. */
static struct routes *names(void)
{
	struct routes *made =
		__atomic_load_n(&spans.names.routes, __ATOMIC_ACQUIRE);
	void *memory;

	if (likely(made) ||
	    __atomic_exchange_n(&spans.making, 1, __ATOMIC_ACQUIRE))
		return made;
	memory = shim_memory(routes_size());
	if (!memory)
		return NULL;
	made = routes_init(memory);
	__atomic_store_n(&spans.names.routes, made, __ATOMIC_RELEASE);
	return made;
}

static void put(struct thread_state *ts, enum span_step step, uint64_t number,
		uint32_t name)
{
	uint64_t ticks = ticks_now();
	uint8_t *at = pen_room(ts, ticks);

	if (!at)
		return;
	*at++ = (uint8_t)(RECORD_SPAN | step << 4);
	at = record_put(at, number);
	at = record_put(at, name);
	pen_commit(ts, record_put_ticks(ts, at, ticks));
}

/* 0: it cannot be named now. */
static uint32_t id_of(const char *name)
{
	struct routes *table = names();
	uint32_t id;

	if (!table || !name)
		return 0;
	id = routes_name(table, name, length_of(name, NAME_MAX), NULL);
	routebook_write(&spans.names);
	return id ? spans.names.first + id : 0;
}

void strandline_span_begin(struct strandline_span *span, const char *name)
{
	struct thread_state *ts = record_enter_wanted();
	uint32_t id;

	*span = (struct strandline_span) { 0, 0 };
	if (!ts)
		return;
	id = id_of(name);
	if (id) {
		span->parent = ts->span;
		span->number =
			__atomic_add_fetch(&spans.last, 1, __ATOMIC_RELAXED);
		put(ts, SPAN_BEGIN, span->number, id);
		ts->span = span->number;
	}
	record_leave(ts);
}

void strandline_span_end(const struct strandline_span *span)
{
	struct thread_state *ts = span->number ? record_enter_wanted() : NULL;

	if (!ts)
		return;
	put(ts, SPAN_END, span->number, 0);
	if (ts->span == span->number)
		ts->span = span->parent;
	record_leave(ts);
}

uint64_t strandline_span_turn(uint64_t number)
{
	struct thread_state *ts = record_enter_wanted();
	uint64_t before;

	if (!ts)
		return 0;
	before = ts->span;
	if (before != number)
		put(ts, SPAN_TURN, number, 0);
	ts->span = number;
	record_leave(ts);
	return before;
}

uint64_t strandline_request_enter(const char *method, const char *path)
{
	struct thread_state *ts;
	uint64_t before;

	if (!method || !path)
		return 0;
	ts = record_enter_wanted();
	if (!ts)
		return 0;
	before = requests_pin(method, path, length_of(path, PATH_MAX));
	record_leave(ts);
	return before;
}

void strandline_request_leave(uint64_t before)
{
	requests_unpin((uint32_t)before);
}

void spans_fork_child(void)
{
	routebook_fork_child(&spans.names);
}
