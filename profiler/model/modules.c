#include "profiler/model/modules.h"

#include <string.h>

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
