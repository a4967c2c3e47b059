/*
 * symtab: see symtab.h.
 *
 * elfutils' libdwfl finds and reads the files (separate debug files by
 * build-id and debuglink, dwz, compressed mini tables) and knows symbols and
 * lines; here is the bookkeeping: modules opened once, answers kept by
 * address, the `symbols` file.
 */
#include "profiler/sym/symtab.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/base/intern.h"
#include "profiler/base/vec.h"
#include "profiler/sym/compiled.h"
#include "profiler/sym/demangle.h"
#include "profiler/sym/evaluator.h"
#include "profiler/sym/labels.h"
#include "profiler/sym/saved.h"

struct answer { /* symbols [first, first + count) of symtab.symbols */
	uint32_t first, count;
};

struct module {
	const char *path;
	uint8_t build_id[32];
	uint32_t build_id_size;
	bool opened;
	Dwfl *dwfl;
	Dwfl_Module *dwfl_module;    /* NULL: cannot be read */
	Dwarf_Addr base;	     /* address dwfl gave to vaddr 0 */
	struct compiled *compiled;   /* made when first asked */
	struct labels *labels;	     /* so, too */
	struct evaluator *evaluator; /* NULL: there is none */
	char *problem;
	struct hash *answers; /* vaddr -> index in symtab.answers */
};

struct symtab {
	char *root;
	struct intern *strings;
	VEC(struct module) modules;
	VEC(struct answer) answers;
	VEC(struct symbol) symbols;
};

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

struct symtab *symtab_new(const char *root)
{
	struct symtab *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->root = strdup(root ? root : "");
	st->strings = intern_new();
	if (!st->root || !st->strings) {
		symtab_free(st);
		return NULL;
	}
	return st;
}

void symtab_free(struct symtab *st)
{
	struct module *m;

	if (!st)
		return;
	vec_foreach (&st->modules, m) {
		compiled_free(m->compiled);
		labels_free(m->labels);
		evaluator_free(m->evaluator);
		if (m->dwfl)
			dwfl_end(m->dwfl);
		hash_free(m->answers);
		free(m->problem);
	}
	vec_free(&st->modules);
	vec_free(&st->answers);
	vec_free(&st->symbols);
	intern_free(st->strings);
	free(st->root);
	free(st);
}

static const char *keep(struct symtab *st, const char *text)
{
	uint32_t id = text ? intern_id(st->strings, text) : INTERN_NONE;

	return id == INTERN_NONE ? NULL : intern_text(st->strings, id);
}

int symtab_module(struct symtab *st, const struct symtab_module *want)
{
	const char *path = keep(st, want->path);
	uint32_t size = want->build_id_size <= 32 ? want->build_id_size : 0;
	struct module *m;

	vec_foreach (&st->modules, m)
		if (m->path == path && m->build_id_size == size &&
		    !memcmp(m->build_id, want->build_id, size))
			return (int)(m - st->modules.at);
	m = path ? vec_push(&st->modules) : NULL;
	if (!m)
		return -ENOMEM;
	m->path = path;
	m->build_id_size = size;
	if (size)
		memcpy(m->build_id, want->build_id, size);
	m->answers = hash_new();
	if (!m->answers) {
		st->modules.count--;
		return -ENOMEM;
	}
	return (int)st->modules.count - 1;
}

static void complain(struct module *m, const char *what)
{
	if (!m->problem &&
	    asprintf(&m->problem, "%s: %s; its functions are shown as offsets",
		     m->path, what) < 0)
		m->problem = NULL;
}

/* dwfl may place the file where it likes; find what it calls vaddr 0. */
static void find_base(struct module *m)
{
	GElf_Addr bias = 0;

	if (dwfl_module_getelf(m->dwfl_module, &bias))
		m->base = bias;
}

static bool same_build_id(const struct module *m)
{
	const unsigned char *bits;
	GElf_Addr at;
	int size;

	if (!m->build_id_size)
		return true;
	size = dwfl_module_build_id(m->dwfl_module, &bits, &at);
	return size == (int)m->build_id_size &&
	       !memcmp(bits, m->build_id, m->build_id_size);
}

static void module_open(struct symtab *st, struct module *m)
{
	char *path = NULL;

	m->opened = true;
	if (m->path[0] != '/')
		return; /* [vdso] and the like */
	if (asprintf(&path, "%s%s", st->root, m->path) < 0)
		return;
	if (access(path, R_OK) < 0) {
		complain(m, strstr(m->path, " (deleted)")
				    ? "the file was deleted"
				    : "the file cannot be read");
		goto free_path;
	}
	m->dwfl = dwfl_begin(&callbacks);
	if (!m->dwfl)
		goto free_path;
	dwfl_report_begin(m->dwfl);
	m->dwfl_module = dwfl_report_offline(m->dwfl, path, path, -1);
	dwfl_report_end(m->dwfl, NULL, NULL);
	if (!m->dwfl_module) {
		complain(m, "not an ELF file");
	} else if (!same_build_id(m)) {
		complain(m, "the file was replaced since it was recorded");
		m->dwfl_module = NULL;
	} else {
		find_base(m);
		m->evaluator = evaluator_new(m->dwfl_module);
	}
free_path:
	free(path);
}

static struct symbol *add_symbol(struct symtab *st, struct answer *a)
{
	struct symbol *s = vec_push(&st->symbols);

	if (s)
		a->count++;
	return s;
}

static const char *source_of(Dwarf_Die *cu, Dwarf_Word index)
{
	Dwarf_Files *files;
	size_t count;

	if (dwarf_getsrcfiles(cu, &files, &count) || index >= count)
		return NULL;
	return dwarf_filesrc(files, index, NULL, NULL);
}

static bool call_site(Dwarf_Die *cu, Dwarf_Die *inlined, const char **file,
		      uint32_t *line)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value = 0;

	*file = NULL;
	*line = 0;
	if (!dwarf_attr(inlined, DW_AT_call_line, &attribute) ||
	    dwarf_formudata(&attribute, &value))
		return false;
	*line = (uint32_t)value;
	if (dwarf_attr(inlined, DW_AT_call_file, &attribute) &&
	    !dwarf_formudata(&attribute, &value))
		*file = source_of(cu, value);
	return true;
}

static const char *die_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute))
		name = dwarf_formstring(&attribute);
	return name ? name : dwarf_diename(die);
}

static const char *pretty(struct symtab *st, const char *name)
{
	struct buf text = BUF_INIT;
	const char *kept;

	if (!name)
		return NULL;
	demangle(&text, name);
	kept = keep(st, buf_status(&text) == 0 && text.len ? text.bytes : name);
	buf_free(&text);
	return kept;
}

/*
 * The inlined calls around @addr, innermost first: each inlined function with
 * the place inside it, whose caller's place is the call site.
 */
static void add_inlined(struct symtab *st, struct answer *a, struct compiled *c,
			Dwarf_Addr addr, const char **file, uint32_t *line)
{
	struct compiled_place at = compiled_find(c, addr);
	Dwarf_Die calls[SYMBOL_MAX_INLINED - 1];
	unsigned count = compiled_inlined(c, addr, calls,
					  sizeof(calls) / sizeof(calls[0]));

	for (unsigned i = 0; i < count; i++) {
		struct symbol *s = add_symbol(st, a);

		if (!s)
			break;
		s->linkage = keep(st, die_name(&calls[i]));
		s->function = pretty(st, s->linkage);
		s->file = keep(st, *file);
		s->line = *line;
		s->inlined = true;
		call_site(at.unit, &calls[i], file, line);
	}
}

static void place_of(struct compiled *c, Dwarf_Addr addr, const char **file,
		     uint32_t *line)
{
	struct compiled_place in = compiled_find(c, addr);
	Dwarf_Line *at = in.unit ? dwarf_getsrc_die(in.unit, in.addr) : NULL;
	int number = 0;

	if (!at)
		return;
	*file = dwarf_linesrc(at, NULL, NULL);
	if (dwarf_lineno(at, &number) == 0)
		*line = (uint32_t)number;
}

static void resolve(struct symtab *st, struct module *m, uint64_t vaddr,
		    struct answer *a)
{
	Dwarf_Addr addr = vaddr + m->base;
	const char *file = NULL, *name;
	uint64_t offset = 0;
	uint32_t line = 0;
	struct symbol *s;

	if (!m->dwfl_module)
		goto add_function;
	if (!m->compiled)
		m->compiled = compiled_new(m->dwfl_module);
	if (m->compiled) {
		place_of(m->compiled, addr, &file, &line);
		add_inlined(st, a, m->compiled, addr, &file, &line);
	}
add_function:
	s = add_symbol(st, a);
	if (!s || !m->dwfl_module)
		return;
	if (!m->labels)
		m->labels = labels_new(m->dwfl_module);
	name = m->labels ? labels_find(m->labels, addr, &offset) : NULL;
	if (name) {
		s->linkage = keep(st, name);
		s->function = pretty(st, name);
		s->offset = (uint32_t)offset;
	} else if (evaluator_has(m->evaluator, vaddr)) {
		s->linkage = s->function =
			keep(st, "_PyEval_EvalFrameDefault.part");
	}
	s->file = keep(st, file);
	s->line = line;
}

static const struct answer *answer_of(struct symtab *st, struct module *m,
				      uint64_t vaddr)
{
	uint64_t *known = hash_find(m->answers, vaddr);
	struct answer *a;

	if (known)
		return &st->answers.at[*known];
	if (!m->opened)
		module_open(st, m);
	a = vec_push(&st->answers);
	if (!a || hash_set(m->answers, vaddr, st->answers.count - 1) < 0)
		return NULL;
	a->first = (uint32_t)st->symbols.count;
	resolve(st, m, vaddr, a);
	return a;
}

unsigned symtab_resolve(struct symtab *st, int module, uint64_t vaddr,
			struct symbol out[SYMBOL_MAX_INLINED])
{
	const struct answer *a = answer_of(st, &st->modules.at[module], vaddr);

	if (!a || !a->count) {
		out[0] = (struct symbol) { 0 };
		return 1;
	}
	memcpy(out, &st->symbols.at[a->first], a->count * sizeof(*out));
	return a->count;
}

const char *symtab_problem(const struct symtab *st, int module)
{
	return st->modules.at[module].problem;
}

/* One line a symbol; see saved.h. */
static void save_answer(FILE *f, const struct symtab *st, uint64_t vaddr,
			const struct answer *a)
{
	for (uint32_t i = 0; i < a->count; i++) {
		const struct symbol *s = &st->symbols.at[a->first + i];

		saved_write_symbol(f, vaddr, s);
	}
}

static void save_module(FILE *f, const struct symtab *st,
			const struct module *m)
{
	uint64_t vaddr, index;
	size_t pos = 0;

	saved_write_module(f, m->path, m->build_id, m->build_id_size,
			   m->problem);
	while (hash_next(m->answers, &pos, &vaddr, &index))
		save_answer(f, st, vaddr, &st->answers.at[index]);
}

int symtab_save(const struct symtab *st, const char *path, struct err *err)
{
	char *temporary = NULL;
	struct module *m;
	FILE *f;
	int rc = 0;

	if (asprintf(&temporary, "%s.tmp", path) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	f = fopen(temporary, "we");
	if (!f) {
		rc = err_errno(err, "cannot write %s", temporary);
		goto free_name;
	}
	saved_write_head(f);
	vec_foreach (&st->modules, m)
		save_module(f, st, m);
	if (fclose(f) || rename(temporary, path) < 0) {
		rc = err_errno(err, "cannot write %s", path);
		unlink(temporary);
	}
free_name:
	free(temporary);
	return rc;
}

struct load {
	struct symtab *st;
	int module; /* of the lines that follow; -1 before the first */
	uint64_t vaddr;
	struct answer *last;
};

static int load_module(void *into, const struct saved_module *m)
{
	struct load *l = into;
	struct symtab_module want = { m->path, m->build_id, m->build_id_size };

	l->module = symtab_module(l->st, &want);
	l->last = NULL;
	if (l->module < 0)
		return l->module;
	if (m->problem[0]) {
		struct module *to = &l->st->modules.at[l->module];

		free(to->problem);
		to->problem = strdup(m->problem);
	}
	return 0;
}

static int load_symbol(void *into, uint64_t vaddr, const struct symbol *from)
{
	struct load *l = into;
	struct symtab *st = l->st;
	struct symbol *s;

	if (l->module < 0)
		return -EBADMSG;
	if (!l->last || l->vaddr != vaddr ||
	    l->last->count == SYMBOL_MAX_INLINED) {
		l->last = vec_push(&st->answers);
		if (!l->last || hash_set(st->modules.at[l->module].answers,
					 vaddr, st->answers.count - 1) < 0)
			return -ENOMEM;
		l->last->first = (uint32_t)st->symbols.count;
		l->vaddr = vaddr;
	}
	s = add_symbol(st, l->last);
	if (!s)
		return -ENOMEM;
	*s = *from;
	s->function = keep(st, from->function);
	s->linkage = keep(st, from->linkage);
	s->file = keep(st, from->file);
	return 0;
}

int symtab_load(struct symtab *st, const char *path, struct err *err)
{
	struct load l = { .st = st, .module = -1 };
	const struct saved_sink sink = { load_module, load_symbol, &l };

	return saved_read(path, &sink, err);
}
