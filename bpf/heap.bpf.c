/*
 * heap: which blocks a process allocates and releases, a sample of them.
 *
 * A probe at each entry of its allocator; a call that is not sampled, nor
 * releases a block that was, costs that and a few steps.  A sample's return is
 * caught to learn the address, and the stack is taken there.  Samples are
 * drawn as the shim draws them: each byte (and a constant for each block) is
 * as likely as any other, by a credit per CPU that is used up.
 *
 * Only blocks whose birth was told of are known here, and only their death is
 * told: so nobody is called a leak for what was there before.
 */
#include "bpf/heap.h"

#define STACK_EVENT struct heap_born
#include "bpf/stack.bpf.h"

#include <bpf/bpf_tracing.h>

#include "bpf/counters.bpf.h"
#include "bpf/targets.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Room that births leave in the ring for deaths. */
#define RING_RESERVE (HEAP_RING / 4)
#define LN2_16	     45426 /* ln(2) in units of 2^-16 */
#define NESTED	     65536 /* bytes of stack that an allocator uses */

COUNTERS(HEAP_NCOUNTERS);

/* Set by user space. */
volatile __u64 mean_bytes;
const volatile __u64 constant_bytes;
const volatile __u32 log_table[HEAP_LOG_STEPS + 1];

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, HEAP_RING);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEAP_LIVE_MOST);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct heap_key);
	__type(value, struct heap_block);
} live SEC(".maps");

struct sampler {
	__s64 credit; /* bytes until the next sample */
	__u64 mean;   /* that it was drawn by; 0: never */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sampler);
} samplers SEC(".maps");

struct call {	  /* of a thread, whose return is waited for */
	__u64 sp; /* at its entry; 0: there is none */
	__u64 cookie;
	__u64 size, mean; /* mean 0: it is no sample */
	__u64 old;	  /* block that was told to have died; or 0 */
	__u64 where;	  /* HEAP_STORE puts the block there */
};

struct { /* freed with its thread */
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call);
} calls SEC(".maps");

extern bool bpf_session_is_return(void) __ksym __weak;

/* log2(@r) in units of 2^-24; @r is not 0. */
static __always_inline __u64 log2_24(__u64 r)
{
	__u64 whole = 63, low, high, rest;
	__u32 at;

	_Pragma("unroll") for (int bit = 5; bit >= 0; bit--)
	{
		__u64 shift = r >> (64 - (1 << bit)) ? 0 : 1 << bit;

		r <<= shift;
		whole -= shift;
	}
	at = (r >> 55) & (HEAP_LOG_STEPS - 1); /* behind the highest bit */
	rest = (r >> 39) & 0xffff;
	low = log_table[at];
	high = log_table[at + 1];
	return (whole << 24) + low + (((high - low) * rest) >> 16);
}

/* An exponential distance: -ln(u) for u = (random + 1/2) / 2^32. */
static __always_inline void draw(struct sampler *s)
{
	__u64 u = (__u64)bpf_get_prandom_u32() << 1 | 1;
	__u64 bits = (33ULL << 24) - log2_24(u);

	s->mean = mean_bytes;
	s->credit = (__s64)((s->mean * ((bits * LN2_16) >> 16)) >> 24);
}

/* The mean by which a block of @size is a sample; 0: it is none. */
static __always_inline __u64 sampled(__u64 size)
{
	__u32 zero = 0;
	struct sampler *s = bpf_map_lookup_elem(&samplers, &zero);
	__u64 mean;

	if (!s || size > (1ULL << 46))
		return 0;
	if (!s->mean)
		draw(s);
	s->credit -= (__s64)(size + constant_bytes);
	if (s->credit >= 0)
		return 0;
	mean = s->mean;
	draw(s);
	return mean;
}

/* Each is loaded first: the verifier wants no address of one to be chosen. */
static __always_inline __u64 argument(const struct pt_regs *regs, __u64 at)
{
	__u64 a = regs->rdi, b = regs->rsi, c = regs->rdx, d = regs->rcx;

	barrier_var(a);
	barrier_var(b);
	barrier_var(c);
	barrier_var(d);
	return at == 0 ? a : at == 1 ? b : at == 2 ? c : d;
}

static __always_inline __u64 product(__u64 count, __u64 size)
{
	return count <= 0xffffffff && size <= 0xffffffff ? count * size : ~0ULL;
}

static __always_inline __u64 size_of(const struct pt_regs *regs, __u64 cookie)
{
	__u64 at = HEAP_COOKIE_AT(cookie);

	switch (HEAP_COOKIE_KIND(cookie)) {
	case HEAP_ALLOC:
		return argument(regs, at);
	case HEAP_ARRAY:
		return product(argument(regs, at), argument(regs, at + 1));
	case HEAP_REARRAY:
		return product(argument(regs, at + 1), argument(regs, at + 2));
	case HEAP_STORE:
		return argument(regs, at + 2);
	default:
		return argument(regs, at + 1);
	}
}

static __always_inline bool replaces(__u64 cookie)
{
	__u64 kind = HEAP_COOKIE_KIND(cookie);

	return kind >= HEAP_RESIZE && kind <= HEAP_REPLACE;
}

static __always_inline int tell(enum heap_what what, __u64 address)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct heap_died event = {
		.what = what,
		.pid = (__s32)(id >> 32),
		.tid = (__s32)(__u32)id,
		.at_ns = bpf_ktime_get_ns(),
		.address = address,
	};

	return bpf_ringbuf_output(&ring, &event, sizeof(event),
				  BPF_RB_NO_WAKEUP);
}

/* @address is about to be released; true: it was told of. */
static __always_inline bool release(__u32 pid, __u64 address)
{
	struct heap_key key = { .address = address, .pid = pid };
	struct heap_block *block = bpf_map_lookup_elem(&live, &key);

	if (!block || block->died)
		return false;
	if (tell(HEAP_DIED, address) < 0) {
		block->died = 1;
		count(HEAP_LATE);
		return true;
	}
	bpf_map_delete_elem(&live, &key);
	count(HEAP_ENDED);
	return true;
}

static __always_inline bool keep(__u32 pid, __u64 address)
{
	struct heap_key key = { .address = address, .pid = pid };
	struct target *target = target_find(pid);
	struct heap_block block = { .image = target ? target->image : 0 };

	return bpf_map_update_elem(&live, &key, &block, BPF_ANY) == 0;
}

static __always_inline void forget(__u32 pid, __u64 address)
{
	struct heap_key key = { .address = address, .pid = pid };

	bpf_map_delete_elem(&live, &key);
}

/* It is ours to look at; a trial goes as far as any other call. */
static __always_inline bool is_target(__u32 pid, __u64 cookie)
{
	return target_find(pid) || cookie & HEAP_COOKIE_TRIAL;
}

static __always_inline void count_hit(__u64 cookie)
{
	count(cookie & HEAP_COOKIE_STEPPED ? HEAP_STEPPED : HEAP_HITS);
}

/* A call begins; true: its end is of interest. */
static __always_inline bool enter(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), size, mean, old = 0;
	__u32 pid = current_tgid();
	struct call *call;

	if (!is_target(pid, cookie))
		return false;
	count_hit(cookie);
	if (replaces(cookie))
		old = argument(regs, HEAP_COOKIE_AT(cookie));
	if (!old && cookie & HEAP_COOKIE_PASSES)
		return false;
	size = size_of(regs, cookie);
	mean = sampled(size);
	if (old && !release(pid, old))
		old = 0;
	if ((!mean && !old) || cookie & HEAP_COOKIE_TRIAL)
		return false;
	call = bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call) {
		count(HEAP_NO_STORAGE);
		return false;
	}
	/* Within another one, whose block it is; unless that was left by an
	 * exception. */
	if (call->sp - regs->rsp - 1 < NESTED)
		return false;
	call->cookie = cookie;
	call->size = size;
	call->mean = mean;
	call->old = old;
	call->where = argument(regs, HEAP_COOKIE_AT(cookie));
	call->sp = regs->rsp;
	return true;
}

/* What a call has made; 0: nothing. */
static __always_inline __u64 made(const struct pt_regs *regs,
				  const struct call *call)
{
	__u64 block;

	if (HEAP_COOKIE_KIND(call->cookie) != HEAP_STORE)
		return regs->rax;
	if ((__u32)regs->rax ||
	    bpf_probe_read_user(&block, sizeof(block), (void *)call->where))
		return 0;
	return block;
}

static __always_inline void send_born(struct stack_work *w,
				      const struct pt_regs *regs,
				      const struct call *call, __u64 address)
{
	struct heap_born *event = &w->event;
	__u64 since = bpf_ktime_get_ns();
	__u32 size;

	event->what = HEAP_BORN;
	event->api = (__u32)HEAP_COOKIE_API(call->cookie);
	event->at_ns = since;
	event->address = address;
	event->size = call->size;
	event->mean = call->mean;
	event->sample.head.kernel_count = 0;
	user_stack(w, regs->rip - 1, regs->rsp, regs->rbp, since);
	count_many(HEAP_NS, bpf_ktime_get_ns() - since);
	if (event->sample.head.end == STACK_END_CUT)
		count(HEAP_CUT);
	else if (event->sample.head.end != STACK_END_ROOT)
		count(HEAP_BROKEN);
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >
	    HEAP_RING - RING_RESERVE) {
		count(HEAP_RING_FULL);
		return;
	}
	if (!keep((__u32)event->sample.head.pid, address)) {
		count(HEAP_LIVE_FULL);
		return;
	}
	size = sizeof(*event) - sizeof(event->sample) +
	       stack_bytes(&event->sample);
	if (bpf_ringbuf_output(&ring, event, size, BPF_RB_NO_WAKEUP) == 0) {
		count(HEAP_SENT);
		return;
	}
	count(HEAP_RING_FULL);
	forget((__u32)event->sample.head.pid, address);
}

static __always_inline void sample(const struct pt_regs *regs,
				   const struct call *call, __u64 address)
{
	struct stack_work *w = stack_work();

	if (!w)
		return;
	if (__sync_lock_test_and_set(&w->busy, 1)) {
		count(HEAP_MISSED);
		return;
	}
	send_born(w, regs, call, address);
	w->busy = 0;
}

/* A call returns: the stack is as its caller has it. */
static __always_inline void leave(const struct pt_regs *regs)
{
	struct call *call =
		bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL,
				     0);
	__u64 address;

	if (!call || !call->sp || call->sp + 8 != regs->rsp)
		return;
	call->sp = 0;
	address = made(regs, call);
	if (address && call->mean)
		sample(regs, call, address);
	if (address || !call->old || !call->size ||
	    HEAP_COOKIE_KIND(call->cookie) == HEAP_REPLACE)
		return;
	if (keep(current_tgid(), call->old))
		(void)tell(HEAP_KEPT, call->old);
}

/* Where the kernel leaves out the returns that are not asked for (6.13). */
SEC("uprobe")
int heap_session(struct pt_regs *regs)
{
	if (!bpf_session_is_return())
		return !enter(regs);
	count(HEAP_RETURNS);
	leave(regs);
	return 0;
}

/* ...and where it does not. */
SEC("uprobe")
int heap_call(struct pt_regs *regs)
{
	enter(regs);
	return 0;
}

SEC("uprobe")
int heap_return(struct pt_regs *regs)
{
	if (is_target(current_tgid(), bpf_get_attach_cookie(regs)))
		count(HEAP_RETURNS);
	leave(regs);
	return 0;
}

SEC("uprobe")
int heap_release(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), address;
	__u32 pid = current_tgid();

	if (!is_target(pid, cookie))
		return 0;
	count_hit(cookie);
	address = argument(regs, HEAP_COOKIE_AT(cookie));
	if (address)
		release(pid, address);
	return 0;
}
