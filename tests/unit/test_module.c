/* module: an ELF image in memory, here this program's own. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/attach/module.h"

static struct module libc_of_ours(void)
{
	struct remote memory = remote_process(getpid());
	struct module m;
	Dl_info info;

	cr_assert(dladdr((void *)&getpid, &info));
	cr_assert(module_read(&m, &memory, (uint64_t)info.dli_fbase));
	return m;
}

Test(module, it_has_the_name_that_others_need_it_by)
{
	struct module m = libc_of_ours();
	char name[64];

	module_name(&m, name, sizeof(name));
	cr_assert_str_eq(name, "libc.so.6");
}

Test(module, a_function_is_where_the_loader_has_it)
{
	struct module m = libc_of_ours();
	void *libc = dlopen("libc.so.6", RTLD_NOW);

	cr_assert_eq(module_symbol(&m, "getpid"),
		     (uint64_t)dlsym(libc, "getpid"));
	cr_assert_eq(module_symbol(&m, "pthread_create"),
		     (uint64_t)dlsym(libc, "pthread_create"));
}

Test(module, what_it_does_not_export_is_not_there)
{
	struct module m = libc_of_ours();

	cr_assert_eq(module_symbol(&m, "no_such_function"), 0);
	cr_assert_eq(module_symbol(&m, ""), 0);
}

Test(module, a_gap_is_within_the_last_page_of_code)
{
	struct module m = libc_of_ours();
	uint64_t gap = module_gap(&m, 1);

	cr_assert_geq(gap, m.code_end);
	cr_assert_eq((gap - 1) >> 12, (m.code_end - 1) >> 12);
	cr_assert_eq(module_gap(&m, 4097), 0);
}

Test(module, what_is_no_image_is_refused)
{
	static const char text[256] = "not an image";
	struct remote_range range = { 0x1000, text, sizeof(text) };
	struct remote memory = remote_fake(&range, 1);
	struct module m;

	cr_assert_not(module_read(&m, &memory, 0x1000));
	cr_assert_not(module_read(&m, &memory, 0x5000));
}
