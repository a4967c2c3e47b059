/*
 * python: the Python frames of the current thread, by the offsets that the
 * tool has found for its process (struct stack_python).
 *
 * A thread knows its own by pthread_self(), which is its FS base; the state
 * that CPython keeps for it is looked for in CPython's list once and then
 * remembered.  A frame costs two reads: its own fields, and those of its code
 * object that tell it from others.  Everything may change while it is read
 * and is held to what it must look like; what does not is no stack at all.
 */
#ifndef STRANDLINE_BPF_PYTHON_BPF_H
#define STRANDLINE_BPF_PYTHON_BPF_H

#include "bpf/kernel.h"

#include <bpf/bpf_helpers.h>

#include "bpf/stack.h"

#define PYTHON_LIST_STEPS 512	    /* threads that are looked through */
#define PYTHON_ASK_NS	  100000000 /* again, of a thread that has none */

/* The session's, put in place before the load. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct stack_python);
} pythons SEC(".maps");

struct python_thread {
	__u64 state; /* 0: none */
	__u64 asked_ns;
};

struct { /* freed with its thread */
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct python_thread);
} python_threads SEC(".maps");

struct python_bytes {
	__u8 frame[STACK_PYTHON_FRAME_SIZE + 8];
	__u8 code[STACK_PYTHON_CODE_SIZE + 8];
};

struct { /* for what is read, of this CPU */
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct python_bytes);
} python_bytes SEC(".maps");

static __always_inline __u64 python_word(__u64 from)
{
	__u64 word;

	return bpf_probe_read_user(&word, sizeof(word), (void *)from) ? 0
								      : word;
}

struct python_search {
	const struct stack_python *py;
	__u64 ident, interpreter, thread;
};

/* To the next thread; 1 ends it: found, or there are no more. */
static long python_search_step(__u32 i, void *context)
{
	struct python_search *s = context;

	if (s->thread) {
		if (python_word(s->thread + s->py->thread_ident) == s->ident)
			return 1;
		s->thread = python_word(s->thread + s->py->thread_next);
		return 0;
	}
	if (!s->interpreter)
		return 1;
	s->thread = python_word(s->interpreter + s->py->interpreter_threads);
	s->interpreter = python_word(s->interpreter + s->py->interpreter_next);
	return 0;
}

static __always_inline __u64 python_find(const struct stack_python *py,
					 __u64 ident)
{
	struct python_search search = {
		.py = py,
		.ident = ident,
		.interpreter = python_word(py->interpreters),
	};

	bpf_loop(PYTHON_LIST_STEPS, python_search_step, &search, 0);
	if (!search.thread ||
	    python_word(search.thread + py->thread_ident) != ident)
		return 0;
	return search.thread;
}

/* CPython's state of the current thread; 0: it has none. */
static __always_inline __u64 python_state(const struct stack_python *py)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 ident = task->thread.fsbase, now = bpf_ktime_get_ns();
	struct python_thread *t =
		bpf_task_storage_get(&python_threads, task, NULL,
				     BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t)
		return 0;
	if (t->state && python_word(t->state + py->thread_ident) == ident)
		return t->state;
	if (!t->state && t->asked_ns && now - t->asked_ns < PYTHON_ASK_NS)
		return 0;
	t->asked_ns = now;
	t->state = python_find(py, ident);
	return t->state;
}

struct python_walk {
	const struct stack_python *py;
	struct python_bytes *bytes;
	struct stack_sample *out;
	__u64 frame;
	__u64 hash;
	__u32 first; /* where in the sample they begin */
	__u32 count;
	__u32 state; /* enum stack_python_state */
	__u32 pad;
};

static __always_inline __u64 python_field(const __u8 *bytes, __u32 offset,
					  __u32 size)
{
	offset &= size - 1;
	return *(const __u64 *)(bytes + offset);
}

#define FRAME_FIELD(w, offset) \
	python_field((w)->bytes->frame, (offset), STACK_PYTHON_FRAME_SIZE)
#define CODE_FIELD(w, offset) \
	python_field((w)->bytes->code, (offset), STACK_PYTHON_CODE_SIZE)

static __always_inline bool python_read(struct python_walk *w, __u64 *code)
{
	const struct stack_python *py = w->py;
	__u32 size = py->frame_size;

	if (w->frame & 7 || w->frame >> 47 || size > STACK_PYTHON_FRAME_SIZE ||
	    bpf_probe_read_user(w->bytes->frame, size, (void *)w->frame))
		return false;
	*code = FRAME_FIELD(w, py->frame_code) & ~(__u64)py->finest_tag;
	return true;
}

/* What tells a code object from others, in 31 bits; 0: it is none. */
static __always_inline __u64 python_looks(struct python_walk *w, __u64 code)
{
	const struct stack_python *py = w->py;
	__u32 size = py->code_size;
	__u64 looks;

	if (code & 7 || code >> 47 || size > STACK_PYTHON_CODE_SIZE ||
	    bpf_probe_read_user(w->bytes->code, size, (void *)code) ||
	    CODE_FIELD(w, 8) != py->code_type)
		return 0;
	looks = CODE_FIELD(w, py->code_file) * 0x9e3779b97f4a7c15ULL +
		CODE_FIELD(w, py->code_name) * 0xd6e8feb86659fd93ULL +
		CODE_FIELD(w, py->code_lines) * 0xa0761d6478bd642fULL +
		(__u32)CODE_FIELD(w, py->code_line) * 0xe7037ed1a0b428dbULL;
	return looks >> STACK_PYTHON_LOOKS | 1;
}

static __always_inline __u64 python_place(struct python_walk *w, __u64 code)
{
	const struct stack_python *py = w->py;
	__u64 at = FRAME_FIELD(w, py->frame_instruction);

	return py->index_scale ? (__u32)at * py->index_scale
			       : at - code - py->code_instructions;
}

static __always_inline bool python_begins(struct python_walk *w)
{
	const struct stack_python *py = w->py;

	return py->entry_flag ? (__u8)FRAME_FIELD(w, py->frame_entry) != 0
			      : !py->entry_owner;
}

/* Of frames that are in the sample the last one is an evaluator's first. */
static __always_inline void python_is_entry(struct python_walk *w)
{
	__u64 at = w->first + 2 * w->count - 1;

	barrier_var(at);
	if (w->count && at < STACK_WORDS)
		w->out->frames[at] |= STACK_PYTHON_ENTRY;
	w->hash += w->count;
}

static __always_inline void python_put(struct python_walk *w, __u64 code,
				       __u64 looks)
{
	__u64 value =
		(__u32)python_place(w, code) | looks << STACK_PYTHON_LOOKS;
	__u64 at = w->first + 2 * w->count;

	if (python_begins(w))
		value |= STACK_PYTHON_ENTRY;
	barrier_var(at); /* or the verifier loses the bound */
	if (at >= STACK_WORDS - 1)
		return;
	w->out->frames[at] = code;
	w->out->frames[at + 1] = value;
	w->count++;
	w->hash = (w->hash ^ code) * 0x9e3779b97f4a7c15ULL;
	w->hash = (w->hash ^ w->hash >> 29 ^ value) * 0x9e3779b97f4a7c15ULL;
}

static long python_step(__u32 i, void *context)
{
	struct python_walk *w = context;
	const struct stack_python *py = w->py;
	__u64 code, looks;

	if (!w->frame)
		return 1;
	w->state = STACK_PYTHON_CUT;
	if (w->count >= STACK_PYTHON_FRAMES)
		return 1;
	w->state = STACK_PYTHON_UNREAD;
	if (!python_read(w, &code))
		return 1;
	if (py->entry_owner &&
	    (__u8)FRAME_FIELD(w, py->frame_owner) >= py->entry_owner) {
		python_is_entry(w);
	} else {
		looks = python_looks(w, code);
		if (!looks)
			return 1;
		python_put(w, code, looks);
	}
	w->frame = FRAME_FIELD(w, py->frame_previous);
	w->state = STACK_PYTHON_WHOLE;
	return 0;
}

static __always_inline __u64 python_innermost(const struct stack_python *py,
					      __u64 thread)
{
	__u64 holder;

	if (!py->thread_cframe)
		return python_word(thread + py->thread_frame);
	holder = python_word(thread + py->thread_cframe);
	return holder ? python_word(holder + py->cframe_frame) : 0;
}

/* The current thread's, behind the frames that are in @out. */
static __always_inline void python_stack(struct stack_sample *out)
{
	__u32 tgid = (__u32)out->head.pid, zero = 0;
	const struct stack_python *py = bpf_map_lookup_elem(&pythons, &tgid);
	struct python_walk walk = { .py = py, .out = out };
	__u64 thread;

	out->head.python = STACK_PYTHON_NONE;
	out->head.python_count = 0;
	if (!py)
		return;
	walk.bytes = bpf_map_lookup_elem(&python_bytes, &zero);
	thread = python_state(py);
	if (!walk.bytes || !thread)
		return;
	walk.frame = python_innermost(py, thread);
	walk.first = (__u32)out->head.kernel_count + out->head.user_count;
	/* As many again for what an evaluator puts between its frames. */
	bpf_loop(2 * STACK_PYTHON_FRAMES, python_step, &walk, 0);
	out->head.python = (__u8)walk.state;
	if (walk.state == STACK_PYTHON_UNREAD)
		return;
	out->head.python_count = (__u16)walk.count;
	out->head.id = (out->head.id ^ walk.hash) | 1;
}

#endif
