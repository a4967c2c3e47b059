/*
 * late: how a tool brings the recorder into a process that runs already, and
 * what the two say to each other meanwhile.
 *
 * The tool borrows one thread of the process for a moment, has it map a
 * `struct late_area` and start a thread there; that thread waits for `go`,
 * loads the recorder from a memfd which the tool fills, and enters it at
 * LATE_SYMBOL with the area.  The two take turns: `step` is written by the
 * process, `go` by the tool, each when everything it speaks of is there.
 * Nobody waits for the other longer than LATE_PATIENCE_MS.
 *
 * The offsets of the first part are known to machine code of the tool
 * (attach/inject_code.c).
 */
#ifndef STRANDLINE_WIRE_LATE_H
#define STRANDLINE_WIRE_LATE_H

#include <stdint.h>

#define LATE_SYMBOL	 "strandline_late"
#define LATE_IMAGE	 "strandline_late_image" /* uint32_t: 1 in a memfd */
#define LATE_CONTROL	 "strandline_control"	 /* struct late_control */
#define LATE_NAME	 "strandline"		 /* of the memfd */
#define LATE_PATIENCE_MS 5000

enum late_op {
	LATE_ATTACH = 1, /* begin to record, into files that are handed over */
	LATE_DETACH = 2, /* put everything back, go dormant */
};

enum late_step { /* said by the process */
		 LATE_NOTHING = 0,
		 LATE_WANTS_IMAGE = 1, /* `fd` is a memfd to be filled */
		 LATE_NOT_LOADED = 2,  /* `error` is the loader's text */
		 LATE_WANTS_FILES = 3, /* `socket`: to be sent late_files */
		 LATE_DONE = 4,	       /* `result` */
		 LATE_WANTS_CODE = 5,  /* `code` to be written */
};

enum late_go { /* said by the tool */
	       LATE_WAIT = 0,
	       LATE_GO = 1,    /* what was wanted is there */
	       LATE_LEAVE = 2, /* the area can be unmapped */
};

enum late_file { /* the order in which descriptors are sent */
		 LATE_FILE_SLABS,
		 LATE_FILE_QUOTA,
		 LATE_NFILES,
};

/* What a recording is to be like. */
struct late_settings {
	uint32_t mode; /* enum slab_mode */
	uint8_t follow, http, patch, python_objects, python, pad[7];
	uint64_t rate; /* mean in bytes; 0: auto */
	uint64_t max_bytes;
	char dir[448];	/* the recording, for children; "" where they cannot */
	char file[512]; /* the process's file in it */
	char routes[1024];
};

/*
 * Of a recorder that was preloaded and waits (STRANDLINE=idle): a tool writes
 * what it wants, and `wanted` last; the next thread that looks (after each
 * 128 KiB that it allocates, or once a second while it records) does it and
 * sets `answered` to that.
 */
struct late_control {
	uint32_t state;	   /* enum late_state */
	uint32_t wanted;   /* + 1 with each wish */
	uint32_t answered; /* the last that was dealt with */
	uint32_t op;	   /* enum late_op */
	int32_t result;	   /* of it */
	uint32_t pad;
	struct late_settings settings;
};

enum late_state {
	LATE_NOT_IDLE = 0, /* it records as it was told at its start */
	LATE_IDLE = 1,
	LATE_RECORDING = 2,
};

/*
 * Bytes of code to be changed, which only a tool can do: no thread may be
 * amid them, so all of them stand still meanwhile.
 */
struct late_code {
	uint64_t address;
	uint8_t size;  /* of what is written */
	uint8_t moved; /* no thread may be past the first of so many bytes */
	uint8_t pad[6];
	uint8_t before[8], after[8];
};
_Static_assert(sizeof(struct late_code) == 32, "an array of them is sent");

#define LATE_CODES 160 /* at most */

#define LATE_AREA_SIZE (512u << 10)
#define LATE_VECTORS   0x2000 /* offset in it: vector registers */

struct late_area {
	/* written by the borrowed thread */
	uint64_t thread;
	uint64_t attr[8];
	uint32_t created; /* result of pthread_create */
	uint32_t done;	  /* the borrowed thread has done its part */
	uint64_t left;	  /* when it went back, TSC */
	/* written by the tool, which then sets `go` */
	uint64_t dlopen, dlerror;
	uint64_t unmap; /* munmap; 0: the area is not to be unmapped */
	uint64_t dlopen_flags;
	uint64_t entry; /* LATE_SYMBOL, from the image's beginning */
	uint32_t memfd_flags;
	int32_t fd;
	uint32_t step; /* enum late_step */
	uint32_t go;   /* enum late_go */
	uint64_t handle;
	uint64_t error;
	uint64_t patience[2]; /* timespec: between two looks at `go` */
	char name[16];	      /* of the memfd */
	char path[48];	      /* by which it is loaded */

	/* for the recorder */
	uint32_t op; /* enum late_op */
	int32_t result;
	int32_t socket;
	uint32_t slots;	 /* out: patched */
	uint32_t forced; /* out: left as it was, would not be written */
	uint64_t code;	 /* out: where struct late_code are */
	uint32_t code_count, code_on; /* ...so many; `after`, or `before` */
	int32_t code_result;	      /* by the tool: 0, or -errno */
	uint32_t pad;
	struct late_settings settings;
};
_Static_assert(sizeof(struct late_area) <= LATE_VECTORS, "they follow");

#endif
