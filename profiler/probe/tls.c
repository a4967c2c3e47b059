/*
 * tls: see tls.h.
 *
 * SSL_read() and SSL_read_ex() of OpenSSL begin with an instruction that is
 * dear to probe, and both call one function that begins with a cheap one: so
 * that one is watched in their place where there is one.
 */
#include "profiler/probe/tls.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/http.h"
#include "bpf/http.skel.h"
#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/probe/modules.h"
#include "profiler/probe/place.h"
#include "profiler/probe/uprobe.h"
#include "profiler/sym/function.h"

struct tls {
	struct http_bpf *bpf;
	void (*note)(void *context, const char *sentence);
	void *context;
	struct hash *looked_at; /* files, by device and inode */
	VEC(int) links;
	size_t libraries;
};

struct library {
	const char *path; /* to open it by */
	const char *name; /* as the process knows it */
};

struct tls *tls_new(struct http_bpf *bpf,
		    void (*note)(void *context, const char *sentence),
		    void *context)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return NULL;
	tls->bpf = bpf;
	tls->note = note;
	tls->context = context;
	tls->looked_at = hash_new();
	if (!tls->looked_at) {
		free(tls);
		return NULL;
	}
	return tls;
}

void tls_free(struct tls *tls)
{
	int *link;

	if (!tls)
		return;
	vec_foreach (&tls->links, link)
		close(*link);
	vec_free(&tls->links);
	hash_free(tls->looked_at);
	free(tls);
}

void tls_prepare(struct http_bpf *bpf)
{
	uprobe_prepare(bpf->progs.tls_begins);
	uprobe_prepare(bpf->progs.tls_read);
	uprobe_prepare(bpf->progs.tls_wrote);
	uprobe_prepare(bpf->progs.tls_freed);
}

size_t tls_libraries(const struct tls *tls)
{
	return tls->libraries;
}

__attribute__((format(printf, 2, 3))) static void note(const struct tls *tls,
						       const char *format, ...)
{
	char sentence[PATH_MAX + 160];
	va_list args;

	if (!tls->note)
		return;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	tls->note(tls->context, sentence);
}

static int attach(struct tls *tls, struct bpf_program *program,
		  const struct uprobe_place *place)
{
	int fd = uprobe_attach(program, place), *slot;

	if (fd < 0)
		return fd;
	slot = vec_push(&tls->links);
	if (!slot) {
		close(fd);
		return -ENOMEM;
	}
	*slot = fd;
	return 0;
}

/* A function's beginning and its return. */
static int watch(struct tls *tls, const struct library *l,
		 struct bpf_program *at_return, uint64_t offset,
		 enum tls_answer answer)
{
	struct uprobe_place place = {
		.path = l->path,
		.offset = offset,
		.cookie = answer,
	};
	int rc = attach(tls, tls->bpf->progs.tls_begins, &place);

	place.at_return = true;
	return rc < 0 ? rc : attach(tls, at_return, &place);
}

/* Of that name, alone; false: there is none. */
static bool find(const struct library *l, const char *name, struct function *f)
{
	return function_find(l->path, name, f, 1, NULL) == 1;
}

/* What both forms call first, if it is cheap to watch. */
static bool find_common(const struct library *l, const struct function *plain,
			const struct function *ex, struct function *common)
{
	int64_t from_plain, from_ex;
	struct place at;

	if (!place_first_call(plain->code, plain->code_size, &from_plain) ||
	    !place_first_call(ex->code, ex->code_size, &from_ex) ||
	    plain->vaddr + (uint64_t)from_plain !=
		    ex->vaddr + (uint64_t)from_ex)
		return false;
	if (function_at(l->path, plain->vaddr + (uint64_t)from_plain, common,
			NULL) < 0)
		return false;
	if (place_first(common->code, common->code_size, &at) && !at.stepped)
		return true;
	function_fini(common);
	return false;
}

/* SSL_read or SSL_write, in both forms.  1, 0: there is none, or -errno. */
static int watch_both(struct tls *tls, const struct library *l,
		      const char *name, struct bpf_program *at_return,
		      bool *dear)
{
	struct function plain, ex, common;
	struct place at;
	char name_ex[32];
	bool has_ex;
	int rc;

	if (!find(l, name, &plain))
		return 0;
	snprintf(name_ex, sizeof(name_ex), "%s_ex", name);
	has_ex = find(l, name_ex, &ex);
	if (!place_first(plain.code, plain.code_size, &at))
		at.stepped = true;
	if (at.stepped && has_ex && find_common(l, &plain, &ex, &common)) {
		rc = watch(tls, l, at_return, common.offset, TLS_TOLD);
		function_fini(&common);
	} else {
		*dear |= at.stepped;
		rc = watch(tls, l, at_return, plain.offset, TLS_RETURNED);
		if (rc == 0 && has_ex)
			rc = watch(tls, l, at_return, ex.offset, TLS_TOLD);
	}
	function_fini(&plain);
	if (has_ex)
		function_fini(&ex);
	return rc < 0 ? rc : 1;
}

/* Its connections end here; without it, when the next one has its address. */
static void watch_end(struct tls *tls, const struct library *l)
{
	struct uprobe_place place = { .path = l->path };
	struct function f;
	struct place at;

	if (!find(l, "SSL_free", &f))
		return;
	if (place_entry(f.code, f.code_size, &at)) {
		place.offset = f.offset + at.offset;
		(void)attach(tls, tls->bpf->progs.tls_freed, &place);
	}
	function_fini(&f);
}

static void watch_library(struct tls *tls, const struct library *l)
{
	bool dear = false;
	int rc =
		watch_both(tls, l, "SSL_read", tls->bpf->progs.tls_read, &dear);

	if (rc == 0)
		return;
	if (rc > 0)
		rc = watch_both(tls, l, "SSL_write", tls->bpf->progs.tls_wrote,
				&dear);
	if (rc < 0) {
		note(tls,
		     "%s: requests over TLS are not seen, for its functions "
		     "cannot be watched: %s",
		     l->name, strerror(-rc));
		return;
	}
	watch_end(tls, l);
	tls->libraries++;
	note(tls,
	     "%s: requests over TLS are seen by probes on its SSL_read and "
	     "SSL_write, about %s a call",
	     l->name,
	     dear ? "3 us (and up to 20 us in a virtual machine)" : "1 us");
}

/* Could it be one?  A process maps many files, and few are worth opening. */
static void look_at(void *context, const struct module *m)
{
	const struct library l = { .path = m->path, .name = m->name };
	const char *slash = strrchr(m->name, '/');
	struct tls *tls = context;

	if (!m->executable && !strstr(slash ? slash : m->name, "ssl"))
		return;
	if (hash_find(tls->looked_at, m->id) ||
	    hash_set(tls->looked_at, m->id, 1) < 0)
		return;
	watch_library(tls, &l);
}

void tls_look(struct tls *tls, pid_t pid)
{
	modules_each(pid, look_at, tls);
}
