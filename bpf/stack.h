/*
 * bpf/stack.h: the contract of the stack unwinder in the kernel.
 *
 * The tool lays out each module's .eh_frame as a search tree in a map of its
 * own (one a build-id, `tables`), and each process's executable mappings as a
 * sorted array (`spaces`).  A program steps from frame to frame by them, as
 * profiler/unwind does inside the target.
 */
#ifndef STRANDLINE_BPF_STACK_H
#define STRANDLINE_BPF_STACK_H

#include <linux/types.h>

/* User, kernel and Python frames of one sample at most. */
#define STACK_USER_FRAMES   256
#define STACK_KERNEL_FRAMES 64
#define STACK_PYTHON_FRAMES 128
/* Words of all: a Python frame is two. */
#define STACK_WORDS \
	(STACK_KERNEL_FRAMES + STACK_USER_FRAMES + 2 * STACK_PYTHON_FRAMES)

/*
 * A node of a table's tree.  Keys ascend, and the last key not past an
 * address is the one that holds for it; unused keys are all ones.  In a leaf
 * the value is a packed rule (struct cfi_rule), above it the number of a
 * block below.  Block 0 is the root.
 */
#define STACK_FANOUT	 256
#define STACK_DEPTH_MOST 3
struct stack_block {
	__u32 key[STACK_FANOUT]; /* module's vaddr - the range's base */
	__u64 value[STACK_FANOUT];
};
_Static_assert(sizeof(struct stack_block) == 3072, "shared with user space");

#define STACK_TABLES_MOST 8192

/* How an executable mapping is unwound. */
struct stack_range {
	__u64 end;
	__u64 bias; /* run-time address - key of the table */
	__u32 table;
	__u32 depth; /* of its tree; 0: no table */
};

#define STACK_RANGES_MOST 1024

struct stack_space { /* one process; ranges do not overlap */
	__u32 count;
	__u32 generation; /* of no other space, nor of this one before */
	__u64 start[STACK_RANGES_MOST]; /* ascending; unused: INT64_MAX */
	struct stack_range range[STACK_RANGES_MOST];
};

enum stack_end_reason {
	STACK_END_ROOT,	    /* at a frame that has no caller */
	STACK_END_CUT,	    /* more than STACK_USER_FRAMES */
	STACK_END_UNMAPPED, /* code that `spaces` does not know */
	STACK_END_NO_TABLE, /* known code without .eh_frame */
	STACK_END_NO_RULE,
	STACK_END_MEMORY,   /* the stack could not be read, or makes no sense */
	STACK_END_NO_SPACE, /* a process that `spaces` does not know */
	STACK_NENDS,
};

/*
 * Where CPython keeps what a stack needs: struct cpython of profiler/unwind,
 * which has no kernel types.  Offsets in bytes.
 */
struct stack_python {
	__u64 interpreters; /* address of the pointer to the first one */
	__u64 code_type;    /* PyCode_Type */
	__u32 interpreter_next, interpreter_threads;
	__u32 thread_next, thread_ident;
	__u32 thread_frame;  /* ...or, where thread_cframe is not 0, */
	__u32 thread_cframe; /* what points to it by cframe_frame */
	__u32 cframe_frame;
	__u32 frame_size, frame_previous, frame_code, frame_instruction;
	__u32 frame_owner, frame_entry;
	__u32 code_size, code_line, code_file, code_name, code_lines;
	__u32 code_instructions;
	__u32 index_scale; /* as are those below */
	__u8 entry_flag, entry_owner, finest_tag, pad[5];
};
_Static_assert(sizeof(struct stack_python) == 104, "shared with user space");

/* Bytes of a frame and of a code object that are looked at. */
#define STACK_PYTHON_FRAME_SIZE 128
#define STACK_PYTHON_CODE_SIZE	256

enum stack_python_state {
	STACK_PYTHON_NONE, /* this thread runs none */
	STACK_PYTHON_WHOLE,
	STACK_PYTHON_CUT,    /* more than STACK_PYTHON_FRAMES */
	STACK_PYTHON_UNREAD, /* they make no sense: changed meanwhile */
};

/*
 * A Python frame: the address of its code object, and where that stands: bytes
 * from the first instruction, whether native code called it, and 31 bits of
 * what the code object looks like, so that it is not taken for the one that
 * was at its address before.
 */
#define STACK_PYTHON_ENTRY (1ULL << 32)
#define STACK_PYTHON_LOOKS 33

/* What every sample begins with; frames follow, kernel ones first, then the
 * user's, then Python's, each innermost first.  A user frame is an address to
 * look up: of a call, one less than the return address. */
struct stack_head {
	__s32 pid; /* tgid of the first pid namespace */
	__s32 tid;
	__u64 id;    /* hash of the frames; never 0 */
	__u64 at_ns; /* CLOCK_MONOTONIC */
	__u16 kernel_count;
	__u16 user_count;
	__u8 end;    /* enum stack_end_reason */
	__u8 python; /* enum stack_python_state */
	__u16 python_count;
};
_Static_assert(sizeof(struct stack_head) == 32, "shared with user space");

struct stack_sample {
	struct stack_head head;
	__u64 frames[STACK_WORDS];
};

#endif
