#include "profiler/model/modules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/model/build.h"

static bool starts(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static bool is_libc(const char *base)
{
	return starts(base, "libc.so") || starts(base, "libc-2") ||
	       starts(base, "ld-linux") || starts(base, "ld-2") ||
	       starts(base, "ld-musl") || starts(base, "libpthread") ||
	       starts(base, "libdl.so") || starts(base, "libdl-2") ||
	       starts(base, "[vdso]");
}

static bool is_runtime(const char *base)
{
	return starts(base, "python") || starts(base, "libpython") ||
	       starts(base, "libstdc++") || starts(base, "libgcc_s") ||
	       starts(base, "libc++") || starts(base, "libuv");
}

static bool is_extension(const char *path, const char *base)
{
	return strstr(base, ".cpython-") || strstr(base, ".abi3.so") ||
	       strstr(path, "/site-packages/") ||
	       strstr(path, "/dist-packages/") || strstr(path, "/lib-dynload/");
}

enum module_kind modules_kind(const char *path, const char *exe)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	const char *exe_slash = strrchr(exe, '/');
	size_t folder = exe_slash ? (size_t)(exe_slash - exe) + 1 : 0;

	if (is_libc(base))
		return MODULE_LIBC;
	if (is_runtime(base))
		return MODULE_RUNTIME;
	if (is_extension(path, base))
		return MODULE_EXTENSION;
	if (!strcmp(path, exe))
		return MODULE_APPLICATION;
	/* What lies beside the executable is the application's own. */
	if (folder && !strncmp(path, exe, folder) &&
	    (size_t)(base - path) == folder)
		return MODULE_APPLICATION;
	return MODULE_LIBRARY;
}

static int by_path(const void *a, const void *b)
{
	const struct model_module *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	/* Of several files of one name the one with a build-id comes first. */
	if (order || !x->build_id || !y->build_id)
		return order ? order : !x->build_id - !y->build_id;
	return strcmp(x->build_id, y->build_id);
}

/* NULL: it has none, or (with *@failed set) there is no memory. */
static const char *build_id_of(struct model *m, const struct trace_module *tm,
			       bool *failed)
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * sizeof(tm->build_id) + 1];
	const char *text;

	if (!tm->build_id_size)
		return NULL;
	for (uint32_t i = 0; i < tm->build_id_size; i++) {
		hex[2 * i] = digits[tm->build_id[i] >> 4];
		hex[2 * i + 1] = digits[tm->build_id[i] & 15];
	}
	hex[2 * tm->build_id_size] = '\0';
	text = model_string(m, hex);
	*failed |= !text;
	return text;
}

int build_modules(struct model *m, const struct trace_view *v)
{
	bool failed = false;
	size_t count = 0;
	uint32_t kept = 0;

	for (size_t i = 0; i < v->image_count; i++)
		count += v->images[i].module_count;
	m->modules = calloc(count + 1, sizeof(*m->modules));
	if (!m->modules)
		return -ENOMEM;
	for (size_t i = 0; i < v->image_count; i++) {
		const struct trace_image *im = &v->images[i];

		for (size_t k = 0; k < im->module_count; k++) {
			struct model_module *to = &m->modules[m->module_count];

			to->path = model_string(m, im->modules[k].path);
			to->build_id = build_id_of(m, &im->modules[k], &failed);
			if (!to->path || failed)
				return -ENOMEM;
			m->module_count++;
		}
	}
	qsort(m->modules, m->module_count, sizeof(*m->modules), by_path);
	for (uint32_t i = 0; i < m->module_count; i++)
		if (!kept || m->modules[kept - 1].path != m->modules[i].path)
			m->modules[kept++] = m->modules[i];
	m->module_count = kept;
	return 0;
}
