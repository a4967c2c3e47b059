/*
 * tables: the unwinding rules and address spaces that programs in the kernel
 * walk stacks by (bpf/stack.h), kept in two maps of the session.
 *
 * A file is read once, whoever maps it: a tree belongs to its inode.
 */
#ifndef STRANDLINE_PROBE_TABLES_H
#define STRANDLINE_PROBE_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct tables;

struct tables_module {	  /* a file that is mapped somewhere */
	const char *path; /* as its process sees it */
	uint8_t build_id[32];
	uint32_t build_id_size;
};

struct tables_range { /* an executable mapping */
	uint64_t start, end;
	uint64_t bias;	 /* run-time address - vaddr of the file */
	uint32_t module; /* for tables_module(); 0: no file, or unreadable */
};

/* The mappings of a process, ascending; owned by its reader. */
struct tables_space {
	struct tables_range *ranges;
	size_t count;
	uint64_t hash; /* of what they were made from */
};

/*
 * @dir: of the recording, for copies of files that were replaced, of
 * @copies_most bytes in all; or NULL.
 */
int tables_open(struct tables **out, const char *dir, uint64_t copies_most,
		struct err *err);
void tables_close(struct tables *t); /* NULL is fine */

/* What the copies take, and how many files there is none of. */
uint64_t tables_copied(const struct tables *t, uint64_t *not_copied);

int tables_rules_fd(const struct tables *t);
int tables_spaces_fd(const struct tables *t);
int tables_pythons_fd(const struct tables *t);

/*
 * Read the mappings of @pid and the files it has not read before, and let the
 * programs know.  True when *@space changed.  A process that is gone keeps
 * what it had.
 */
bool tables_update(struct tables *t, pid_t pid, struct tables_space *space);
/* Let the programs know where process @pid keeps its Python frames; NULL: it
 * has none that can be read.  0 or -errno. */
struct stack_python;
int tables_python(struct tables *t, pid_t pid,
		  const struct stack_python *python);
/* It ended; @t is NULL when that went first. */
void tables_forget(struct tables *t, pid_t pid, struct tables_space *space);

const struct tables_module *tables_module(const struct tables *t, uint32_t id);
/* NULL: none covers @address. */
const struct tables_range *tables_find(const struct tables_space *space,
				       uint64_t address);

#endif
