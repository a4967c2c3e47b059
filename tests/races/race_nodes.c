/*
 * Threads ask for the nodes of the same few thousand stacks at once: every
 * node, read back from the file towards its root, spells the stack that it
 * was given for, whoever made it, and as soon as it was given.
 *
 * Then of stacks that are always new: memory stays bounded, and the few that
 * they ask for again and again keep their nodes.
 *
 * The unwinder is a fake: a stack is a number, its frames follow from it.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/nodes.h"
#include "preload/python.h"
#include "preload/sys.h"
#include "tests/races/races.h"
#include "tests/races/shim_fakes.h"

#define DEPTH  12
#define STACKS 4096
#define ASKED  40000 /* by each thread */

#define CHURNED 400000 /* by each thread, more than is remembered */
#define AGAIN	64
#define AT_MOST (8u << 20)

struct stack {
	unsigned number;
};

/* Frame 0 is everybody's; each bit of the number parts two frames. */
static uint64_t frame_pc(unsigned number, unsigned index)
{
	return 0x400000 + index * 0x1000 + (number & ((1u << index) - 1)) + 1;
}

struct stack_frame stack_frame(struct stack *s, unsigned index)
{
	uint64_t hash =
		(frame_pc(s->number, index) + index) * 0x9e3779b97f4a7c15u;

	return (struct stack_frame) { .pc = frame_pc(s->number, index),
				      .hash = hash | 1 };
}

uint64_t stack_hash(const struct stack *s)
{
	return stack_frame((struct stack *)s, DEPTH).hash;
}

unsigned stack_depth(const struct stack *s)
{
	(void)s;
	return DEPTH + 1;
}

enum stack_end stack_end(const struct stack *s)
{
	(void)s;
	return STACK_ROOT;
}

uint64_t stack_missing_pc(const struct stack *s)
{
	(void)s;
	return 0;
}

void stack_forget(struct stack *s)
{
	(void)s;
}

unsigned stack_unwind(struct stack *s, const struct stack_regs *regs,
		      const struct stack_bounds *bounds,
		      const struct unwind_modules *modules, struct rules *rules)
{
	(void)bounds;
	(void)modules;
	(void)rules;
	s->number = (unsigned)regs->pc;
	return 0;
}

const struct unwind_module *modules_find(uint64_t pc)
{
	static const struct unwind_module m = { .start = 0x400000,
						.end = 0x500000,
						.id = 7 };

	return pc >= m.start && pc < m.end ? &m : NULL;
}

bool modules_missing(uint64_t pc)
{
	(void)pc;
	return false;
}

uint64_t python_stack_hash(struct thread_state *ts)
{
	(void)ts;
	return 0;
}

uint32_t python_stack_node(struct thread_state *ts)
{
	(void)ts;
	return 0;
}

bool thread_bounds(struct thread_state *ts, uint64_t sp)
{
	(void)ts;
	(void)sp;
	return true;
}

/*
 * Node @id out of the file, by the slabs that hold its run: there is a second,
 * empty one for a moment when two threads began the same run at once.
 */
static struct wire_node read_node(uint32_t id)
{
	uint64_t taken =
		__atomic_load_n(&shim.file->slabs_taken, __ATOMIC_RELAXED);
	uint32_t run = (id - 1) / WIRE_NODES_PER_SLAB;
	struct wire_node node = { 0 };
	struct slab_head head;

	for (uint64_t n = 0; n < taken && !node.kind_module; n++) {
		off_t at = (off_t)slab_offset(n);

		if (pread(shim.fd, &head, sizeof(head), at) != sizeof(head) ||
		    head.kind != SLAB_NODES || head.seq != run)
			continue;
		at += (off_t)(sizeof(head) +
			      (id - 1) % WIRE_NODES_PER_SLAB * sizeof(node));
		CHECK(pread(shim.fd, &node, sizeof(node), at) == sizeof(node));
	}
	return node;
}

static void check_chain(uint32_t id, unsigned number)
{
	for (int index = DEPTH; index >= 0; index--) {
		struct wire_node node = read_node(id);

		CHECK(wire_node_kind(&node) == NODE_NATIVE);
		CHECK(wire_node_module(&node) == 7);
		CHECK(node.value == frame_pc(number, (unsigned)index) - 1);
		id = node.parent;
	}
	CHECK(id == 0);
}

static uint32_t given[RACERS][STACKS];

static void *ask(void *arg)
{
	uintptr_t racer = (uintptr_t)arg;
	struct stack stack = { 0 };
	struct thread_state *ts = calloc(1, sizeof(*ts));
	uint64_t random = racer + 1;

	ts->stack = &stack;
	for (int i = 0; i < ASKED; i++) {
		struct stack_regs regs = { 0 };

		random = random * 6364136223846793005u + 1442695040888963407u;
		regs.pc = (random >> 40) % STACKS;
		given[racer][regs.pc] = nodes_of_stack(ts, &regs);
		CHECK(given[racer][regs.pc]);
		if (i % 1000 == 0)
			check_chain(given[racer][regs.pc], (unsigned)regs.pc);
	}
	free(ts);
	return NULL;
}

static uint64_t hash_of(uint64_t number)
{
	number = (number + 1) * 0xd6e8feb86659fd93u;
	return ((number ^ number >> 32) * 0x9e3779b97f4a7c15u) | 1;
}

static uint32_t remade; /* of those that are asked for again */

/* What is not there, or no longer, is made: 0 or the node that it is now. */
static uint32_t found_or_made(uint64_t number)
{
	uint32_t node = node_find(hash_of(number));

	if (node)
		return node;
	if (number < AGAIN)
		__atomic_fetch_add(&remade, 1, __ATOMIC_RELAXED);
	return node_make(hash_of(number), 0, NODE_ABSOLUTE, 0, number);
}

static void *churn(void *arg)
{
	uint64_t racer = (uintptr_t)arg;

	for (uint64_t i = 0; i < CHURNED; i++) {
		uint64_t number = (racer + 1) << 32 | i;
		uint32_t node = found_or_made(number), again;

		CHECK(node);
		if (i % 20000 == 0)
			CHECK(read_node(node).value == number);
		if (i % 16)
			continue;
		again = found_or_made(i / 16 % AGAIN);
		CHECK(again);
		if (i % 20000 == 0)
			CHECK(read_node(again).value == i / 16 % AGAIN);
	}
	return NULL;
}

static void check_bounds(void)
{
	race(churn);
	CHECK(shim_fake_memory <= AT_MOST);
	/* All that is mapped is the slab that is being filled. */
	CHECK(shim.file->stats.slab_bytes <= SLAB_SIZE);
	/* A thread may ask while another one makes it; not much more. */
	CHECK(remade <= AGAIN * RACERS);
}

int main(void)
{
	shim_fake_file();
	nodes_start();
	race(ask);
	for (int racer = 0; racer < RACERS; racer++)
		for (unsigned number = 0; number < STACKS; number += 37)
			if (given[racer][number])
				check_chain(given[racer][number], number);
	check_bounds();
	for (int i = 0; i < DROP_NREASONS; i++)
		CHECK(shim.file->stats.drops[i] == 0);
	return 0;
}
