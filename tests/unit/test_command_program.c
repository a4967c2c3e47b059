#include "profiler/cmd/program.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "tests/unit/fixture_dir.h"

static struct err err;
static char path[PATH_MAX];

static void setup(void)
{
	fixture_dir_enter();
	unsetenv("STRANDLINE_LIBRARY");
}

TestSuite(program, .init = setup, .fini = fixture_dir_remove);

static void put(const char *name, const void *bytes, size_t size, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0700);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
}

static void put_text(const char *name, const char *text)
{
	put(name, text, strlen(text), 0755);
}

/* A program's first bytes; @loader NULL makes it a static one. */
struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	char loader[64];
};

static struct image image(const char *loader)
{
	struct image im = {
		.eh = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
				     ELFCLASS64, ELFDATA2LSB },
			.e_type = ET_DYN,
#ifdef __x86_64__
			.e_machine = EM_X86_64,
#else
			.e_machine = EM_AARCH64,
#endif
			.e_phoff = offsetof(struct image, ph),
			.e_phnum = 1,
		},
		.ph = { .p_type = loader ? PT_INTERP : PT_LOAD,
			.p_offset = offsetof(struct image, loader),
			.p_filesz = loader ? strlen(loader) + 1 : 0 },
	};

	strcpy(im.loader, loader ? loader : "");
	return im;
}

static void put_image(const char *name, struct image im)
{
	put(name, &im, sizeof(im), 0755);
}

static void check_refused(const char *name, int code, const char *sentence)
{
	cr_assert_eq(program_check(name, &err), code, "%s", err.text);
	cr_assert_str_eq(err.text, sentence);
}

Test(program, a_name_is_looked_up_along_the_path)
{
	mkdir("a", 0755);
	mkdir("b", 0755);
	put("a/tool", "", 0, 0644);
	put("b/tool", "", 0, 0755);
	cr_assert_eq(program_find("tool", "none:a:b", path, &err), 0);
	cr_assert_str_eq(path, "b/tool");
}

Test(program, an_empty_entry_of_the_path_is_here)
{
	put("tool", "", 0, 0755);
	cr_assert_eq(program_find("tool", "/nonexistent:", path, &err), 0);
	cr_assert_str_eq(path, "./tool");
}

Test(program, a_name_with_a_slash_is_taken_as_it_is)
{
	put("tool", "", 0, 0755);
	cr_assert_eq(program_find("./tool", "/nonexistent", path, &err), 0);
	cr_assert_str_eq(path, "./tool");
}

Test(program, what_cannot_be_run_is_named)
{
	put("plain", "", 0, 0644);
	cr_assert_eq(program_find("tool", "none", path, &err), -ENOENT);
	cr_assert_str_eq(err.text, "cannot run tool: there is no such command "
				   "in PATH");
	cr_assert_eq(program_find("plain", ".", path, &err), -EACCES);
	cr_assert_str_eq(err.text, "cannot run plain: the one in PATH is not "
				   "executable");
	cr_assert_eq(program_find("./none", ".", path, &err), -ENOENT);
	cr_assert_eq(program_find("/tmp", ".", path, &err), -EISDIR);
	cr_assert_eq(program_find("", ".", path, &err), -ENOENT);
}

Test(program, a_dynamic_program_passes)
{
	put_image("p", image("/lib64/ld-linux-x86-64.so.2"));
	cr_assert_eq(program_check("p", &err), 0, "%s", err.text);
}

Test(program, a_static_program_is_refused)
{
	put_image("p", image(NULL));
	check_refused("p", -ENOEXEC,
		      "p is linked statically, so LD_PRELOAD does not reach "
		      "it; link it dynamically to profile it");
}

Test(program, a_program_for_musl_is_refused)
{
	put_image("p", image("/lib/ld-musl-x86_64.so.1"));
	check_refused("p", -ENOEXEC,
		      "p uses the C library musl (/lib/ld-musl-x86_64.so.1), "
		      "which the shim does not know; run a build for glibc");
}

Test(program, a_32_bit_program_is_refused)
{
	struct image im = image("/lib/ld-linux.so.2");

	im.eh.e_ident[EI_CLASS] = ELFCLASS32;
	put_image("p", im);
	check_refused("p", -ENOEXEC,
		      "p is a 32-bit program; only 64-bit ones can be "
		      "profiled");
}

Test(program, a_program_of_another_machine_is_refused)
{
	struct image im = image("/lib/ld.so");

	im.eh.e_machine = EM_S390;
	put_image("p", im);
	cr_assert_eq(program_check("p", &err), -ENOEXEC);
}

Test(program, a_program_cut_short_is_refused)
{
	put("p", ELFMAG "\2\1", 6, 0755);
	check_refused("p", -ENOEXEC, "p is cut short");
}

Test(program, headers_beyond_the_file_make_it_static)
{
	struct image im = image("/lib64/ld.so");

	im.eh.e_phoff = 1ULL << 40;
	put_image("p", im);
	cr_assert_eq(program_check("p", &err), -ENOEXEC);
}

Test(program, a_script_is_as_good_as_its_interpreter)
{
	put_image("good", image("/lib64/ld-linux-x86-64.so.2"));
	put_image("bad", image(NULL));
	put_text("script", "#! ./good -x\nhello\n");
	cr_assert_eq(program_check("script", &err), 0, "%s", err.text);
	put_text("script", "#!./bad\n");
	check_refused("script", -ENOEXEC,
		      "script: ./bad is linked statically, so LD_PRELOAD does "
		      "not reach it; link it dynamically to profile it");
	put_text("script", "#!./none");
	check_refused("script", -ENOENT,
		      "script: cannot run ./none: No such file or directory");
}

Test(program, a_script_that_runs_itself_ends)
{
	put_text("script", "#!./script\n");
	cr_assert_eq(program_check("script", &err), 0);
}

Test(program, a_text_without_an_interpreter_is_for_the_shell)
{
	put_text("text", "echo hi\n");
	cr_assert_eq(program_check("text", &err), 0);
	put_text("text", "");
	cr_assert_eq(program_check("text", &err), 0);
}

Test(program, a_file_that_gives_privilege_is_refused)
{
	if (geteuid() != 0)
		cr_skip_test("only root can make such a file");
	put_image("p", image("/lib64/ld-linux-x86-64.so.2"));
	cr_assert_eq(chown("p", 65534, 65534), 0);
	cr_assert_eq(chmod("p", 04755), 0);
	cr_assert_eq(program_check("p", &err), -EPERM);
	cr_assert(strstr(err.text, "ignore LD_PRELOAD"), "%s", err.text);
}

Test(program, the_library_is_found_beside_the_tool)
{
	char exe[128], here[PATH_MAX];

	mkdir("preload", 0755);
	put("preload/libstrandline.so", "", 0, 0644);
	snprintf(exe, sizeof(exe), "%s/strandline", fixture_dir);
	cr_assert_eq(program_library(exe, path, &err), 0, "%s", err.text);
	snprintf(here, sizeof(here), "%s/preload/libstrandline.so",
		 fixture_dir);
	cr_assert_str_eq(path, here);
}

Test(program, the_library_is_found_where_it_is_installed)
{
	char exe[128];

	mkdir("bin", 0755);
	mkdir("lib", 0755);
	mkdir("lib/strandline", 0755);
	put("lib/strandline/libstrandline.so", "", 0, 0644);
	snprintf(exe, sizeof(exe), "%s/bin/strandline", fixture_dir);
	cr_assert_eq(program_library(exe, path, &err), 0, "%s", err.text);
	cr_assert(strstr(path, "/lib/strandline/libstrandline.so"), "%s", path);
}

Test(program, the_environment_may_name_the_library)
{
	put("mine.so", "", 0, 0644);
	setenv("STRANDLINE_LIBRARY", "./mine.so", 1);
	cr_assert_eq(program_library("/nowhere/x", path, &err), 0);
	cr_assert_eq(path[0], '/');
	setenv("STRANDLINE_LIBRARY", "./none.so", 1);
	cr_assert_eq(program_library("/nowhere/x", path, &err), -ENOENT);
}

Test(program, a_library_that_cannot_be_preloaded_is_refused)
{
	put("my lib.so", "", 0, 0644);
	setenv("STRANDLINE_LIBRARY", "./my lib.so", 1);
	cr_assert_eq(program_library("/nowhere/x", path, &err), -EINVAL);
	cr_assert(strstr(err.text, "space or a colon"), "%s", err.text);
}

Test(program, a_missing_library_is_said_with_the_way_out)
{
	cr_assert_eq(program_library("/nowhere/x", path, &err), -ENOENT);
	cr_assert_str_eq(err.text, "libstrandline.so is not near /nowhere; "
				   "install strandline anew, or set "
				   "STRANDLINE_LIBRARY to its path");
}
