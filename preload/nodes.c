/*
 * nodes: the calling-context tree of the process, in the recording itself.
 *
 * A stack is one number: the node of its innermost frame.  Nodes live in
 * NODES slabs of the file and are written before their number can be seen, so
 * a reader of a torn file finds every node that a record names.  A slab whose
 * nodes are all written leaves our memory.  Which stack has which node is
 * node_index.c's to know.
 */
#include "preload/nodes.h"

#include "preload/internal.h"
#include "preload/python.h"
#include "preload/sys.h"

#define MAX_NODES (4u << 20)
#define MAX_SLABS (MAX_NODES / WIRE_NODES_PER_SLAB + 1)

/* One of the slabs that nodes are written into. */
struct page {
	struct wire_node *nodes; /* NULL: not yet, or no longer */
	uint32_t done; /* of its nodes, those that nobody will write to */
	uint32_t pad;
};

static struct {
	uint32_t count;	    /* nodes handed out */
	struct page *pages; /* by (node - 1) / WIRE_NODES_PER_SLAB */
} tree;

/* The slab of that run of nodes, begun now; another thread may be first. */
static struct wire_node *page_begin(uint32_t run)
{
	struct wire_node *nodes, *none = NULL;
	struct slab_head *head;
	uint32_t number;

	head = slab_take(SLAB_NODES, run, 0, ticks_now(), SLAB_STEP, &number);
	if (!head)
		return NULL;
	nodes = (struct wire_node *)(head + 1);
	head->used = SLAB_ROOM; /* unfinished entries are zero */
	head->own[0] = number;
	if (__atomic_compare_exchange_n(&tree.pages[run].nodes, &none, nodes,
					false, __ATOMIC_RELEASE,
					__ATOMIC_ACQUIRE))
		return nodes;
	head->kind = SLAB_EVENTS;
	head->used = 0;
	head->sealed = 1;
	slab_unmap(head);
	return none;
}

/*
 * One of its nodes will not be written to any more: with the last of them the
 * slab leaves our memory.
 */
static void page_done(uint32_t run)
{
	struct page *page = &tree.pages[run];
	struct wire_node *nodes;

	if (__atomic_add_fetch(&page->done, 1, __ATOMIC_ACQ_REL) !=
	    WIRE_NODES_PER_SLAB)
		return;
	/* First forgotten: a child forked here is not to unmap it again. */
	nodes = __atomic_exchange_n(&page->nodes, NULL, __ATOMIC_ACQ_REL);
	if (nodes)
		slab_unmap((struct slab_head *)nodes - 1);
}

static bool write_node(uint32_t run, uint32_t index, struct wire_node node)
{
	struct wire_node *nodes =
		__atomic_load_n(&tree.pages[run].nodes, __ATOMIC_ACQUIRE);
	struct slab_head *head;

	if (!nodes)
		nodes = page_begin(run);
	if (!nodes)
		return false;
	head = (struct slab_head *)nodes - 1;
	if (!slab_extend(head, (uint32_t)head->own[0],
			 (uint32_t)(sizeof(*head) +
				    (index + 1) * sizeof(*nodes))))
		return false;
	nodes += index;
	nodes->parent = node.parent;
	nodes->value = node.value;
	__atomic_store_n(&nodes->kind_module, node.kind_module,
			 __ATOMIC_RELEASE);
	return true;
}

static uint32_t node_new(uint32_t parent, enum wire_node_kind kind,
			 uint32_t module, uint64_t value)
{
	uint32_t node = __atomic_add_fetch(&tree.count, 1, __ATOMIC_RELAXED);
	uint32_t run = (node - 1) / WIRE_NODES_PER_SLAB;
	bool written;

	if (node > MAX_NODES) {
		__atomic_fetch_sub(&tree.count, 1, __ATOMIC_RELAXED);
		return 0;
	}
	written = write_node(run, (node - 1) % WIRE_NODES_PER_SLAB,
			     (struct wire_node) { parent,
						  (uint32_t)kind << 24 | module,
						  value });
	page_done(run);
	if (!written)
		return 0;
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
	uint64_t hash =
		(0x6d61726b65720000ULL + kind) * 0x9e3779b97f4a7c15ULL | 1;
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

/*
 * Outside of a greenlet's first function lies what others have left there. An
 * end in that is no fault: reports end the stack at the function.
 */
COLD static bool is_greenlets(struct stack *stack)
{
	for (unsigned i = 0; i < stack_depth(stack); i++) {
		const struct unwind_module *m =
			modules_find(stack_frame(stack, i).pc - 1);

		if (m && m->greenlets)
			return true;
	}
	return false;
}

static uint32_t find_or_intern(struct stack *stack)
{
	uint32_t node = node_find(stack_hash(stack));

	if (likely(node))
		return node;
	if (stack_end(stack) == STACK_TRUNCATED)
		shim_drop(DROP_STACK_TRUNCATED);
	else if (stack_end(stack) == STACK_BROKEN && !is_greenlets(stack))
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
	if (!tree.pages)
		tree.pages = shim_memory(MAX_SLABS * sizeof(tree.pages[0]));
	node_index_start();
}

/* The child numbers its nodes anew, in its own file. */
void nodes_fork_child(void)
{
	uint32_t runs = tree.count / WIRE_NODES_PER_SLAB + 1;

	node_index_forget();
	for (uint32_t i = 0; i < runs && i < MAX_SLABS; i++) {
		if (tree.pages[i].nodes)
			sys_munmap((struct slab_head *)tree.pages[i].nodes - 1,
				   SLAB_SIZE);
		tree.pages[i] = (struct page) { 0 };
	}
	tree.count = 0;
}
