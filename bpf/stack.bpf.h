/*
 * stack: unwind the current thread's user stack by rules, without frame
 * pointers.
 *
 * A frame costs a look at the rules that were found before.  Where its pc is
 * not among them: a search in the process's mappings (saved while the frames
 * stay in one module) and one lookup a level of the module's tree, with eight
 * compares in each.  All memory of the target is read by
 * bpf_probe_read_user(), which never faults anything in: a page that is
 * swapped out ends the stack.  Each call of the kernel costs as much as the
 * rest of a frame, so the stack is read some frames at a time (the window).
 *
 * Code without a rule (generated code, an assembler's) is taken to keep a frame
 * pointer, and held to it: that must point up the stack, to a return address
 * into code.
 */
#ifndef STRANDLINE_BPF_STACK_BPF_H
#define STRANDLINE_BPF_STACK_BPF_H

#include "bpf/kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/python.bpf.h"
#include "bpf/stack.h"

/* struct cfi_rule of profiler/unwind/cfi.h, which has no kernel types. */
enum rule_kind {
	RULE_NONE,
	RULE_SP,
	RULE_BP,
	RULE_DEREF_BP,
	RULE_PLT,
	RULE_SIGNAL,
	RULE_ROOT,
	RULE_GENERIC,
	RULE_FRAME = 0x80, /* of ours: by bp; its low half says why */
};
enum rule_saved { RULE_BP_SAME, RULE_BP_AT_CFA, RULE_BP_AT_BP };

/* Of a signal's ucontext_t, which lies at sp: where registers are. */
#define UCONTEXT_RBP 120
#define UCONTEXT_RSP 160
#define UCONTEXT_RIP 168

struct table_template {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP); /* each as large as it must be */
	__uint(key_size, sizeof(__u32));    /* by size: of a type that only */
	__uint(value_size, sizeof(struct stack_block)); /* this names, BTF */
};							/* lacks the body */

/* The session's, put in place before the load. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, STACK_TABLES_MOST);
	__type(key, __u32);
	__array(values, struct table_template);
} tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct stack_space);
} spaces SEC(".maps");

#define STACK_CACHE  1024
#define STACK_WINDOW 64 /* words */
#define STACK_BELOW  56 /* a return address, what its function has pushed */
#define STACK_PAGE   4096
#define STACK_LEAP   (1 << 20) /* bytes, of a frame without a rule, at most */

/* What is sent with a stack, which is its last member. */
#ifndef STACK_EVENT
struct stack_event {
	struct stack_sample sample;
};
#define STACK_EVENT struct stack_event
#endif

/*
 * What a CPU works on.
 *
 * Rules found before: a server's stacks go through the same few hundred call
 * sites.  A tag is a pc (of 47 bits) and the generation of the mappings that
 * it had a meaning in.
 */
struct stack_work {
	__u64 pc, sp, bp;
	__u64 rule;		/* packed; of pc */
	__u64 window_at, held;	/* bytes of the target that the window holds */
	__u64 start, end, bias; /* the range that the last pc was in */
	__u64 generation;	/* in its place in a tag */
	__u64 hash;
	__u32 table, depth; /* of that range */
	__u32 tgid;
	__u32 why;   /* enum stack_end_reason */
	__u64 count; /* user frames so far */
	__u64 window[STACK_WINDOW];
	struct {
		__u64 tag, rule; /* side by side, in one line of the CPU's */
	} cache[STACK_CACHE];
	__u64 busy; /* where one can be interrupted by another */
	STACK_EVENT event;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_work);
} work SEC(".maps");

static __always_inline struct stack_work *stack_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&work, &zero);
}

static __always_inline __u64 stack_mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

/*
 * The last of @keys, 2^@bits of them, that is not past @key.  By arithmetic:
 * each branch would double what the verifier has to walk through.  Keys are
 * below 2^63.
 */
#define STACK_SEARCH(keys, bits, key)                                          \
	({                                                                     \
		__u64 at_ = 0;                                                 \
		_Pragma("unroll") for (int bit_ = (bits)-1; bit_ >= 0; bit_--) \
		{                                                              \
			__u64 try_ =                                           \
				(at_ | (1u << bit_)) & ((1u << (bits)) - 1);   \
			__u64 past_ =                                          \
				((__u64)(key) - (__u64)(keys)[try_]) >> 63;    \
                                                                               \
			at_ |= (1u << bit_) & (past_ - 1);                     \
		}                                                              \
		at_ &((1u << (bits)) - 1);                                     \
	})

/* What block @number of @tree has for @key; 0 when nothing. */
static __always_inline __u64 search_block(void *tree, __u32 number, __u32 key)
{
	struct stack_block *block = bpf_map_lookup_elem(tree, &number);
	__u32 at;

	if (!block)
		return 0;
	at = STACK_SEARCH(block->key, 8, key);
	return block->key[at] <= key ? block->value[at] : 0;
}

/*
 * The kernel verifies each function that is not static by itself and once,
 * instead of along each path that leads to it.
 *
 * Have w->start and what follows be those of the range that @pc is in.  0:
 * there is none.
 */
__noinline int stack_find_range(__u64 pc)
{
	struct stack_work *w = stack_work();
	struct stack_space *space;
	__u32 at, tgid;

	if (!w)
		return 0;
	if (pc - w->start < w->end - w->start)
		return 1;
	tgid = w->tgid;
	space = bpf_map_lookup_elem(&spaces, &tgid);
	if (!space)
		return 0;
	at = STACK_SEARCH(space->start, 10, pc);
	w->start = space->start[at];
	w->end = space->range[at].end;
	w->bias = space->range[at].bias;
	w->table = space->range[at].table;
	w->depth = space->range[at].depth;
	return pc >= w->start && pc < w->end;
}

/* The packed rule for w->pc of its range; 0, RULE_NONE: there is none. */
static __always_inline __u64 search_tree(struct stack_work *w)
{
	__u32 table = w->table, depth = w->depth, key;
	void *tree = bpf_map_lookup_elem(&tables, &table);
	__u64 value;

	if (!tree)
		return 0;
	key = (__u32)(w->pc - w->bias);
	value = search_block(tree, 0, key);
	if (depth > 1)
		value = search_block(tree, (__u32)value, key);
	if (depth > 2)
		value = search_block(tree, (__u32)value, key);
	return value;
}

static __always_inline __u32 cache_slot(__u64 pc)
{
	return (pc ^ pc >> 10) & (STACK_CACHE - 1);
}

static __always_inline __u64 frame_rule(enum stack_end_reason why)
{
	return (__u64)RULE_FRAME << 48 | why;
}

/* The rule of pc, of which the cache knows nothing, into it and w->rule. */
__noinline int stack_find_rule(void)
{
	struct stack_work *w = stack_work();
	__u32 at;

	if (!w)
		return 0;
	at = cache_slot(w->pc);
	if (!stack_find_range(w->pc))
		w->rule = frame_rule(STACK_END_UNMAPPED);
	else if (!w->depth)
		w->rule = frame_rule(STACK_END_NO_TABLE);
	else
		w->rule = search_tree(w);
	if (((w->rule >> 48) & 0xff) == RULE_NONE)
		w->rule = frame_rule(STACK_END_NO_RULE);
	w->cache[at].tag = w->pc | w->generation;
	w->cache[at].rule = w->rule;
	return 0;
}

/*
 * Have the window hold the word at @from and what lies behind it.  It begins
 * at the frame where that is near, and ends with the page: the next one may
 * not be there.  0 where the word cannot be had.
 */
__noinline int stack_open_window(__u64 from)
{
	__u64 page = from & ~(__u64)(STACK_PAGE - 1), begin, size;
	struct stack_work *w = stack_work();

	if (!w)
		return 0;
	w->held = 0;
	if (from & 7)
		return 0;
	begin = from - STACK_BELOW;
	if (from - w->sp < sizeof(w->window) - STACK_BELOW)
		begin = w->sp & ~7ULL;
	if (begin < page || begin > from)
		begin = page;
	size = page + STACK_PAGE - begin;
	if (size > sizeof(w->window))
		size = sizeof(w->window);
	if (bpf_probe_read_user(w->window, size, (void *)begin))
		return 0;
	w->window_at = begin;
	w->held = size;
	return 1;
}

/* The word at @from of the stack. */
static __always_inline bool load(struct stack_work *w, __u64 *to, __u64 from)
{
	if (from - w->window_at >= w->held && !stack_open_window(from))
		return false;
	*to = w->window[(from - w->window_at) / 8 % STACK_WINDOW];
	return true;
}

/* To the caller of the frame that ends at @cfa; 0 at the stack's end. */
static __always_inline int step_to(struct stack_work *w, __u64 cfa)
{
	__s64 bp_offset = 8 * (__s64)(__s16)(w->rule >> 32);
	__u32 saved = w->rule >> 56;
	__u64 ra, bp = w->bp;

	w->why = STACK_END_MEMORY;
	if (cfa <= w->sp || !load(w, &ra, cfa - 8))
		return 0;
	if (saved != RULE_BP_SAME &&
	    !load(w, &bp, (saved == RULE_BP_AT_CFA ? cfa : bp) + bp_offset))
		return 0;
	w->bp = bp;
	w->sp = cfa;
	w->pc = ra - 1;
	if (ra)
		return 1;
	w->why = STACK_END_ROOT;
	return 0;
}

/* To the code that a signal interrupted: its pc is exact. */
static __always_inline int step_signal(struct stack_work *w)
{
	__u64 context = w->sp;

	return load(w, &w->pc, context + UCONTEXT_RIP) &&
	       load(w, &w->bp, context + UCONTEXT_RBP) &&
	       load(w, &w->sp, context + UCONTEXT_RSP);
}

/*
 * The innermost frame may not have its frame pointer yet, or no more; its next
 * instruction tells.  0: the return address lies at sp; 1: one word further,
 * behind the caller's frame pointer; 2: it goes by its own.
 */
static __always_inline __u32 words_pushed(const struct stack_work *w)
{
	__u32 code;

	if (w->count != 1 ||
	    bpf_probe_read_user(&code, sizeof(code), (void *)w->pc))
		return 2;
	if ((code & 0xff) == 0x55 || (code & 0xff) == 0xc3 ||
	    code == 0xfa1e0ff3) /* push %rbp, ret, endbr64 */
		return 0;
	code &= 0xffffff; /* mov %rsp,%rbp, in both ways to say so */
	return code == 0xe58948 || code == 0xec8b48 ? 1 : 2;
}

/* To the caller, by a frame pointer: the caller's and a return address. */
static __always_inline int step_frame(struct stack_work *w)
{
	__u32 pushed = words_pushed(w);
	__u64 at = pushed == 2 ? w->bp : w->sp, saved = w->bp, ra;

	w->why = (__u32)w->rule;
	if (at & 7 || at < w->sp || at - w->sp > STACK_LEAP)
		return 0;
	if (pushed) {
		if (!load(w, &saved, at))
			return 0;
		at += 8;
	}
	if (!load(w, &ra, at))
		return 0;
	if (!ra && !saved)
		w->why = STACK_END_ROOT;
	if (!stack_find_range(ra - 1))
		return 0;
	w->bp = saved;
	w->sp = at + 8;
	w->pc = ra - 1;
	return 1;
}

/* To the caller, by a rule that few frames have. */
__noinline int stack_odd_step(void)
{
	struct stack_work *w = stack_work();
	__s64 offset;
	__u64 cfa;
	__u32 kind;

	if (!w)
		return 0;
	offset = (__s32)w->rule;
	kind = (w->rule >> 48) & 0xff;
	w->why = STACK_END_MEMORY;
	if (kind == RULE_PLT) {
		cfa = w->sp + ((w->pc & 15) >= (__u64)offset ? 16 : 8);
		return step_to(w, cfa);
	}
	if (kind == RULE_DEREF_BP)
		return load(w, &cfa, w->bp + offset) && step_to(w, cfa);
	if (kind == RULE_SIGNAL)
		return step_signal(w);
	if (kind == RULE_FRAME)
		return step_frame(w);
	w->why = kind == RULE_ROOT ? STACK_END_ROOT : STACK_END_NO_RULE;
	return 0;
}

/* One frame, and to its caller; 0 at the stack's end. */
__noinline int stack_take_frame(void)
{
	struct stack_work *w = stack_work();
	__u32 slot, kind;
	__u64 at;

	if (!w)
		return 0;
	at = w->count + w->event.sample.head.kernel_count;
	slot = cache_slot(w->pc);
	if (w->count >= STACK_USER_FRAMES ||
	    at >= STACK_KERNEL_FRAMES + STACK_USER_FRAMES) {
		w->why = STACK_END_CUT;
		return 0;
	}
	w->event.sample.frames[at] = w->pc;
	w->hash = stack_mix(w->hash, w->pc);
	w->count++;
	if (w->cache[slot].tag == (w->pc | w->generation))
		w->rule = w->cache[slot].rule;
	else
		stack_find_rule();
	kind = (w->rule >> 48) & 0xff;
	if (kind == RULE_SP)
		return step_to(w, w->sp + (__s64)(__s32)w->rule);
	if (kind == RULE_BP)
		return step_to(w, w->bp + (__s64)(__s32)w->rule);
	return stack_odd_step();
}

/* All frames, from pc, sp and bp on. */
__noinline int stack_walk(void)
{
	/* Once more than frames: to find that there is no room for one. */
#pragma clang loop unroll(disable)
	for (int i = 0; i <= STACK_USER_FRAMES; i++)
		if (!stack_take_frame())
			break;
	return 0;
}

/* As the thread was when it entered the kernel. */
static __always_inline struct pt_regs *user_regs(void)
{
	return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

/* With the kernel's frames, which may be many in a softirq. */
static __always_inline void kernel_stack(void *ctx, struct stack_sample *out)
{
	long size = bpf_get_stack(ctx, out->frames,
				  STACK_KERNEL_FRAMES * sizeof(__u64), 0);

	out->head.kernel_count = size > 0 ? (__u16)(size / sizeof(__u64)) : 0;
	if (out->head.kernel_count > STACK_KERNEL_FRAMES)
		out->head.kernel_count = STACK_KERNEL_FRAMES;
}

/*
 * The current thread's user stack from @pc, @sp and @bp, behind the kernel
 * frames that are in the sample already, as of @now.
 */
static __always_inline void user_stack(struct stack_work *w, __u64 pc, __u64 sp,
				       __u64 bp, __u64 now)
{
	struct stack_head *head = &w->event.sample.head;
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32;
	const struct stack_space *space = bpf_map_lookup_elem(&spaces, &tgid);

	w->pc = pc;
	w->sp = sp;
	w->bp = bp;
	w->held = w->start = w->end = 0;
	w->generation = space ? (__u64)space->generation << 47 : 0;
	w->hash = stack_mix(head->kernel_count, tgid);
	w->tgid = tgid;
	w->count = 0;
	head->pid = tgid;
	head->tid = (__u32)id;
	head->at_ns = now;
	stack_walk();
	if (!space && w->why == STACK_END_UNMAPPED)
		w->why = STACK_END_NO_SPACE;
	head->user_count = (__u16)w->count;
	head->end = (__u8)w->why;
	head->id = w->hash | 1;
	python_stack(&w->event.sample);
}

/* Of the frames that @out holds, for the size of what is sent. */
static __always_inline __u32 stack_bytes(const struct stack_sample *out)
{
	__u32 count = (__u32)out->head.kernel_count + out->head.user_count +
		      2 * (__u32)out->head.python_count;

	if (count > STACK_WORDS)
		count = STACK_WORDS;
	return sizeof(struct stack_head) + count * sizeof(__u64);
}

#endif
