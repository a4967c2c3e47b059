#include "profiler/model/frames.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/model/modules.h"
#include "profiler/sym/pyline.h"
#include "profiler/sym/pynames.h"

int frames_init(struct frames *f, struct model *m, struct symtab *st)
{
	*f = (struct frames) {
		.m = m,
		.st = st,
		.ids = hash_new(),
		.complained = hash_new(),
	};
	return f->ids && f->complained ? 0 : -ENOMEM;
}

void frames_fini(struct frames *f)
{
	hash_free(f->ids);
	hash_free(f->complained);
	vec_free(&f->list);
	vec_free(&f->problems);
}

static uint64_t text_hash(uint64_t h, const char *text)
{
	/* Interned: equal texts have equal addresses within one model. */
	return hash_mix(h ^ (uint64_t)(uintptr_t)text);
}

static uint32_t frame_id(struct frames *f, const struct model_frame *frame)
{
	/*
	 * Mixed first: texts lie side by side, so the bits of a line could
	 * make one function's address into another's.
	 */
	uint64_t key = text_hash(hash_mix(frame->line), frame->function);
	uint64_t *found;
	struct model_frame *slot;

	if (f->failed)
		return 0;
	key = text_hash(key, frame->file);
	key = text_hash(key, frame->module);
	key = hash_mix(key ^ (uint64_t)frame->kind << 8 ^
		       (uint64_t)frame->inlined);
	found = hash_find(f->ids, key);
	if (found)
		return (uint32_t)*found;
	slot = vec_push(&f->list);
	if (!slot || hash_set(f->ids, key, f->list.count - 1) < 0) {
		f->failed = true;
		return 0;
	}
	*slot = *frame;
	return (uint32_t)f->list.count - 1;
}

static const char *str(struct frames *f, const char *text)
{
	const char *kept = text ? model_string(f->m, text) : NULL;

	f->failed |= text && !kept;
	return kept;
}

static void put(struct frames *f, struct frames_node *out,
		const struct model_frame *frame)
{
	out->at[out->count++] = frame_id(f, frame);
}

uint32_t frames_add(struct frames *f, const struct model_frame *frame)
{
	struct model_frame kept = *frame;

	kept.function = str(f, frame->function);
	kept.file = str(f, frame->file);
	kept.module = str(f, frame->module);
	return frame_id(f, &kept);
}

uint32_t frames_marker(struct frames *f, const char *name)
{
	struct model_frame frame = {
		.function = str(f, name),
		.module = str(f, ""),
		.kind = FRAME_MARKER,
		.module_kind = MODULE_UNKNOWN,
	};

	return frame_id(f, &frame);
}

static const struct trace_module *find_module(const struct trace_image *im,
					      uint32_t id)
{
	size_t low = 0, high = im->module_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (im->modules[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < im->module_count && im->modules[low].id == id
		       ? &im->modules[low]
		       : NULL;
}

static const struct trace_code *find_code(const struct trace_image *im,
					  uint32_t id)
{
	size_t low = 0, high = im->code_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (im->codes[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < im->code_count && im->codes[low].id == id ? &im->codes[low]
							       : NULL;
}

static void note_problem(struct frames *f, int module)
{
	const char *text = symtab_problem(f->st, module);
	const char **slot;

	if (!text || hash_find(f->complained, (uint64_t)module))
		return;
	hash_set(f->complained, (uint64_t)module, 1);
	slot = vec_push(&f->problems);
	if (slot)
		*slot = str(f, text);
}

static void unknown_name(char *to, size_t size, const char *path,
			 uint64_t vaddr)
{
	const char *slash = strrchr(path, '/');

	snprintf(to, size, "%s+0x%llx", slash ? slash + 1 : path,
		 (unsigned long long)vaddr);
}

/* A hook that did not jump on leaves a frame of its own. */
static bool is_shim(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && !strcmp(slash + 1, "libstrandline.so");
}

/* The frames of a native address of a known module. */
static void native(struct frames *f, const struct trace_image *im,
		   const struct trace_module *tm, uint64_t vaddr,
		   struct frames_node *out)
{
	enum module_kind kind = modules_kind(tm->path, im->header.exe);
	struct symbol symbols[SYMBOL_MAX_INLINED];
	struct symtab_module sm = { tm->path, tm->build_id, tm->build_id_size };
	int module = symtab_module(f->st, &sm);
	char name[512];
	unsigned count;

	if (module < 0) {
		f->failed = true;
		return;
	}
	count = symtab_resolve(f->st, module, vaddr, symbols);
	note_problem(f, module);
	for (unsigned i = count; i-- > 0;) {
		struct model_frame frame = {
			.file = str(f, symbols[i].file),
			.module = str(f, tm->path),
			.line = symbols[i].line,
			.kind = FRAME_NATIVE,
			.module_kind = kind,
			.inlined = symbols[i].inlined,
		};

		if (!symbols[i].function)
			unknown_name(name, sizeof(name), tm->path, vaddr);
		else if (out->evaluator == UINT32_MAX &&
			 pynames_is_evaluator(symbols[i].function))
			out->evaluator = out->count;
		else
			out->greenlet |=
				pynames_is_greenlet(symbols[i].function);
		frame.function =
			str(f,
			    symbols[i].function ? symbols[i].function : name);
		put(f, out, &frame);
	}
}

static void native_node(struct frames *f, const struct trace_image *im,
			const struct wire_node *node, bool outermost,
			struct frames_node *out)
{
	const struct trace_module *tm = find_module(im, wire_node_module(node));

	if (!tm)
		out->at[out->count++] = frames_marker(f, "[unknown]");
	else if (outermost || !is_shim(tm->path))
		native(f, im, tm, node->value, out);
}

static void python(struct frames *f, const struct trace_image *im,
		   const struct wire_node *node, struct frames_node *out)
{
	const struct trace_code *code = find_code(im, wire_node_module(node));
	struct pyline_table lines;
	struct model_frame frame;
	char module[512];

	if (!code) {
		out->at[out->count++] = frames_marker(f, "[unknown]");
		return;
	}
	lines = (struct pyline_table) { code->python_version, code->first_line,
					code->linetable, code->linetable_size };
	pynames_module(module, sizeof(module), code->file, im->python.folder);
	frame = (struct model_frame) {
		.function = str(f, code->qualname),
		.file = str(f, code->file),
		.module = str(f, module),
		.line = pyline(&lines, (int32_t)node->value),
		.kind = FRAME_PYTHON,
		.module_kind = MODULE_PYTHON,
	};
	put(f, out, &frame);
}

static const char *text_of(const struct trace_image *im,
			   const struct wire_node *node)
{
	return node->value >= 1 && node->value <= im->text_count
		       ? im->texts[node->value - 1]
		       : NULL;
}

static void generated(struct frames *f, const struct trace_image *im,
		      const struct wire_node *node, struct frames_node *out)
{
	const char *name = text_of(im, node);
	struct model_frame frame = {
		.function = str(f, name ? name : "[jit]"),
		.module = str(f, "[jit]"),
		.kind = FRAME_NATIVE,
		.module_kind = MODULE_APPLICATION,
	};

	put(f, out, &frame);
}

static void kernel(struct frames *f, const struct trace_image *im,
		   const struct wire_node *node, struct frames_node *out)
{
	const char *name = text_of(im, node);
	struct model_frame frame = {
		.function = str(f, name ? name : "[kernel]"),
		.module = str(f, "[kernel]"),
		.kind = FRAME_KERNEL,
		.module_kind = MODULE_KERNEL,
	};

	put(f, out, &frame);
}

static const char *blocked_name(uint64_t reason)
{
	static const char *const names[BLOCKED_NREASONS] = {
		[BLOCKED_OTHER] = "[waits]",
		[BLOCKED_RUNNABLE] = "[waits for a CPU]",
		[BLOCKED_FUTEX] = "[waits: futex]",
		[BLOCKED_EPOLL] = "[waits: epoll]",
		[BLOCKED_DISK] = "[waits: disk]",
		[BLOCKED_SOCKET] = "[waits: socket]",
		[BLOCKED_SLEEP] = "[sleeps]",
		[BLOCKED_FAULT] = "[waits: page]",
		[BLOCKED_CHILD] = "[waits: process]",
		[BLOCKED_FILE] = "[waits: file]",
	};

	return names[reason < BLOCKED_NREASONS ? reason : BLOCKED_OTHER];
}

static const char *marker_name(const struct wire_node *node, char name[32])
{
	switch (wire_node_kind(node)) {
	case NODE_BLOCKED:
		return blocked_name(node->value);
	case NODE_ABSOLUTE:
		snprintf(name, 32, "0x%llx",
			 (unsigned long long)(node->value & ~0xfffULL));
		return name;
	case NODE_TRUNCATED:
		return "[truncated]";
	case NODE_BROKEN:
		return "[broken]";
	case NODE_LOST:
		return "[lost]";
	default:
		return "[unknown]";
	}
}

void frames_of_node(struct frames *f, const struct trace_image *im,
		    const struct wire_node *node, bool outermost,
		    struct frames_node *out)
{
	char name[32];

	out->count = 0;
	out->evaluator = UINT32_MAX;
	out->greenlet = false;
	switch (wire_node_kind(node)) {
	case NODE_NATIVE:
		native_node(f, im, node, outermost, out);
		break;
	case NODE_PYTHON:
		python(f, im, node, out);
		break;
	case NODE_KERNEL:
		kernel(f, im, node, out);
		break;
	case NODE_JIT:
		generated(f, im, node, out);
		break;
	default:
		out->at[out->count++] =
			frames_marker(f, marker_name(node, name));
	}
	if (out->evaluator > out->count)
		out->evaluator = out->count;
}
