/*
 * brk: growth of the heap, which libc makes inside itself, where no hook is.
 *
 * The one idea: glibc keeps the heap's end in a variable that it exports.
 * Whoever records an allocation looks whether it has moved since: in exact
 * mode that is the very call that moved it, in sample mode the next sample.
 *
 * The heap is a stack, so what it loses at its end is taken from the call
 * that made it longest ago least: what was grown last goes first.
 *
 * One thread at a time books a move; the others pass by, it is still there
 * for the next.
 */
#include "preload/internal.h"
#include "preload/sys.h"

#define STEPS 128

static struct {
	uint32_t busy, count;
	uint64_t base; /* below the first step */
	struct step {
		uint64_t end; /* it begins where the one before it ends */
		uint32_t node;
	} steps[STEPS];
} heap;

static void put(struct thread_state *ts, uint32_t node, int64_t by)
{
	record_put_change(ts, RECORD_BRK, node, by);
}

static uint64_t top(void)
{
	return heap.count ? heap.steps[heap.count - 1].end : heap.base;
}

/* Steps beyond the list's end are forgotten, the oldest first. */
static void push(uint64_t end, uint32_t node)
{
	if (heap.count && heap.steps[heap.count - 1].node == node) {
		heap.steps[heap.count - 1].end = end;
		return;
	}
	if (heap.count == STEPS) {
		heap.base = heap.steps[0].end;
		heap.count--;
		for (uint32_t i = 0; i < heap.count; i++)
			heap.steps[i] = heap.steps[i + 1];
	}
	heap.steps[heap.count++] = (struct step) { end, node };
}

static void shrink(struct thread_state *ts, uint64_t to, uint32_t node)
{
	while (heap.count && top() > to) {
		struct step *s = &heap.steps[heap.count - 1];
		uint64_t from = heap.count > 1 ? s[-1].end : heap.base;
		uint64_t kept = from > to ? from : to;

		put(ts, s->node, -(int64_t)(s->end - kept));
		s->end = kept;
		heap.count -= kept == from;
	}
	if (top() > to) { /* what was there before us */
		put(ts, node, -(int64_t)(top() - to));
		heap.base = to;
	}
}

/* The heap's end has moved; @node is who noticed. */
COLD void brk_note(struct thread_state *ts, uint32_t node)
{
	uint64_t now;

	if (__atomic_exchange_n(&heap.busy, 1, __ATOMIC_ACQUIRE))
		return;
	now = __atomic_load_n(shim.brk_now, __ATOMIC_RELAXED);
	if (now > top()) {
		put(ts, node, (int64_t)(now - top()));
		push(now, node);
	} else if (now < top()) {
		shrink(ts, now, node);
	}
	__atomic_store_n(&shim.brk_seen, now, __ATOMIC_RELAXED);
	__atomic_store_n(&heap.busy, 0, __ATOMIC_RELEASE);
}

COLD void brk_pass(void)
{
	if (!brk_moved() ||
	    __atomic_exchange_n(&heap.busy, 1, __ATOMIC_ACQUIRE))
		return;
	heap.base = __atomic_load_n(shim.brk_now, __ATOMIC_RELAXED);
	heap.count = 0;
	__atomic_store_n(&shim.brk_seen, heap.base, __ATOMIC_RELAXED);
	__atomic_store_n(&heap.busy, 0, __ATOMIC_RELEASE);
}

/* sbrk, called by an allocator other than libc's. */
__attribute__((used, visibility("hidden"))) void record_brk(
	void *before, int64_t by, unsigned zero, const struct stack_regs *regs)
{
	struct thread_state *ts = record_enter();

	(void)before;
	(void)zero;
	if (!ts)
		return;
	if (record_wanted()) {
		if (!shim.brk_now)
			put(ts, nodes_of_stack(ts, regs), by);
		else if (brk_moved())
			brk_note(ts, nodes_of_stack(ts, regs));
	}
	record_leave(ts);
}

/* libc's variable is 0 before its first move, and must agree with the kernel
 * then; another libc has none. */
void brk_start(void)
{
	const uint64_t *now = real_symbol("__curbrk");
	uint64_t end = (uint64_t)sys3(SYS_brk, 0, 0, 0);

	if (!now || (*now && *now != end))
		return;
	heap.base = shim.brk_seen = end;
	shim.brk_now = now;
}

/* The child's file has nodes of its own: the steps name the parent's. */
void brk_fork_child(void)
{
	heap.busy = 0;
	heap.base = top();
	heap.count = 0;
}
