#include "profiler/cmd/recording.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/cmd/ledger.h"
#include "profiler/proc/usage.h"
#include "profiler/wire/record.h"
#include "tests/unit/fixture_dir.h"

static char path[PATH_MAX];
static struct err err;

TestSuite(recording, .init = fixture_dir_enter, .fini = fixture_dir_remove);

static void check_name(const char *command, const char *name)
{
	cr_assert_eq(recording_create(NULL, command, path, &err), 0, "%s",
		     err.text);
	cr_assert_str_eq(path, name);
}

Test(recording, is_named_after_the_command_with_the_first_free_number)
{
	check_name("/usr/bin/python3", "python3-1.strand");
	check_name("python3", "python3-2.strand");
	rmdir("python3-1.strand");
	check_name("python3", "python3-1.strand");
}

Test(recording, has_a_name_that_is_safe_to_type)
{
	check_name("./my server;rm", "my_server_rm-1.strand");
	check_name("..", "server-1.strand");
	check_name("-x", "server-2.strand");
	check_name("/", "server-3.strand");
}

Test(recording, that_exists_is_not_touched)
{
	cr_assert_eq(recording_create("a.strand", "x", path, &err), 0);
	cr_assert_eq(recording_create("a.strand", "x", path, &err), -EEXIST);
	cr_assert_str_eq(err.text, "a.strand exists already; choose another "
				   "name with -o, or remove it");
}

Test(recording, below_a_missing_directory_is_refused)
{
	cr_assert_eq(recording_create("no/a.strand", "x", path, &err), -ENOENT);
	cr_assert_str_eq(err.text, "cannot create no/a.strand: No such file "
				   "or directory");
}

Test(recording, of_root_is_open_to_the_users_a_server_becomes)
{
	struct stat sb;

	if (geteuid() != 0)
		cr_skip_test("root only");
	umask(077);
	cr_assert_eq(recording_create("a.strand", "x", path, &err), 0);
	cr_assert_eq(stat("a.strand", &sb), 0);
	cr_assert_eq(sb.st_mode & 07777, 01777);
}

static void check_parses(const char *name, pid_t pid, uint32_t image)
{
	pid_t got_pid = 0;
	uint32_t got_image = 99;

	cr_assert(recording_parse_name(name, &got_pid, &got_image), "%s", name);
	cr_assert_eq(got_pid, pid);
	cr_assert_eq(got_image, image);
}

static void check_not_a_process(const char *name)
{
	uint32_t image;
	pid_t pid;

	cr_assert(!recording_parse_name(name, &pid, &image), "%s", name);
}

Test(recording, files_are_told_by_their_names)
{
	check_parses("123.slabs", 123, 0);
	check_parses("123.7.slabs", 123, 7);
	check_not_a_process("host.slabs");
	check_not_a_process("meta.json");
	check_not_a_process("123.slab");
	check_not_a_process("123.x.slabs");
	check_not_a_process("123..slabs");
	check_not_a_process("0.slabs");
	check_not_a_process("99999999999.slabs");
	check_not_a_process("-1.slabs");
	check_not_a_process(".slabs");
	check_not_a_process("");
}

static struct slab_file header(void)
{
	struct slab_file f = {
		.magic = SLAB_FILE_MAGIC,
		.format = SLAB_FORMAT,
		.exe = "/usr/bin/server",
		.stats = { .self_bytes = 1000, .slab_bytes = 70 },
		.allocator = { .turn = 4,
			       .allocator = SLAB_ALLOCATOR_JEMALLOC,
			       .at_ns = 5,
			       .allocated = 300,
			       .resident = 500 },
	};

	return f;
}

static void put(const char *name, const void *bytes, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

static bool read_page(struct recording_page *page)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	bool ok = recording_read_page(fd, 42, 0, page);

	close(fd);
	return ok;
}

Test(recording, what_the_shim_counts_is_read_from_its_file)
{
	struct slab_file f = header();
	struct recording_page page;

	put("42.slabs", &f, sizeof(f));
	cr_assert(read_page(&page));
	cr_assert_eq(page.stats.self_bytes, 1000);
	cr_assert_eq(page.allocator.allocated, 300);
}

Test(recording, figures_that_are_being_written_are_left_out)
{
	struct slab_file f = header();
	struct recording_page page;

	f.allocator.turn = 5;
	put("42.slabs", &f, sizeof(f));
	cr_assert(read_page(&page));
	cr_assert_eq(page.allocator.at_ns, 0);
	cr_assert_eq(page.stats.self_bytes, 1000);
}

Test(recording, a_file_that_is_no_recording_is_not_read)
{
	struct slab_file f = header();
	struct recording_page page;

	cr_assert(!read_page(&page));
	put("42.slabs", &f, 100);
	cr_assert(!read_page(&page));
	f.format = SLAB_FORMAT + 1;
	put("42.slabs", &f, sizeof(f));
	cr_assert(!read_page(&page));
	f.format = SLAB_FORMAT;
	f.magic = 0;
	put("42.slabs", &f, sizeof(f));
	cr_assert(!read_page(&page));
}

Test(recording, a_link_is_not_followed_out_of_it)
{
	struct slab_file f = header();
	struct recording_page page;

	put("elsewhere", &f, sizeof(f));
	cr_assert_eq(symlink("elsewhere", "42.slabs"), 0);
	cr_assert(!read_page(&page));
}

Test(recording, ends_when_all_its_processes_have)
{
	struct slab_file f = header();

	cr_assert(!recording_ended("."));
	f.ended_monotonic_ns = 9;
	put("42.slabs", &f, sizeof(f));
	cr_assert(recording_ended("."));
	f.ended_monotonic_ns = 0;
	put("43.slabs", &f, sizeof(f));
	cr_assert(!recording_ended("."));
}

Test(recording, is_told_from_any_other_directory)
{
	cr_assert(!recording_is("."));
	cr_assert(!recording_is("/nonexistent"));
	put("host.slabs", "", 0);
	cr_assert(recording_is("."));
}

Test(recording, a_discarded_one_is_gone)
{
	cr_assert_eq(recording_create("a.strand", "x", path, &err), 0);
	put("a.strand/meta.json", "", 0);
	recording_discard("a.strand");
	cr_assert_eq(access("a.strand", F_OK), -1);
}

static struct wire_ledger line_of(const struct slab_file *f)
{
	struct usage u = { .pid = 42, .rss = 9, .heap = USAGE_UNSEEN };
	struct recording_page page = { .stats = f->stats,
				       .allocator = f->allocator };
	struct wire_ledger line;

	ledger_line(&line, &u, &page);
	return line;
}

Test(ledger_of, a_process_has_its_own_and_the_allocators_figures)
{
	struct slab_file f = header();
	struct wire_ledger line = line_of(&f);

	cr_assert_eq(line.pid, 42);
	cr_assert_eq(line.rss, 9);
	cr_assert_eq(line.heap, WIRE_UNSEEN);
	cr_assert_eq(line.self, 1000);
	cr_assert_eq(line.allocator_allocated, 300);
	cr_assert_eq(line.allocator_resident, 500);
	cr_assert_gt(line.profiler_rss, 0);
	cr_assert_neq(line.profiler_cpu_ns, WIRE_UNSEEN);
	cr_assert_eq(line.spare[1], WIRE_UNSEEN);
}

Test(ledger_of, glibc_has_no_figures_of_its_allocator)
{
	struct slab_file f = header();

	f.allocator.allocator = SLAB_ALLOCATOR_GLIBC;
	cr_assert_eq(line_of(&f).allocator_allocated, WIRE_UNSEEN);
}

Test(ledger_of, a_process_that_does_not_record_has_no_shim)
{
	struct usage u = { .pid = 42 };
	struct wire_ledger line;

	ledger_line(&line, &u, NULL);
	cr_assert_eq(line.self, WIRE_UNSEEN);
	cr_assert_eq(line.allocator_allocated, WIRE_UNSEEN);
}
