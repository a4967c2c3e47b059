#include "profiler/model/modules.h"

#include <criterion/criterion.h>

#define EXE "/srv/rag/server"

Test(modules, the_executable_and_what_lies_beside_it_is_the_application)
{
	cr_expect_eq(modules_kind("/srv/rag/server", EXE), MODULE_APPLICATION);
	cr_expect_eq(modules_kind("/srv/rag/libindex.so", EXE),
		     MODULE_APPLICATION);
	cr_expect_eq(modules_kind("/srv/rag/lib/libindex.so", EXE),
		     MODULE_LIBRARY);
}

Test(modules, the_loader_and_the_vdso_belong_to_libc)
{
	cr_expect_eq(modules_kind("/lib/x86_64-linux-gnu/libc.so.6", EXE),
		     MODULE_LIBC);
	cr_expect_eq(modules_kind("/lib64/ld-linux-x86-64.so.2", EXE),
		     MODULE_LIBC);
	cr_expect_eq(modules_kind("[vdso]", EXE), MODULE_LIBC);
}

Test(modules, an_interpreter_is_a_runtime_even_as_the_executable)
{
	cr_expect_eq(modules_kind("/usr/bin/python3.11", "/usr/bin/python3.11"),
		     MODULE_RUNTIME);
	cr_expect_eq(modules_kind("/usr/lib/libstdc++.so.6", EXE),
		     MODULE_RUNTIME);
}

Test(modules, python_extensions_are_known_by_name_or_place)
{
	cr_expect_eq(modules_kind("/x/_json.cpython-311-x86_64-linux-gnu.so",
				  EXE),
		     MODULE_EXTENSION);
	cr_expect_eq(modules_kind("/usr/lib/python3/dist-packages/a/libb.so",
				  EXE),
		     MODULE_EXTENSION);
}
