/*
 * imported: see imported.h.
 *
 * What has a name keeps it; what has only an address is looked up in the file
 * that was mapped there, if it is still what it was: such profiles have no
 * build-ids to tell.
 */
#include "profiler/model/imported.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/model/build.h"
#include "profiler/model/modules.h"
#include "profiler/sym/segment.h"

struct importer {
	const struct import *im;
	struct frames *frames;
	struct trace_module *modules; /* of the mappings, id i + 1 */
	uint64_t *shifts;	      /* from place in the file to address */
	struct trace_image image;
};

static bool ends(const char *text, const char *end)
{
	size_t len = text ? strlen(text) : 0;

	return len >= strlen(end) && !strcmp(text + len - strlen(end), end);
}

/* As tools tell frames apart in names: "[lost]", "do_mmap_[k]", "x.py". */
static void classify(struct model_frame *f)
{
	if (ends(f->file, ".py")) {
		f->kind = FRAME_PYTHON;
		f->module_kind = MODULE_PYTHON;
	} else if (ends(f->function, "_[k]") ||
		   !strcmp(f->module, "[kernel.kallsyms]")) {
		f->kind = FRAME_KERNEL;
		f->module_kind = MODULE_KERNEL;
	} else if (f->function[0] == '[' && ends(f->function, "]")) {
		f->kind = FRAME_MARKER;
		f->module_kind = MODULE_UNKNOWN;
	} else if (f->module[0]) {
		f->module_kind = modules_kind(f->module, "");
	} else {
		f->module_kind = MODULE_UNKNOWN;
	}
}

static uint32_t named(struct importer *x, const struct import_frame *from)
{
	struct model_frame f = {
		.function = from->function,
		.file = from->file,
		.module = from->module ? from->module : "",
		.line = from->line,
		.kind = FRAME_NATIVE,
		.inlined = from->inlined,
	};
	char cut[512];

	classify(&f);
	if (f.kind == FRAME_KERNEL && ends(f.function, "_[k]")) {
		snprintf(cut, sizeof(cut), "%.*s",
			 (int)(strlen(f.function) - strlen("_[k]")),
			 f.function);
		f.function = cut;
		f.module = "[kernel]";
	}
	return frames_add(x->frames, &f);
}

static int add(struct imported_frames *to, uint32_t frame)
{
	uint32_t *id = vec_push(&to->ids);

	if (!id)
		return -ENOMEM;
	*id = frame;
	return 0;
}

static int add_address(struct importer *x, struct imported_frames *to,
		       const struct import_frame *from)
{
	const struct import_mapping *m;
	struct wire_node node = { 0 };
	struct frames_node found;
	char name[32];
	int rc = 0;

	if (from->mapping == IMPORT_NONE ||
	    !x->im->mappings.at[from->mapping].path[0]) {
		snprintf(name, sizeof(name), "0x%llx",
			 (unsigned long long)from->address);
		return add(to, frames_marker(x->frames, name));
	}
	m = &x->im->mappings.at[from->mapping];
	node.kind_module = (uint32_t)NODE_NATIVE << 24 | (from->mapping + 1);
	node.value =
		from->address - m->start + m->offset + x->shifts[from->mapping];
	frames_of_node(x->frames, &x->image, &node, true, &found);
	for (uint32_t i = 0; i < found.count && rc == 0; i++)
		rc = add(to, found.at[i]);
	return rc;
}

static int add_frames(struct importer *x, struct imported_frames *to)
{
	const struct import *im = x->im;
	int rc = 0;

	for (size_t i = 0; i < im->frames.count && rc == 0; i++) {
		const struct import_frame *f = &im->frames.at[i];

		to->first[i] = (uint32_t)to->ids.count;
		rc = f->function ? add(to, named(x, f)) : add_address(x, to, f);
	}
	to->first[im->frames.count] = (uint32_t)to->ids.count;
	return x->frames->failed ? -ENOMEM : rc;
}

int imported_frames(struct imported_frames *to, struct frames *f,
		    const struct import *im)
{
	size_t count = im->mappings.count;
	struct importer x = {
		.im = im,
		.frames = f,
		.modules = calloc(count + 1, sizeof(*x.modules)),
		.shifts = calloc(count + 1, sizeof(*x.shifts)),
	};
	int rc = -ENOMEM;

	*to = (struct imported_frames) { .first = calloc(im->frames.count + 1,
							 sizeof(*to->first)) };
	if (x.modules && x.shifts && to->first &&
	    count < WIRE_NODE_MODULE_MASK) {
		for (size_t i = 0; i < count; i++) {
			const struct import_mapping *m = &im->mappings.at[i];

			x.modules[i].id = (uint32_t)i + 1;
			x.modules[i].path = m->path;
			x.shifts[i] = segment_shift(m->path, m->offset);
		}
		x.image.modules = x.modules;
		x.image.module_count = count;
		rc = add_frames(&x, to);
	}
	free(x.modules);
	free(x.shifts);
	return rc;
}

void imported_frames_fini(struct imported_frames *to)
{
	vec_free(&to->ids);
	free(to->first);
}

static void add_totals(struct model *m)
{
	for (uint32_t i = 0; i < m->site_count; i++) {
		const struct model_site *s = &m->sites[i];
		struct model_totals *t = &m->totals;

		t->live.bytes += s->live.bytes;
		t->live.count += s->live.count;
		t->live.bytes_variance += s->live.bytes_variance;
		t->live.count_variance += s->live.count_variance;
		t->allocated.bytes += s->allocated.bytes;
		t->allocated.count += s->allocated.count;
		t->peak.bytes += s->peak.bytes;
		t->temporary.bytes += s->temporary.bytes;
	}
	m->totals.records = m->site_count;
}

static int note(struct model *m, const struct import *im)
{
	char text[320];

	m->notes = calloc(2, sizeof(*m->notes));
	if (!m->notes)
		return -ENOMEM;
	snprintf(text, sizeof(text),
		 "imported from %s: of one moment, without time, requests and "
		 "the ledger of memory",
		 im->what);
	m->notes[m->note_count++] = model_string(m, text);
	if (im->ignored) {
		snprintf(text, sizeof(text),
			 "%zu pieces of the imported file could not be read",
			 im->ignored);
		m->notes[m->note_count++] = model_string(m, text);
	}
	return m->notes[m->note_count - 1] ? 0 : -ENOMEM;
}

static int put_head(struct model *m, const struct import *im, const char *path)
{
	const char *slash = strrchr(path, '/');

	m->path = model_string(m, path);
	m->name = model_string(m, slash ? slash + 1 : path);
	m->host = m->kernel = m->version = model_string(m, "");
	m->command = model_string(m, "unknown");
	m->mode = "imported";
	m->mean_bytes = im->mean_bytes;
	m->start_unix_ns = im->time_unix_ns;
	m->duration = im->duration;
	return m->path && m->name && m->command ? note(m, im) : -ENOMEM;
}

int imported_load(struct model **out, const char *path, struct err *err)
{
	struct symtab *st = symtab_new("");
	struct model *m = model_new();
	struct import *im;
	int rc = import_read(&im, path, err);

	*out = NULL;
	if (rc == 0 && (!st || !m))
		rc = err_set(err, -ENOMEM, "out of memory");
	if (rc == 0) {
		rc = put_head(m, im, path);
		if (rc == 0)
			rc = build_imported(m, im, st);
		if (rc < 0)
			err_set(err, rc, "out of memory reading %s", path);
	}
	if (rc == 0) {
		add_totals(m);
		*out = m;
		m = NULL;
	}
	import_free(im);
	model_free(m);
	symtab_free(st);
	return rc;
}
