/*
 * compiled: see compiled.h.
 */
#include "profiler/sym/compiled.h"

#include <dwarf.h>
#include <stdlib.h>

#include "profiler/base/vec.h"

#define DEPTH_MAX 64u /* of namespaces; of blocks in a function */

struct function {
	Dwarf_Addr low, high; /* as libdw counts */
	Dwarf_Die die;
};

struct unit {
	Dwarf_Die die;
	Dwarf_Addr bias; /* what dwfl adds */
	bool read;
	VEC(struct function) functions; /* by low */
};

struct range {
	Dwarf_Addr low, high; /* as dwfl places them */
	size_t unit;
};

struct compiled {
	VEC(struct unit) units;
	VEC(struct range) ranges; /* by low */
};

/* Every range of the latest unit; false: out of memory. */
static bool add_ranges(struct compiled *c)
{
	struct unit *u = &c->units.at[c->units.count - 1];
	Dwarf_Addr base, low, high;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(&u->die, at, &base, &low, &high)) > 0) {
		struct range *r;

		if (high <= low || !low)
			continue; /* left out by the linker */
		r = vec_push(&c->ranges);
		if (!r)
			return false;
		*r = (struct range) { low + u->bias, high + u->bias,
				      c->units.count - 1 };
	}
	return true;
}

static bool add_unit(struct compiled *c, Dwarf_Die *die, Dwarf_Addr bias)
{
	struct unit *u = vec_push(&c->units);

	if (!u)
		return false;
	u->die = *die;
	u->bias = bias;
	return add_ranges(c);
}

/* Ranges and functions begin with where they begin. */
static int by_low(const void *a, const void *b)
{
	Dwarf_Addr x = *(const Dwarf_Addr *)a, y = *(const Dwarf_Addr *)b;

	return (x > y) - (x < y);
}

#define sort_by_low(v)                                                        \
	do {                                                                  \
		if ((v)->count)                                               \
			qsort((v)->at, (v)->count, sizeof(*(v)->at), by_low); \
	} while (0)

struct compiled *compiled_new(Dwfl_Module *module)
{
	struct compiled *c = calloc(1, sizeof(*c));
	Dwarf_Die *die = NULL;
	Dwarf_Addr bias;

	while (c && (die = dwfl_module_nextcu(module, die, &bias)))
		if (!add_unit(c, die, bias)) {
			compiled_free(c);
			return NULL;
		}
	if (c)
		sort_by_low(&c->ranges);
	return c;
}

void compiled_free(struct compiled *c)
{
	struct unit *u;

	if (!c)
		return;
	vec_foreach (&c->units, u)
		vec_free(&u->functions);
	vec_free(&c->units);
	vec_free(&c->ranges);
	free(c);
}

static struct unit *unit_at(struct compiled *c, Dwarf_Addr addr)
{
	size_t low = 0, high = c->ranges.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->ranges.at[middle].low <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low && addr < c->ranges.at[low - 1].high
		       ? &c->units.at[c->ranges.at[low - 1].unit]
		       : NULL;
}

struct compiled_place compiled_find(struct compiled *c, Dwarf_Addr addr)
{
	struct unit *u = unit_at(c, addr);

	return u ? (struct compiled_place) { &u->die, addr - u->bias }
		 : (struct compiled_place) { NULL, 0 };
}

static bool add_function(struct unit *u, Dwarf_Die *die)
{
	Dwarf_Addr base, low, high;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
		struct function *f;

		if (high <= low || !low)
			continue;
		f = vec_push(&u->functions);
		if (!f)
			return false;
		*f = (struct function) { low, high, *die };
	}
	return true;
}

/* What may have functions within it and no addresses of its own. */
static bool is_scope(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
	       tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type;
}

static bool add_functions(struct unit *u, Dwarf_Die *parent, unsigned depth)
{
	Dwarf_Die die;
	bool ok = true;

	if (depth > DEPTH_MAX || dwarf_child(parent, &die))
		return true;
	do {
		int tag = dwarf_tag(&die);

		if (tag == DW_TAG_subprogram)
			ok = add_function(u, &die);
		else if (is_scope(tag))
			ok = add_functions(u, &die, depth + 1);
	} while (ok && dwarf_siblingof(&die, &die) == 0);
	return ok;
}

static struct function *function_at(struct unit *u, Dwarf_Addr addr)
{
	size_t low = 0, high;

	if (!u->read) {
		u->read = true;
		add_functions(u, &u->die, 0);
		sort_by_low(&u->functions);
	}
	high = u->functions.count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (u->functions.at[middle].low <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low && addr < u->functions.at[low - 1].high
		       ? &u->functions.at[low - 1]
		       : NULL;
}

/* Into *@die the block or inlined call right within it that @addr is in. */
static bool step_into(Dwarf_Die *die, Dwarf_Addr addr)
{
	Dwarf_Die child;

	if (dwarf_child(die, &child))
		return false;
	do {
		int tag = dwarf_tag(&child);

		if ((tag == DW_TAG_lexical_block ||
		     tag == DW_TAG_inlined_subroutine) &&
		    dwarf_haspc(&child, addr) > 0) {
			*die = child;
			return true;
		}
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

unsigned compiled_inlined(struct compiled *c, Dwarf_Addr addr, Dwarf_Die *out,
			  unsigned max)
{
	struct compiled_place at = compiled_find(c, addr);
	struct function *f =
		at.unit ? function_at(unit_at(c, addr), at.addr) : NULL;
	unsigned count = 0;
	Dwarf_Die die;

	if (!f)
		return 0;
	die = f->die;
	for (unsigned depth = 0;
	     depth < DEPTH_MAX && count < max && step_into(&die, at.addr);
	     depth++)
		if (dwarf_tag(&die) == DW_TAG_inlined_subroutine)
			out[count++] = die;
	for (unsigned i = 0; i < count / 2; i++) {
		Dwarf_Die swapped = out[i];

		out[i] = out[count - 1 - i];
		out[count - 1 - i] = swapped;
	}
	return count;
}
