/*
 * wrappers: see wrappers.h.
 */
#include "profiler/model/wrappers.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"

#define NAME_MAX_LEN 1024 /* of it a pattern sees */

/*
 * By what they are in, longest lists first.  `*` takes any text.  Functions
 * that do more than hand out memory (fopen of libc is by its module) stay out:
 * who reads "leak in pool_get" wants to know, who reads "leak in xmalloc" not.
 */
/* clang-format off */
static const char *const known[] = {
	/* C programs' own */
	"malloc", "calloc", "realloc", "reallocarray", "memalign", "strdup",
	"strndup", "aligned_alloc", "posix_memalign", "x[mcr]*alloc", "xalloc",
	"xstrdup", "xstrndup", "xasprintf", "xvasprintf", "xmemdup",
	"xrealloc*", "xreallocarray", "x2realloc", "x2nrealloc", "xnmalloc",
	"xzalloc", "xcharalloc", "ximalloc", "*_malloc", "*_calloc",
	"*_realloc", "*_zalloc", "*_strdup", "*_strndup", "*_memdup",
	"*_reallocarray", "*_malloc0", "s[am]fe_alloc", "mem_alloc",
	"checked_alloc", "emalloc", "ecalloc", "erealloc", "estrdup",
	"safemalloc", "kmalloc", "kzalloc", "kcalloc",
	/* C++ */
	"operator new*", "std::*", "__gnu_cxx::*", "boost::pool*",
	"boost::*allocator*", "absl::*::*Allocat*",
	/* Rust */
	"__rust_alloc*", "__rust_realloc", "__rustc::*", "__rdl_*", "__rg_*", "alloc::*",
	"<alloc::*", "hashbrown::*", "<hashbrown::*", "core::*", "<core::*",
	"<std::*", "<* as alloc::*", "exchange_malloc", "box_free",
	"tikv_jemallocator::*", "<tikv_jemallocator::*", "mimalloc::*",
	"<mimalloc::*",
	/* allocators that a program brings */
	"je_*", "_rjem_*", "mi_*", "tc_*", "tcmalloc::*", "mallocx", "rallocx",
	"imalloc*", "do_rallocx*", "allocate_full_*",
	"(anonymous namespace)::" "do_malloc*",
	"(anonymous namespace)::cpp_alloc*",
	/* CPython */
	"PyObject_Malloc", "PyObject_Calloc", "PyObject_Realloc",
	"_PyObject_Malloc", "_PyObject_Calloc", "_PyObject_Realloc",
	"_PyObject_New*", "_PyObject_GC_*", "PyMem_*", "_PyMem_*",
	"PyType_GenericAlloc", "_PyType_AllocNoTrack", "gc_alloc*",
	"pymalloc_*", "new_arena", "_PyObject_Arena*", "object_malloc*",
	"allocate_from_new_pool", "_PyObject_GetNewArena",
	/* numpy */
	"PyDataMem_*", "npy_alloc_cache*", "_npy_alloc_cache*",
	"default_malloc", "default_calloc", "default_realloc",
	"PyArray_NewFromDescr*",
	/* libraries that servers are made of */
	"g_malloc*", "g_try_malloc*", "g_realloc*", "g_strdup*", "g_strndup",
	"g_slice_*", "g_memdup*", "g_new*", "g_aligned_alloc*",
	"sqlite3Malloc*", "sqlite3_malloc*", "sqlite3Realloc*",
	"sqlite3_realloc*", "sqlite3DbMalloc*", "sqlite3DbRealloc*",
	"sqlite3DbStr*", "sqlite3MemMalloc", "sqlite3MemRealloc",
	"mallocWithAlarm", "dbMallocRawFinish", "CRYPTO_*alloc*",
	"CRYPTO_strdup", "CRYPTO_memdup", "OPENSSL_*dup", "apr_p*alloc*",
	"apr_pstr*dup", "apr_allocator_alloc", "allocator_alloc", "ngx_alloc",
	"ngx_calloc", "ngx_p*alloc*", "ngx_create_pool", "ngx_memalign",
	"zmalloc*", "zcalloc*", "zrealloc*", "ztrymalloc*", "ztrycalloc*",
	"ztryrealloc*", "sdsnew*", "_sdsnew*", "sdsdup", "sdsMakeRoomFor*",
	"_sdsMakeRoomFor", "uv__malloc", "uv__calloc", "uv__realloc",
	"uv__strdup", "uprv_malloc*", "av_malloc*", "av_realloc*",
	"xmlMalloc*", "xmlStrdup", "xmlStrndup", "json_malloc", "jsonp_malloc",
	"event_mm_*", "talloc_*", "_talloc_*", "palloc*",
	"MemoryContextAlloc*", "AllocSetAlloc*", "pstrdup", "obstack_*",
	"_obstack_*", "faiss::MaybeOwnedVector*", "c10::alloc_cpu",
	"c10::*Allocator*",
};
/* clang-format on */

/* Where their source is: what a compiler inlines from system headers has names
 * as plain as "allocate" or "getline". */
static const char *const system_sources[] = {
	"*/include/c++/*",
	"/usr/include/bits/*",
	"/usr/include/*/bits/*",
	"/rustc/*/library/*",
};

/*
 * Python modules, by the names that they are imported as, that make things for
 * whoever calls them: of the standard library, and of what servers compute
 * with.
 */
/* clang-format off */
static const char *const python_modules[] = {
	"_py*", "_strptime", "base64", "bisect", "calendar", "codecs",
	"collections", "collections.*", "contextlib", "copy", "copyreg", "csv",
	"ctypes", "ctypes.*", "dataclasses", "datetime", "decimal",
	"encodings.*", "enum", "faiss", "faiss.*", "fractions", "functools",
	"genericpath", "gzip", "hashlib", "heapq", "importlib", "importlib.*",
	"inspect", "io", "ipaddress", "json", "json.*", "linecache", "numpy",
	"numpy.*", "operator", "os", "pandas.*", "pathlib", "pathlib.*",
	"pickle", "posixpath", "pprint", "queue", "random", "re", "re.*",
	"reprlib", "scipy.*", "shutil", "sre_*", "string", "string.*",
	"struct", "swigfaiss*", "tempfile", "textwrap", "threading", "torch",
	"torch.*", "traceback", "types", "typing", "urllib.parse", "uuid",
	"weakref", "_weakrefset", "zipfile", "zipfile.*", "zlib",
	"<frozen *>", "<__array_function__*",
};
/* clang-format on */

/* Where a thread or a program begins: nobody asked for memory there. */
static const char *const roots[] = {
	"_start",
	"__libc_start_main*",
	"__libc_start_call_main",
	"_dl_start_user",
	"_dl_start",
	"start_thread",
	"clone",
	"clone3",
	"__clone",
	"__clone3",
	"_init",
	"_dl_init",
	"call_init*",
};

/* @close's partner, back from *@at; false when there is none. */
static bool skip_back(const char *from, const char **at, char open, char close)
{
	unsigned depth = 0;

	for (const char *p = *at; p >= from; p--) {
		if (*p == close)
			depth++;
		else if (*p == open && --depth == 0) {
			*at = p;
			return true;
		}
	}
	return false;
}

/* The '(' of the last argument list, or the end. */
static const char *arguments_of(const char *function)
{
	const char *end = function + strlen(function);
	const char *close = strrchr(function, ')'), *at = close;

	/* "f(int) const", "f(int)::{lambda}" has none at its end. */
	if (!close || (close[1] && close[1] != ' '))
		return end;
	if (!skip_back(function, &at, '(', ')') || at == function)
		return end;
	return at;
}

/* After the return type: past the last space that is in no bracket. */
static const char *after_type(const char *function, const char *end)
{
	int depth = 0;

	for (const char *p = end - 1; p >= function; p--) {
		if (*p == '>' || *p == ')')
			depth++;
		else if (*p == '<' || *p == '(')
			depth--;
		if (*p != ' ' || depth != 0)
			continue;
		/* "operator new", "operator unsigned" are names. */
		if (p - function >= 8 && !strncmp(p - 8, "operator", 8)) {
			p -= 8;
			continue;
		}
		return p + 1;
	}
	return function;
}

const char *wrappers_name(const char *function, size_t *len)
{
	const char *end = arguments_of(function), *start;

	/* Rust's "<T as Trait>::f" has its spaces inside of brackets. */
	start = after_type(function, end);
	*len = (size_t)(end - start);
	return start;
}

static bool matches(const char *name, const char *const *patterns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		/* Most differ in the first letter already. */
		if (patterns[i][0] != name[0] && patterns[i][0] != '*' &&
		    patterns[i][0] != '[')
			continue;
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	}
	return false;
}

static bool in_libc(const struct model_frame *f)
{
	return f->kind == FRAME_NATIVE && f->module_kind == MODULE_LIBC;
}

static bool in_system_source(const struct model_frame *f)
{
	return f->file &&
	       matches(f->file, system_sources,
		       sizeof(system_sources) / sizeof(system_sources[0]));
}

/* Told by its module and an address, see unknown_name() in stacks.c. */
static bool is_unnamed(const struct model_frame *f)
{
	const char *slash = strrchr(f->module, '/');
	const char *base = slash ? slash + 1 : f->module;
	size_t len = strlen(base);

	return len && !strncmp(f->function, base, len) &&
	       !strncmp(f->function + len, "+0x", 3);
}

static bool is_python_wrapper(const struct model_frame *f)
{
	return matches(f->module, python_modules,
		       sizeof(python_modules) / sizeof(python_modules[0]));
}

static void name_of(const struct model_frame *f, char out[NAME_MAX_LEN])
{
	size_t len;
	const char *name = wrappers_name(f->function, &len);

	if (len >= NAME_MAX_LEN)
		len = NAME_MAX_LEN - 1;
	memcpy(out, name, len);
	out[len] = 0;
}

int wrappers_mark(struct model *m)
{
	char name[NAME_MAX_LEN];

	m->frame_roles = calloc(m->frame_count + 1, sizeof(*m->frame_roles));
	if (!m->frame_roles)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->frame_count; i++) {
		const struct model_frame *f = &m->frames[i];

		if (f->kind == FRAME_PYTHON && is_python_wrapper(f))
			m->frame_roles[i] = MODEL_ROLE_WRAPPER;
		if (f->kind != FRAME_NATIVE)
			continue;
		name_of(f, name);
		if (matches(name, roots, sizeof(roots) / sizeof(roots[0])))
			m->frame_roles[i] = MODEL_ROLE_ROOT;
		else if (in_libc(f) || in_system_source(f) ||
			 matches(name, known, sizeof(known) / sizeof(known[0])))
			m->frame_roles[i] = MODEL_ROLE_WRAPPER;
		else if (is_unnamed(f))
			m->frame_roles[i] = MODEL_ROLE_UNNAMED;
	}
	return 0;
}

int wrappers_add(struct model *m, const char *pattern, struct err *err)
{
	char name[NAME_MAX_LEN];

	if (!pattern[0] || pattern[strspn(pattern, "*?")] == 0)
		return err_set(err, -EINVAL,
			       "wrapper '%s' would see through every function; "
			       "name one, with * for any text",
			       pattern);
	if (!m->frame_roles && wrappers_mark(m) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < m->frame_count; i++) {
		if (m->frames[i].kind == FRAME_MARKER)
			continue;
		name_of(&m->frames[i], name);
		if (fnmatch(pattern, name, 0) == 0)
			m->frame_roles[i] = MODEL_ROLE_WRAPPER;
	}
	return 0;
}
