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

/* User and kernel frames of one sample at most. */
#define STACK_USER_FRAMES   256
#define STACK_KERNEL_FRAMES 64

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

/* What every sample begins with; frames follow, kernel ones first, each
 * innermost first.  A user frame is an address to look up: of a call, one
 * less than the return address. */
struct stack_head {
	__s32 pid; /* tgid of the first pid namespace */
	__s32 tid;
	__u64 id; /* hash of the frames; never 0 */
	__u16 kernel_count;
	__u16 user_count;
	__u32 end; /* enum stack_end_reason */
};
_Static_assert(sizeof(struct stack_head) == 24, "shared with user space");

struct stack_sample {
	struct stack_head head;
	__u64 frames[STACK_KERNEL_FRAMES + STACK_USER_FRAMES];
};

#endif
