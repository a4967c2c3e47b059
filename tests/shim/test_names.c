#include <criterion/criterion.h>

#include "profiler/alloc/names.h"
#include "profiler/wire/record.h"

static struct names_entry entry_of(const char *symbol)
{
	struct names_entry entry = { .family = NAMES_NFAMILIES };

	names_find(symbol, &entry);
	return entry;
}

static void expect(const char *symbol, enum names_family family,
		   enum own_kind kind, unsigned at)
{
	struct names_entry entry = entry_of(symbol);

	cr_expect_eq(entry.family, family, "%s", symbol);
	cr_expect_eq(entry.shape.kind, kind, "%s", symbol);
	cr_expect_eq(entry.shape.at, at, "%s", symbol);
}

static void expect_none(const char *symbol)
{
	cr_expect_eq(entry_of(symbol).family, NAMES_NFAMILIES, "%s", symbol);
}

Test(names, every_family_is_known_by_its_prefix)
{
	expect("malloc", NAMES_PLAIN, OWN_ALLOC, 0);
	expect("je_malloc", NAMES_JEMALLOC, OWN_ALLOC, 0);
	expect("_rjem_malloc", NAMES_JEMALLOC, OWN_ALLOC, 0);
	expect("je_arrow_mallocx", NAMES_JEMALLOC, OWN_ALLOC, 0);
	expect("tc_malloc", NAMES_TCMALLOC, OWN_ALLOC, 0);
	expect("mi_malloc", NAMES_MIMALLOC, OWN_ALLOC, 0);
	expect("_Znwm", NAMES_OPERATOR, OWN_ALLOC, 0);
}

Test(names, sizes_and_blocks_are_where_the_functions_have_them)
{
	expect("calloc", NAMES_PLAIN, OWN_ARRAY, 0);
	expect("memalign", NAMES_PLAIN, OWN_ALLOC, 1);
	expect("posix_memalign", NAMES_PLAIN, OWN_STORE, 0);
	expect("_rjem_rallocx", NAMES_JEMALLOC, OWN_RESIZE, 0);
	expect("_rjem_sdallocx", NAMES_JEMALLOC, OWN_RELEASE, 0);
	expect("_ZdlPvmSt11align_val_t", NAMES_OPERATOR, OWN_RELEASE, 0);
	expect("mi_zalloc_aligned", NAMES_MIMALLOC, OWN_ALLOC, 0);
	expect("mi_reallocf", NAMES_MIMALLOC, OWN_REPLACE, 0);
}

Test(names, a_heap_comes_before_the_other_arguments)
{
	expect("mi_heap_malloc", NAMES_MIMALLOC, OWN_ALLOC, 1);
	expect("mi_heap_calloc", NAMES_MIMALLOC, OWN_ARRAY, 1);
	expect("mi_heap_realloc", NAMES_MIMALLOC, OWN_RESIZE, 1);
}

Test(names, what_makes_and_ends_no_block_is_none)
{
	expect_none("malloc_usable_size");
	expect_none("je_malloc_default");
	expect_none("_rjem_nallocx");
	expect_none("_rjem_sallocx");
	expect_none("mi_usable_size");
	expect_none("mi_heap_free");
	expect_none("xmalloc");
	expect_none("");
	expect_none("_");
}

Test(names, one_family_lacks_what_another_has)
{
	expect_none("tc_mallocx");
	expect_none("zalloc");
	expect_none("new");
	expect_none("je_new");
	expect_none("mi_xallocx");
}

Test(names, a_placement_new_allocates_nothing)
{
	expect_none("_ZnwmPv");
	expect_none("_ZdlPvS_");
	expect_none("_ZnwmR5Arena");
	expect_none("_ZN5ArenanwEm");
}

Test(names, the_rest_of_a_name_is_past_its_prefix)
{
	cr_assert_str_eq(names_past_prefix("_rjem_mallctl"), "mallctl");
	cr_assert_str_eq(names_past_prefix("mi_heap_new"), "new");
	cr_assert_null(names_past_prefix("mallctl"));
}
