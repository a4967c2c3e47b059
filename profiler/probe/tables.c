/*
 * tables: the unwinding rules and address spaces of a session.
 */
#include "profiler/probe/tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/stack.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/probe/program.h"
#include "profiler/probe/replaced.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"

#define SPACES_MOST 4096
#define VDSO	    "[vdso]"
#define VDSO_SIZE   8192 /* of all kernels so far; its ELF file is shorter */

struct module {
	struct tables_module view;
	struct program_segment segments[PROGRAM_SEGMENTS_MOST];
	unsigned segment_count;
	uint32_t depth;
};

struct tables {
	const char *dir; /* of the recording; NULL: none */
	uint64_t copies_most, copied, not_copied;
	int rules, spaces, pythons;
	struct hash *ids;	    /* of a file's identity -> module */
	VEC(struct module) modules; /* id n is modules[n - 1] */
	struct stack_space *space;  /* what is made for the map */
	uint32_t generation;
};

static int block_map(uint32_t count, bool template)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, template ? "" : "rules",
				sizeof(uint32_t), sizeof(struct stack_block),
				count, &opts);

	return fd < 0 ? -errno : fd;
}

static int create_maps(struct tables *t)
{
	LIBBPF_OPTS(bpf_map_create_opts, outer);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int template = block_map(1, true);

	if (template <0)
		return template;
	outer.inner_map_fd = (uint32_t) template;
	t->rules = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "tables",
				  sizeof(uint32_t), sizeof(uint32_t),
				  STACK_TABLES_MOST, &outer);
	if (t->rules >= 0)
		t->spaces = bpf_map_create(BPF_MAP_TYPE_HASH, "spaces",
					   sizeof(uint32_t),
					   sizeof(struct stack_space),
					   SPACES_MOST, &opts);
	if (t->spaces >= 0)
		t->pythons = bpf_map_create(BPF_MAP_TYPE_HASH, "pythons",
					    sizeof(uint32_t),
					    sizeof(struct stack_python),
					    SPACES_MOST, &opts);
	if (t->rules < 0 || t->spaces < 0 || t->pythons < 0) {
		int rc = -errno;

		close(template);
		return rc;
	}
	close(template);
	return 0;
}

int tables_open(struct tables **out, const char *dir, uint64_t copies_most,
		struct err *err)
{
	struct tables *t = calloc(1, sizeof(*t));
	int rc = -ENOMEM;

	*out = NULL;
	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	t->dir = dir;
	t->copies_most = copies_most;
	t->rules = t->spaces = t->pythons = -1;
	t->ids = hash_new();
	t->space = malloc(sizeof(*t->space));
	if (t->ids && t->space)
		rc = create_maps(t);
	if (rc < 0) {
		err_set(err, rc, "cannot make the maps for stacks: %s",
			strerror(-rc));
		tables_close(t);
		return rc;
	}
	*out = t;
	return 0;
}

void tables_close(struct tables *t)
{
	struct module *m;

	if (!t)
		return;
	vec_foreach (&t->modules, m)
		free((char *)m->view.path);
	vec_free(&t->modules);
	hash_free(t->ids);
	free(t->space);
	if (t->rules >= 0)
		close(t->rules);
	if (t->spaces >= 0)
		close(t->spaces);
	if (t->pythons >= 0)
		close(t->pythons);
	free(t);
}

uint64_t tables_copied(const struct tables *t, uint64_t *not_copied)
{
	*not_copied = t->not_copied;
	return t->copied;
}

int tables_rules_fd(const struct tables *t)
{
	return t->rules;
}

int tables_spaces_fd(const struct tables *t)
{
	return t->spaces;
}

int tables_pythons_fd(const struct tables *t)
{
	return t->pythons;
}

int tables_python(struct tables *t, pid_t pid,
		  const struct stack_python *python)
{
	uint32_t key = (uint32_t)pid;
	int rc = python ? bpf_map_update_elem(t->pythons, &key, python, BPF_ANY)
			: bpf_map_delete_elem(t->pythons, &key);

	return rc < 0 ? -errno : 0;
}

/* Put a tree into a map of its own and that in its place.  0 or -errno. */
static int publish_tree(struct tables *t, uint32_t id, const struct tree *tree)
{
	int fd = block_map(tree->count, false), rc = 0;
	uint32_t key = id;

	if (fd < 0)
		return fd;
	for (uint32_t i = 0; i < tree->count && rc == 0; i++)
		if (bpf_map_update_elem(fd, &i, &tree->blocks[i], BPF_ANY) < 0)
			rc = -errno;
	if (rc == 0 && bpf_map_update_elem(t->rules, &key, &fd, BPF_ANY) < 0)
		rc = -errno;
	close(fd); /* the outer map holds it */
	return rc;
}

/* Its id; 0 when out of memory.  Without a tree stacks end in it. */
static uint32_t add_module(struct tables *t, const char *path,
			   const struct program *program)
{
	struct module *m = vec_push(&t->modules);
	uint32_t id = (uint32_t)t->modules.count;

	if (!m)
		return 0;
	m->view.path = strdup(path);
	if (!m->view.path) {
		t->modules.count--;
		return 0;
	}
	memcpy(m->view.build_id, program->build_id, sizeof(m->view.build_id));
	m->view.build_id_size = program->build_id_size;
	memcpy(m->segments, program->segments, sizeof(m->segments));
	m->segment_count = program->segment_count;
	if (program->tree.depth && id < STACK_TABLES_MOST &&
	    publish_tree(t, id, &program->tree) == 0)
		m->depth = program->tree.depth;
	return id;
}

struct look { /* at a process */
	struct tables *t;
	pid_t pid;
	int dir; /* /proc/PID */
	const struct buf *maps;
};

/*
 * The file behind a mapping.  Where another one lies under that name now (a
 * deploy), its rules would be wrong.
 */
static int open_file(const struct maps_entry *e, const char *path)
{
	struct stat sb;
	int fd;

	if (e->deleted)
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &sb) < 0 || sb.st_ino != e->inode ||
	    !S_ISREG(sb.st_mode)) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

/* Without one its functions have no names. */
static void keep_copy(struct tables *t, int fd, const struct maps_entry *e,
		      char path[PATH_MAX])
{
	char copy[PATH_MAX];
	int64_t size =
		replaced_keep(fd, t->dir, e, t->copies_most - t->copied, copy);

	if (size < 0) {
		t->not_copied++;
		return;
	}
	t->copied += (uint64_t)size;
	strcpy(path, copy);
}

/* Of what was replaced, @path becomes that of a copy. */
static void read_file(const struct look *l, struct program *program,
		      const struct maps_entry *e, char path[PATH_MAX])
{
	int fd = open_file(e, path);

	*program = (struct program) { 0 };
	if (fd < 0) {
		fd = replaced_open(l->dir, e, l->maps->bytes, l->maps->len);
		if (fd >= 0 && l->t->dir)
			keep_copy(l->t, fd, e, path);
	}
	if (fd < 0)
		return;
	(void)program_read(program, fd); /* no program: without rules */
	close(fd);
}

/* One vdso serves all 64-bit processes, this one too. */
static void read_vdso(struct program *program)
{
	const void *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);

	*program = (struct program) { 0 };
	if (vdso)
		(void)program_parse(program, vdso, VDSO_SIZE);
}

/* By its identity, and by its name: one file may have two. */
static uint64_t key_of(const struct maps_entry *e, const char *path)
{
	uint64_t key = hash_mix(e->inode ^ (uint64_t)e->device_major << 52 ^
				(uint64_t)e->device_minor << 32 ^
				(uint64_t)e->deleted << 63);

	for (const char *at = path; *at; at++)
		key = hash_mix(key ^ (uint64_t)(unsigned char)*at);
	return key;
}

static uint32_t find_module(const struct look *l, const struct maps_entry *e)
{
	bool vdso = maps_path_is(e, VDSO);
	char path[PATH_MAX], root[PROCFS_ROOT_MAX] = "", seen[PATH_MAX];
	struct program program;
	uint64_t *found, key;
	uint32_t id;

	if (!vdso && (!e->path_len || e->path[0] != '/'))
		return 0;
	key = key_of(e, maps_path(e, path, sizeof(path)));
	found = hash_find(l->t->ids, key);
	if (found)
		return (uint32_t)*found;
	if (!vdso)
		procfs_root(l->dir, l->pid, root);
	if (snprintf(seen, sizeof(seen), "%s%s", root, path) >=
	    (int)sizeof(seen))
		return 0;
	if (vdso)
		read_vdso(&program);
	else
		read_file(l, &program, e, seen);
	id = add_module(l->t, seen, &program);
	program_fini(&program);
	(void)hash_set(l->t->ids, key, id);
	return id;
}

/* Where the file's vaddrs lie in this mapping. */
static uint64_t find_bias(const struct module *m, const struct maps_entry *e)
{
	struct program program = { .segment_count = m->segment_count };
	uint64_t vaddr;

	memcpy(program.segments, m->segments, sizeof(m->segments));
	if (program_vaddr(&program, e->offset, &vaddr))
		return e->start - vaddr;
	return e->start - e->offset;
}

static struct tables_range make_range(const struct look *l,
				      const struct maps_entry *e)
{
	uint32_t id = find_module(l, e);

	return (struct tables_range) {
		.start = e->start,
		.end = e->end,
		.bias = id ? find_bias(&l->t->modules.at[id - 1], e) : e->start,
		.module = id,
	};
}

static void publish_space(struct tables *t, pid_t pid,
			  const struct tables_space *space)
{
	struct stack_space *to = t->space;
	uint32_t key = (uint32_t)pid;
	size_t count = space->count;

	if (count > STACK_RANGES_MOST)
		count = STACK_RANGES_MOST;
	memset(to->range, 0, sizeof(to->range));
	to->count = (uint32_t)count;
	to->generation = ++t->generation;
	for (size_t i = 0; i < STACK_RANGES_MOST; i++)
		to->start[i] = INT64_MAX;
	for (size_t i = 0; i < count; i++) {
		const struct tables_range *r = &space->ranges[i];

		to->start[i] = r->start;
		to->range[i] = (struct stack_range) {
			.end = r->end,
			.bias = r->bias,
			.table = r->module,
			.depth = r->module ? t->modules.at[r->module - 1].depth
					   : 0,
		};
	}
	(void)bpf_map_update_elem(t->spaces, &key, to, BPF_ANY);
}

static uint64_t text_hash(const struct buf *text)
{
	uint64_t hash = text->len;

	for (size_t i = 0; i < text->len; i++)
		hash = (hash ^ (unsigned char)text->bytes[i]) *
		       0x100000001b3ULL;
	return hash;
}

static bool read_space(const struct look *l, struct tables_space *space)
{
	struct maps_cursor c = maps_begin(l->maps->bytes, l->maps->len);
	VEC(struct tables_range) ranges = VEC_INIT;
	struct tables_range *slot;
	struct maps_entry e;

	while (maps_next(&c, &e)) {
		/* The vsyscall page lies in the kernel's half. */
		if (!(e.prot & MAPS_EXEC) || e.end > INT64_MAX)
			continue;
		slot = vec_push(&ranges);
		if (!slot) {
			vec_free(&ranges);
			return false;
		}
		*slot = make_range(l, &e);
	}
	free(space->ranges);
	space->ranges = ranges.at;
	space->count = ranges.count;
	return true;
}

bool tables_update(struct tables *t, pid_t pid, struct tables_space *space)
{
	struct buf text = BUF_INIT;
	const struct look l = { t, pid, procfs_open("/proc", pid), &text };
	bool changed = false;
	uint64_t hash;

	if (l.dir < 0)
		return false;
	if (procfs_read(l.dir, "maps", &text) == 0 && text.len) {
		hash = text_hash(&text);
		if (hash != space->hash && read_space(&l, space)) {
			space->hash = hash;
			publish_space(t, pid, space);
			changed = true;
		}
	}
	buf_free(&text);
	close(l.dir);
	return changed;
}

void tables_forget(struct tables *t, pid_t pid, struct tables_space *space)
{
	uint32_t key = (uint32_t)pid;

	if (t) {
		(void)bpf_map_delete_elem(t->spaces, &key);
		(void)bpf_map_delete_elem(t->pythons, &key);
	}
	free(space->ranges);
	*space = (struct tables_space) { 0 };
}

const struct tables_module *tables_module(const struct tables *t, uint32_t id)
{
	return id && id <= t->modules.count ? &t->modules.at[id - 1].view
					    : NULL;
}

const struct tables_range *tables_find(const struct tables_space *space,
				       uint64_t address)
{
	size_t low = 0, high = space->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (space->ranges[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < space->count && space->ranges[low].start <= address
		       ? &space->ranges[low]
		       : NULL;
}
