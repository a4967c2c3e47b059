#include "profiler/attach/loader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "profiler/attach/inject_code.h"
#include "profiler/attach/module.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"
#include "profiler/wire/late.h"

#define RTLD_NOW_	 0x2
#define RTLD_NODELETE_	 0x1000
#define RTLD_DLOPEN_	 0x80000000u /* __libc_dlopen_mode wants it */
#define MOST_EXECUTABLES 8
#define HIGHEST_USER	 0x800000000000ULL

struct image { /* the mappings of one file, one after the other */
	uint64_t start, inode;
	char path[256];
	bool deleted;
	struct loader_range code[MOST_EXECUTABLES];
	size_t code_count;
};

struct found {
	struct loader *l;
	size_t gap_size;
	uint64_t mapped_to, hole_size; /* the end of the mapping before */
	bool glibc, musl, loader;
	int rc;
};

static bool add_range(struct found *f, bool unsafe, struct loader_range range)
{
	struct loader_range *slot =
		unsafe ? vec_push(&f->l->unsafe) : vec_push(&f->l->code);

	if (!slot) {
		f->rc = -ENOMEM;
		return false;
	}
	*slot = range;
	return true;
}

static void keep(uint64_t *to, const struct module *m, const char *name)
{
	if (!*to)
		*to = module_symbol(m, name);
}

/* Newer ones have all in one library, older ones in three. */
static void take_functions(struct loader *l, const struct module *m)
{
	keep(&l->dlopen, m, "dlopen");
	keep(&l->dlerror, m, "dlerror");
	keep(&l->unmap, m, "munmap");
	keep(&l->create, m, "pthread_create");
	keep(&l->attr_init, m, "pthread_attr_init");
	keep(&l->attr_setdetachstate, m, "pthread_attr_setdetachstate");
	keep(&l->attr_setstacksize, m, "pthread_attr_setstacksize");
	keep(&l->attr_destroy, m, "pthread_attr_destroy");
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void take_libc(struct found *f, const struct module *m,
		      const struct image *im)
{
	struct loader *l = f->l;

	f->glibc = true;
	snprintf(l->libc, sizeof(l->libc), "%.63s", base_name(im->path));
	take_functions(l, m);
	l->tls.slots = module_symbol(
		m, "_thread_db_rtld_global__dl_tls_dtv_slotinfo_list");
	l->tls.thread = module_symbol(m, "_thread_db_sizeof_pthread");
	if (!l->dlopen) { /* until libdl is seen, if it is there */
		l->dlopen = module_symbol(m, "__libc_dlopen_mode");
		l->dlopen_flags = RTLD_DLOPEN_;
	}
}

static void take_libdl(struct loader *l, const struct module *m)
{
	uint64_t dlopen = module_symbol(m, "dlopen");

	if (dlopen) {
		l->dlopen = dlopen;
		l->dlopen_flags = 0;
	}
	keep(&l->dlerror, m, "dlerror");
}

static void take_loader(struct loader *l, const struct module *m)
{
	l->tls.global = module_symbol(m, "_rtld_global");
	l->tls.constant = module_symbol(m, "_rtld_global_ro");
}

static void take_recorder(struct loader *l, const struct module *m, bool sent)
{
	l->recorder = (struct loader_recorder) {
		.start = m->start,
		.entry = module_symbol(m, LATE_SYMBOL),
		.control = module_symbol(m, LATE_CONTROL),
		.sent = sent,
		.build_id_size = m->build_id_size,
	};
	memcpy(l->recorder.build_id, m->build_id, sizeof(m->build_id));
	if (l->recorder_count < LOADER_RECORDERS)
		l->recorders[l->recorder_count++] = l->recorder;
}

/* One file, which is its loader, too; it is called all of these. */
static bool is_musl(const char *name)
{
	return strcmp(name, "libc.so") == 0 || begins(name, "libc.musl") ||
	       begins(name, "ld-musl");
}

/* By a tool that was killed amid its work: who knows who is in it still. */
static bool is_taken(const struct loader *l, uint64_t gap)
{
	struct remote memory = remote_process(l->pid);
	uint8_t bytes[INJECT_CODE_MARK];

	return remote_read(&memory, gap, bytes, sizeof(bytes)) == 0 &&
	       inject_code_is_at(bytes);
}

static void take_image(struct found *f, const struct image *im)
{
	struct remote memory = remote_process(f->l->pid);
	struct loader *l = f->l;
	bool unsafe = false;
	char name[64];
	struct module m;

	if (!im->start || !im->code_count ||
	    !module_read(&m, &memory, im->start))
		return;
	module_name(&m, name, sizeof(name));
	if (strcmp(name, "libc.so.6") == 0) {
		take_libc(f, &m, im);
		unsafe = true;
	} else if (strcmp(name, "libpthread.so.0") == 0) {
		take_functions(l, &m);
		unsafe = true;
	} else if (strcmp(name, "libdl.so.2") == 0) {
		take_libdl(l, &m);
		unsafe = true;
	} else if (begins(name, "ld-linux")) {
		take_loader(l, &m);
		f->loader = unsafe = true;
	} else if (is_musl(name) || is_musl(base_name(im->path))) {
		f->musl = true;
	}
	if (module_symbol(&m, LATE_SYMBOL)) {
		take_recorder(l, &m, begins(im->path, "/memfd:"));
		unsafe = true;
	} else if (module_symbol(&m, "malloc")) {
		unsafe = true;
	}
	if (!l->gap) {
		l->gap = module_gap(&m, f->gap_size);
		if (is_taken(l, l->gap))
			l->gap = 0;
		snprintf(l->gap_in, sizeof(l->gap_in), "%.63s",
			 base_name(im->path));
	}
	for (size_t i = 0; i < im->code_count; i++)
		add_range(f, unsafe, im->code[i]);
}

static void begin_image(struct image *im, const struct maps_entry *e)
{
	*im = (struct image) {
		.start = e->offset == 0 ? e->start : 0,
		.inode = e->inode,
		.deleted = e->deleted,
	};
	maps_path(e, im->path, sizeof(im->path));
}

/* The middle of the widest: neither heap nor libraries soon grow there. */
static void look_for_hole(struct found *f, const struct maps_entry *e)
{
	uint64_t size = e->start - f->mapped_to;

	if (f->mapped_to && e->start > f->mapped_to &&
	    e->start < HIGHEST_USER && size > f->hole_size) {
		f->hole_size = size;
		f->l->hole = (f->mapped_to + size / 2) & ~(uint64_t)0xffff;
	}
	f->mapped_to = e->end;
}

static void take_mapping(struct found *f, struct image *im,
			 const struct maps_entry *e)
{
	struct loader_range range = { e->start, e->end };

	look_for_hole(f, e);
	if (memmem(e->path, e->path_len, ".slabs", 6))
		f->l->recording = true;
	if (!e->inode) {
		if (e->prot & MAPS_EXEC)
			add_range(f, maps_path_is(e, "[vdso]"), range);
		return;
	}
	if (e->inode != im->inode || e->offset == 0) {
		take_image(f, im);
		begin_image(im, e);
	}
	if (e->prot & MAPS_EXEC && im->code_count < MOST_EXECUTABLES)
		im->code[im->code_count++] = range;
}

static int conclude(const struct found *f, struct err *err)
{
	int pid = (int)f->l->pid;

	if (f->rc < 0)
		return err_set(err, f->rc, "out of memory");
	if (f->musl)
		return err_set(err, -ENOTSUP,
			       "process %d runs on musl; the recorder needs "
			       "glibc: use --with bpf",
			       pid);
	if (!f->glibc || !f->loader)
		return err_set(err, -ENOTSUP,
			       "process %d is linked statically (it has no "
			       "libc.so.6), so nothing can be loaded into it: "
			       "use --with bpf",
			       pid);
	if (!f->l->dlopen || !f->l->unmap)
		return err_set(err, -ENOTSUP,
			       "the C library of process %d (%s) has no "
			       "dlopen: use --with bpf",
			       pid, f->l->libc);
	if (!f->l->gap)
		return err_set(err, -ENOTSUP,
			       "process %d has no %zu bytes of unused code, "
			       "which loading begins with: use --with bpf",
			       pid, f->gap_size);
	return 0;
}

int loader_read(struct loader *l, pid_t pid, size_t gap_size, struct err *err)
{
	struct found f = { .l = l, .gap_size = gap_size };
	int dir = procfs_open("/proc", pid), rc;
	struct buf text = BUF_INIT;
	struct image im = { 0 };
	struct maps_cursor c;
	struct maps_entry e;

	*l = (struct loader) {
		.pid = pid,
	};
	if (dir < 0)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	rc = procfs_read(dir, "maps", &text);
	close(dir);
	if (rc < 0) {
		err_set(err, rc, "cannot read the mappings of process %d: %s",
			(int)pid, strerror(-rc));
		goto free_text;
	}
	c = maps_begin(text.bytes, text.len);
	while (maps_next(&c, &e))
		take_mapping(&f, &im, &e);
	take_image(&f, &im);
	l->dlopen_flags |= RTLD_NOW_ | RTLD_NODELETE_;
	rc = conclude(&f, err);
free_text:
	buf_free(&text);
	if (rc < 0)
		loader_free(l);
	return rc;
}

void loader_free(struct loader *l)
{
	vec_free(&l->unsafe);
	vec_free(&l->code);
}

bool loader_is_unsafe(const struct loader *l, uint64_t pc)
{
	const struct loader_range *r;

	vec_foreach (&l->unsafe, r)
		if (pc >= r->start && pc < r->end)
			return true;
	vec_foreach (&l->code, r)
		if (pc >= r->start && pc < r->end)
			return false;
	return true; /* made at run time, after we looked */
}

bool loader_choose(struct loader *l, const uint8_t *build_id, size_t size)
{
	l->recorder = (struct loader_recorder) { 0 };
	for (size_t i = 0; i < l->recorder_count; i++) {
		const struct loader_recorder *r = &l->recorders[i];

		if (size && r->build_id_size == size &&
		    memcmp(r->build_id, build_id, size) == 0) {
			l->recorder = *r;
			return true;
		}
		if (!r->sent)
			l->recorder = *r;
	}
	return false;
}
