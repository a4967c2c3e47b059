/* static_tls: the room that is left, of glibc's own words and of planted. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "profiler/attach/module.h"
#include "profiler/attach/static_tls.h"
#include "profiler/proc/remote.h"

#define GLOBAL	 0x10000ULL
#define CONSTANT 0x20000ULL
#define SLOTS	 0x30000ULL
#define THREAD	 0x40000ULL

/* A process with 2304 bytes a thread, 200 in use of 192 + 1664. */
struct planted {
	uint64_t global[8];
	uint64_t constant[128];
	uint32_t slots[3], thread;
	struct remote_range ranges[4];
};

static const struct static_tls_places places = { GLOBAL, CONSTANT, SLOTS,
						 THREAD };

static void plant(struct planted *p)
{
	*p = (struct planted) {
		.global = { [2] = 0x7f0000001000, 1, 200 },
		.constant = { [80] = 2304 + 192 + 1664, 64, 1664 },
		.slots = { 64, 1, 16 },
		.thread = 2304,
	};
	p->ranges[0] =
		(struct remote_range) { GLOBAL, p->global, sizeof(p->global) };
	p->ranges[1] = (struct remote_range) { CONSTANT, p->constant,
					       sizeof(p->constant) };
	p->ranges[2] =
		(struct remote_range) { SLOTS, p->slots, sizeof(p->slots) };
	p->ranges[3] =
		(struct remote_range) { THREAD, &p->thread, sizeof(p->thread) };
}

static bool read_planted(const struct planted *p, struct static_tls *t)
{
	struct remote memory = remote_fake(p->ranges, 4);

	return static_tls_read(t, &memory, &places);
}

Test(static_tls, what_is_not_in_use_is_unused)
{
	struct static_tls t;
	struct planted p;

	plant(&p);
	cr_assert(read_planted(&p, &t));
	cr_assert_eq(t.unused, 192 + 1664 - 200);
	cr_assert_eq(t.align, 64);
}

Test(static_tls, two_places_that_could_be_it_are_none)
{
	struct static_tls t;
	struct planted p;

	plant(&p);
	memcpy(p.constant + 20, p.constant + 80, 24);
	cr_assert_not(read_planted(&p, &t));
}

Test(static_tls, a_block_that_is_smaller_than_what_is_in_use_is_not_it)
{
	struct static_tls t;
	struct planted p;

	plant(&p);
	p.global[4] = 192 + 1664 + 1;
	cr_assert_not(read_planted(&p, &t));
}

Test(static_tls, without_the_symbols_it_is_not_known)
{
	const struct static_tls_places none = { 0 };
	struct static_tls t;
	struct planted p;
	struct remote memory;

	plant(&p);
	memory = remote_fake(p.ranges, 4);
	cr_assert_not(static_tls_read(&t, &memory, &none));
}

Test(static_tls, the_last_byte_can_be_used)
{
	const struct static_tls t = { .unused = 112, .align = 64 };
	struct static_tls_need need = { .size = 112, .align = 8 };

	cr_assert(static_tls_fits(&t, &need));
	need.size = 113;
	cr_assert_not(static_tls_fits(&t, &need));
}

Test(static_tls, where_a_segment_begins_in_its_unit_counts)
{
	const struct static_tls t = { .unused = 112, .align = 64 };
	const struct static_tls_need need = { 112, 8, 0x37004 };

	cr_assert_not(static_tls_fits(&t, &need));
}

Test(static_tls, more_alignment_than_the_block_has_does_not_fit)
{
	const struct static_tls t = { .unused = 1000, .align = 64 };
	const struct static_tls_need need = { 8, 128, 0 };

	cr_assert_not(static_tls_fits(&t, &need));
}

static struct module module_at(uint64_t start)
{
	struct remote memory = remote_process(getpid());
	struct module m;

	cr_assert(module_read(&m, &memory, start));
	return m;
}

Test(static_tls, our_own_libc_is_understood)
{
	struct module loader = module_at(getauxval(AT_BASE)), libc;
	struct remote memory = remote_process(getpid());
	struct static_tls_places found;
	struct static_tls t;
	Dl_info info;

	cr_assert(dladdr((void *)&getpid, &info));
	libc = module_at((uint64_t)info.dli_fbase);
	found = (struct static_tls_places) {
		module_symbol(&loader, "_rtld_global"),
		module_symbol(&loader, "_rtld_global_ro"),
		module_symbol(&libc, "_thread_db_rtld_global__dl_tls_dtv_"
				     "slotinfo_list"),
		module_symbol(&libc, "_thread_db_sizeof_pthread"),
	};
	if (!found.slots)
		cr_skip("before glibc 2.34 this is not told");
	cr_assert(static_tls_read(&t, &memory, &found));
	cr_assert_gt(t.unused, 500);
	cr_assert_lt(t.unused, 4096);
}
