/*
 * stack: unwind the current thread's user stack by rules, without frame
 * pointers.
 *
 * A frame costs a search in the process's mappings (saved while the frames
 * stay in one module), one lookup a level of the module's tree with eight
 * compares in each, and two loads from the stack.  All memory of the target
 * is read by bpf_probe_read_user(), which never faults anything in: a page
 * that is swapped out ends the stack.
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

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_sample);
} scratch SEC(".maps");

/*
 * Rules found before, of this CPU: a server's stacks go through the same few
 * hundred call sites.  A tag is a pc (of 47 bits) and the generation of the
 * mappings that it had a meaning in.
 */
#define STACK_CACHE 1024
struct stack_cache {
	__u64 tag[STACK_CACHE];
	__u64 rule[STACK_CACHE];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_cache);
} rules SEC(".maps");

struct stack_walk {
	__u64 pc, sp, bp;
	__u64 start, end, bias; /* the range that the last pc was in */
	__u64 hash;
	struct stack_space *space;
	struct stack_sample *out;
	struct stack_cache *cache;
	__u64 generation; /* in its place in a tag */
	__u32 table, depth;
	__u32 count; /* user frames so far */
	__u32 why;   /* enum stack_end_reason */
};

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

static __always_inline bool find_range(struct stack_walk *w)
{
	struct stack_space *space = w->space;
	__u32 at;

	if (w->pc >= w->start && w->pc < w->end)
		return true;
	if (!space)
		return false;
	at = STACK_SEARCH(space->start, 10, w->pc);
	w->start = space->start[at];
	w->end = space->range[at].end;
	w->bias = space->range[at].bias;
	w->table = space->range[at].table;
	w->depth = space->range[at].depth;
	return w->pc >= w->start && w->pc < w->end;
}

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

/* The packed rule for the walk's pc; 0, RULE_NONE, when there is none. */
static __always_inline __u64 find_rule(struct stack_walk *w)
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

/* The rule by the cache; false: there is none, w->why says why. */
static __always_inline bool cached_rule(struct stack_walk *w, __u64 *rule)
{
	__u32 at = (w->pc ^ w->pc >> 10) & (STACK_CACHE - 1);
	__u64 tag = w->pc | w->generation;
	struct stack_cache *cache = w->cache;

	if (!cache)
		return false;
	if (cache->tag[at] == tag) {
		*rule = cache->rule[at];
		return true;
	}
	w->why = STACK_END_UNMAPPED;
	if (!find_range(w))
		return false;
	w->why = STACK_END_NO_TABLE;
	if (!w->depth)
		return false;
	*rule = find_rule(w);
	cache->tag[at] = tag;
	cache->rule[at] = *rule;
	return true;
}

static __always_inline bool load(__u64 *to, __u64 from)
{
	return bpf_probe_read_user(to, sizeof(*to), (void *)from) == 0;
}

/* To the code that a signal interrupted: its pc is exact. */
static __always_inline bool step_signal(struct stack_walk *w)
{
	__u64 context = w->sp;

	return load(&w->pc, context + UCONTEXT_RIP) &&
	       load(&w->bp, context + UCONTEXT_RBP) &&
	       load(&w->sp, context + UCONTEXT_RSP);
}

/* To the caller; false at an end, w->why says which. */
static __always_inline bool step_rule(struct stack_walk *w, __u64 rule)
{
	__s64 offset = (__s32)rule, bp_offset = 8 * (__s64)(__s16)(rule >> 32);
	__u32 kind = (rule >> 48) & 0xff, saved = rule >> 56;
	__u64 cfa, ra, bp = w->bp;

	w->why = STACK_END_MEMORY;
	if (kind == RULE_SP) {
		cfa = w->sp + offset;
	} else if (kind == RULE_BP) {
		cfa = w->bp + offset;
	} else if (kind == RULE_PLT) {
		cfa = w->sp + ((w->pc & 15) >= (__u64)offset ? 16 : 8);
	} else if (kind == RULE_DEREF_BP) {
		if (!load(&cfa, w->bp + offset))
			return false;
	} else if (kind == RULE_SIGNAL) {
		return step_signal(w);
	} else {
		w->why = kind == RULE_ROOT ? STACK_END_ROOT : STACK_END_NO_RULE;
		return false;
	}
	if (cfa <= w->sp || !load(&ra, cfa - 8))
		return false;
	if (saved != RULE_BP_SAME &&
	    !load(&bp, (saved == RULE_BP_AT_CFA ? cfa : w->bp) + bp_offset))
		return false;
	w->bp = bp;
	w->sp = cfa;
	w->pc = ra - 1;
	if (ra)
		return true;
	w->why = STACK_END_ROOT;
	return false;
}

static long stack_step(__u32 i, void *context)
{
	struct stack_walk *w = context;
	struct stack_sample *out = w->out;
	__u32 at = w->count + out->head.kernel_count;
	__u64 rule;

	if (w->count >= STACK_USER_FRAMES ||
	    at >= STACK_KERNEL_FRAMES + STACK_USER_FRAMES) {
		w->why = STACK_END_CUT;
		return 1;
	}
	out->frames[at] = w->pc;
	w->hash = stack_mix(w->hash, w->pc);
	w->count++;
	return !cached_rule(w, &rule) || !step_rule(w, rule);
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
 * frames that are in @out already.
 */
static __always_inline void user_stack(struct stack_sample *out, __u64 pc,
				       __u64 sp, __u64 bp)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32, zero = 0;
	struct stack_walk walk = {
		.pc = pc,
		.sp = sp,
		.bp = bp,
		.hash = stack_mix(out->head.kernel_count, tgid),
		.space = bpf_map_lookup_elem(&spaces, &tgid),
		.cache = bpf_map_lookup_elem(&rules, &zero),
		.out = out,
		.why = STACK_END_CUT,
	};

	if (walk.space)
		walk.generation = (__u64)walk.space->generation << 47;
	out->head.pid = tgid;
	out->head.tid = (__u32)id;
	out->head.at_ns = bpf_ktime_get_ns();
	/* Once more than frames: to find that there is no room for one. */
	bpf_loop(STACK_USER_FRAMES + 1, stack_step, &walk, 0);
	if (!walk.space && walk.why == STACK_END_UNMAPPED)
		walk.why = STACK_END_NO_SPACE;
	out->head.user_count = (__u16)walk.count;
	out->head.end = (__u8)walk.why;
	out->head.id = walk.hash | 1;
	python_stack(out);
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

static __always_inline struct stack_sample *stack_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

#endif
