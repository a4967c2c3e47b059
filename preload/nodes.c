/*
 * nodes: the calling-context tree of the process, in the recording itself.
 *
 * A stack is one number: the node of its innermost frame.  Nodes live in
 * NODES slabs of the file and are written before their number can be seen, so
 * a reader of a torn file finds every node that a record names.  The index
 * from the hash of a stack to its node is ours: lock-free open addressing, a
 * chain of tables each four times the last; nothing is ever removed.
 */
#include "preload/nodes.h"

#include "preload/internal.h"
#include "preload/python.h"
#include "preload/sys.h"

#define TABLES	   6
#define PROBES	   32
#define FIRST_BITS 13
#define MAX_NODES  (4u << 20)
#define MAX_SLABS  (MAX_NODES / WIRE_NODES_PER_SLAB + 1)

struct slot {
	uint64_t hash; /* 0: empty; CAS */
	uint32_t node; /* 0 until written; release, pairs with lookup */
	uint32_t pad;
};

static struct {
	struct slot *tables[TABLES];
	uint32_t counts[TABLES];
	uint32_t current;	  /* table that takes new nodes */
	uint32_t count;		  /* nodes handed out */
	struct wire_node **slabs; /* by (node - 1) / WIRE_NODES_PER_SLAB */
} tree;

static uint64_t table_mask(uint32_t table)
{
	return ((uint64_t)1 << (FIRST_BITS + 2 * table)) - 1;
}

static struct slot *table_get(uint32_t table)
{
	struct slot *slots =
		__atomic_load_n(&tree.tables[table], __ATOMIC_ACQUIRE);
	size_t size = (table_mask(table) + 1) * sizeof(struct slot);
	struct slot *none = NULL;

	if (slots)
		return slots;
	slots = shim_memory(size);
	if (slots &&
	    !__atomic_compare_exchange_n(&tree.tables[table], &none, slots,
					 false, __ATOMIC_RELEASE,
					 __ATOMIC_ACQUIRE)) {
		shim_memory_free(slots, size);
		slots = none;
	}
	return slots;
}

static uint32_t lookup_in(uint32_t table, uint64_t hash)
{
	const struct slot *slots =
		__atomic_load_n(&tree.tables[table], __ATOMIC_ACQUIRE);
	uint64_t mask = table_mask(table);

	if (!slots)
		return 0;
	for (uint64_t i = 0; i < PROBES; i++) {
		const struct slot *s = &slots[(hash + i) & mask];
		uint64_t have = __atomic_load_n(&s->hash, __ATOMIC_ACQUIRE);

		if (have == hash)
			return __atomic_load_n(&s->node, __ATOMIC_ACQUIRE);
		if (!have)
			return 0;
	}
	return 0;
}

uint32_t node_find(uint64_t hash)
{
	int newest = (int)__atomic_load_n(&tree.current, __ATOMIC_RELAXED);

	for (int t = newest; t >= 0; t--) {
		uint32_t node = lookup_in((uint32_t)t, hash);

		if (node)
			return node;
	}
	return 0;
}

/* Two threads may make the same node at once: the tree then has it twice. */
void node_keep(uint64_t hash, uint32_t node)
{
	uint32_t table = __atomic_load_n(&tree.current, __ATOMIC_RELAXED);
	struct slot *slots = table_get(table);
	uint64_t mask = table_mask(table);

	if (!slots)
		return;
	for (uint64_t i = 0; i < PROBES; i++) {
		struct slot *s = &slots[(hash + i) & mask];
		uint64_t none = 0;

		if (__atomic_load_n(&s->hash, __ATOMIC_RELAXED) == hash)
			return;
		if (!__atomic_compare_exchange_n(&s->hash, &none, hash, false,
						 __ATOMIC_RELEASE,
						 __ATOMIC_RELAXED))
			continue;
		__atomic_store_n(&s->node, node, __ATOMIC_RELEASE);
		if (__atomic_add_fetch(&tree.counts[table], 1,
				       __ATOMIC_RELAXED) < mask / 2)
			return;
		break;
	}
	/* Half full, or crowded here: later nodes go to the next table. */
	if (table + 1 < TABLES && table_get(table + 1))
		__atomic_compare_exchange_n(&tree.current, &table, table + 1,
					    false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
}

static struct wire_node *node_entry(uint32_t node)
{
	uint32_t slab = (node - 1) / WIRE_NODES_PER_SLAB, number;
	uint32_t index = (node - 1) % WIRE_NODES_PER_SLAB;
	struct wire_node *nodes =
		__atomic_load_n(&tree.slabs[slab], __ATOMIC_ACQUIRE);
	struct wire_node *none = NULL;
	struct slab_head *head;

	if (!nodes) {
		head = slab_take(SLAB_NODES, slab, 0, ticks_now(), SLAB_STEP,
				 &number);
		if (!head)
			return NULL;
		nodes = (struct wire_node *)(head + 1);
		head->used = SLAB_ROOM; /* unfinished entries are zero */
		head->own[0] = number;
		if (!__atomic_compare_exchange_n(&tree.slabs[slab], &none,
						 nodes, false, __ATOMIC_RELEASE,
						 __ATOMIC_ACQUIRE)) {
			head->kind = SLAB_EVENTS; /* another thread was first */
			head->used = 0;
			head->sealed = 1;
			sys_munmap(head, SLAB_SIZE);
			nodes = none;
		}
	}
	head = (struct slab_head *)nodes - 1;
	if (!slab_extend(head, head->own[0],
			 (uint32_t)(sizeof(*head) +
				    (index + 1) * sizeof(*nodes))))
		return NULL;
	return &nodes[index];
}

static uint32_t node_new(uint32_t parent, enum wire_node_kind kind,
			 uint32_t module, uint64_t value)
{
	uint32_t node = __atomic_add_fetch(&tree.count, 1, __ATOMIC_RELAXED);
	struct wire_node *entry;

	if (node > MAX_NODES) {
		__atomic_fetch_sub(&tree.count, 1, __ATOMIC_RELAXED);
		return 0;
	}
	entry = node_entry(node);
	if (!entry)
		return 0;
	entry->parent = parent;
	entry->value = value;
	__atomic_store_n(&entry->kind_module, (uint32_t)kind << 24 | module,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&shim.file->stats.nodes, node, __ATOMIC_RELAXED);
	return node;
}

uint32_t node_make(uint64_t hash, uint32_t parent, enum wire_node_kind kind,
		   uint32_t module, uint64_t value)
{
	uint32_t node = node_new(parent, kind, module, value);

	if (node)
		node_keep(hash, node);
	return node;
}

/* Markers are roots: node(hash of the kind), made once. */
uint32_t node_marker(enum wire_node_kind kind)
{
	uint64_t hash = 0x6d61726b65720000ULL + kind;
	uint32_t node = node_find(hash);

	return node ? node : node_make(hash, 0, kind, 0, 0);
}

static uint32_t frame_node(uint32_t parent, uint64_t pc)
{
	uint64_t at = pc - 1;
	const struct unwind_module *m = modules_find(at);
	const uint64_t here = (uint64_t)&nodes_of_stack;

	/* An operator that passes through is nobody's business. */
	if (m && here >= m->start && here < m->end)
		return parent;

	return m ? node_new(parent, NODE_NATIVE, m->id, at - m->bias)
		 : node_new(parent, NODE_ABSOLUTE, 0, at);
}

/* From the innermost frame that has a node already, make the others. */
COLD static uint32_t intern(struct stack *stack)
{
	unsigned count = stack_depth(stack), known = count;
	enum stack_end end = stack_end(stack);
	uint32_t node = 0;

	while (known > 0 && !node)
		node = node_find(stack_frame(stack, --known).hash);
	if (node)
		known++;
	else if (end == STACK_TRUNCATED)
		node = node_marker(NODE_TRUNCATED);
	else if (end == STACK_BROKEN)
		node = node_marker(NODE_BROKEN);
	for (; known < count; known++) {
		struct stack_frame f = stack_frame(stack, known);

		node = frame_node(node, f.pc);
		if (!node) {
			shim_drop(DROP_NODES_FULL);
			return node_marker(NODE_LOST);
		}
		node_keep(f.hash, node);
	}
	return node;
}

/* A signal stack, a coroutine, a new thread: learn where we are. */
COLD static void new_stack(struct thread_state *ts, uint64_t sp)
{
	stack_forget(ts->stack);
	if (!thread_bounds(ts, sp))
		ts->bounds = (struct stack_bounds) { .low = 0 };
}

/* True: it is the same stack as at the previous call. */
static bool unwind(struct thread_state *ts, const struct stack_regs *regs)
{
	struct stack *stack = ts->stack;
	unsigned kept;

	if (unlikely(regs->sp < ts->bounds.low || regs->sp >= ts->bounds.high))
		new_stack(ts, regs->sp);
	kept = stack_unwind(stack, regs, &ts->bounds, shim.modules, shim.rules);
	if (unlikely(stack_missing_pc(stack)) &&
	    modules_missing(stack_missing_pc(stack)))
		kept = stack_unwind(stack, regs, &ts->bounds, shim.modules,
				    shim.rules);
	return kept && kept == stack_depth(stack);
}

static uint32_t find_or_intern(struct stack *stack)
{
	uint32_t node = node_find(stack_hash(stack));

	if (likely(node))
		return node;
	if (stack_end(stack) == STACK_TRUNCATED)
		shim_drop(DROP_STACK_TRUNCATED);
	else if (stack_end(stack) == STACK_BROKEN)
		shim_drop(DROP_STACK_BROKEN);
	return intern(stack);
}

/* The native stack, and the Python one that stands in it if there is any. */
COLD static uint32_t find_or_join(struct thread_state *ts, uint64_t hash,
				  bool has_python)
{
	uint32_t node, inner;

	if (!has_python)
		return find_or_intern(ts->stack);
	node = node_find(hash);
	if (node)
		return node;
	node = find_or_intern(ts->stack);
	inner = python_stack_node(ts);
	if (!inner)
		shim_drop(DROP_PYTHON);
	else
		inner = node_make(hash, node, NODE_MIXED, 0, inner);
	return inner ? inner : node;
}

/* Odd, as the hash of a stack always is. */
static uint64_t joined(uint64_t native, uint64_t inner)
{
	uint64_t h =
		(native ^ (inner << 31 | inner >> 33)) * 0x9e3779b97f4a7c15ULL;

	return (h ^ h >> 32) | 1;
}

/* The node of the caller's stack; 0 when it could not be kept. */
uint32_t nodes_of_stack(struct thread_state *ts, const struct stack_regs *regs)
{
	struct stack *stack = ts->stack;
	bool same = unwind(ts, regs);
	uint64_t hash, inner = python_stack_hash(ts);
	unsigned memo;

	if (same && inner == ts->last_python && ts->last_node)
		return ts->last_node;
	ts->last_python = inner;
	if (unlikely(!stack_depth(stack))) {
		shim_drop(DROP_STACK_BROKEN);
		return ts->last_node = node_marker(NODE_BROKEN);
	}
	hash = stack_hash(stack);
	if (inner)
		hash = joined(hash, inner);
	memo = (unsigned)(hash >> 54);
	if (unlikely(ts->memo_hash[memo] != hash)) {
		ts->memo_node[memo] = find_or_join(ts, hash, inner != 0);
		ts->memo_hash[memo] = hash;
	}
	return ts->last_node = ts->memo_node[memo];
}

void nodes_start(void)
{
	if (!tree.slabs)
		tree.slabs = shim_memory(MAX_SLABS * sizeof(tree.slabs[0]));
	table_get(0);
}

/* The child numbers its nodes anew, in its own file. */
void nodes_fork_child(void)
{
	for (uint32_t t = 0; t < TABLES; t++)
		if (tree.tables[t])
			sys_madvise(tree.tables[t],
				    (table_mask(t) + 1) * sizeof(struct slot),
				    MADV_DONTNEED);
	for (uint32_t i = 0; i < MAX_SLABS && tree.slabs[i]; i++) {
		sys_munmap((char *)tree.slabs[i] - sizeof(struct slab_head),
			   SLAB_SIZE);
		tree.slabs[i] = NULL;
	}
	for (uint32_t t = 0; t < TABLES; t++)
		tree.counts[t] = 0;
	tree.current = tree.count = 0;
}
