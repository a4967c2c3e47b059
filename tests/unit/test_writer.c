#include "profiler/trace/writer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/wait.h>

#include "profiler/base/err.h"
#include "profiler/trace/reader.h"
#include "tests/unit/recording.h"
#include "tests/unit/scratch.h"

/* A recording must have a process to be opened. */
static void setup(void)
{
	struct recording r;

	scratch_make();
	recording_begin(&r, scratch_path("1.slabs"), 1);
	recording_end(&r, 101 * SECOND);
}

static void teardown(void)
{
	scratch_remove();
}

TestSuite(writer, .init = setup, .fini = teardown);

static struct writer *open_writer(void)
{
	struct err err = ERR_INIT;
	struct writer *w;

	cr_assert_eq(writer_open(&w, scratch, &err), 0, "%s", err.text);
	return w;
}

static struct trace *open_trace(void)
{
	struct err err = ERR_INIT;
	struct trace *t;

	cr_assert_eq(trace_open(&t, scratch, &err), 0, "%s", err.text);
	return t;
}

Test(writer, what_is_written_is_read_back)
{
	const struct trace_handler handler = { "GET /users/{id}", "Views.show",
					       "/srv/app.py" };
	const struct trace_thread thread = { 7, 8, 9, "worker" };
	const char *const words[] = { "gunicorn", "-w", "2", NULL };
	struct wire_process process = { .pid = 7, .ppid = 1, .at_ns = 5 };
	struct wire_ledger line = { .pid = 7, .at_ns = 6, .rss = 4096 };
	struct writer *w = open_writer();
	const struct trace_view *v;
	struct trace *t;

	cr_assert_eq(writer_process(w, &process, "/usr/bin/python3", words), 0);
	cr_assert_eq(writer_ledger(w, &line), 0);
	cr_assert_eq(writer_mark(w, 8, "deploy"), 0);
	cr_assert_eq(writer_option(w, 9, "rate", "auto"), 0);
	cr_assert_eq(writer_handler(w, &handler), 0);
	cr_assert_eq(writer_handler(w, &handler), 0); /* the next scan's */
	cr_assert_eq(writer_thread(w, &thread), 0);
	writer_close(w);
	t = open_trace();
	v = trace_view(t);
	cr_assert_eq(v->thread_count, 1);
	cr_expect_eq(v->threads[0].tid, 8);
	cr_expect_eq(v->threads[0].at_ns, 9);
	cr_expect_str_eq(v->threads[0].name, "worker");
	cr_assert_eq(v->process_count, 1);
	cr_expect_str_eq(v->processes[0].exe, "/usr/bin/python3");
	cr_expect_str_eq(v->processes[0].command, "gunicorn -w 2");
	cr_assert_eq(v->ledger_count, 1);
	cr_expect_eq(v->ledger[0].rss, 4096);
	cr_assert_eq(v->mark_count, 1);
	cr_expect_str_eq(v->marks[0].label, "deploy");
	cr_assert_eq(v->option_count, 1);
	cr_expect_str_eq(v->options[0].name, "rate");
	cr_expect_str_eq(v->options[0].value, "auto");
	cr_assert_eq(v->handler_count, 1);
	cr_expect_str_eq(v->handlers[0].request, "GET /users/{id}");
	cr_expect_str_eq(v->handlers[0].function, "Views.show");
	cr_expect_str_eq(v->handlers[0].file, "/srv/app.py");
	cr_expect_not(v->host_torn);
	trace_close(t);
}

Test(writer, records_run_on_over_slabs)
{
	struct writer *w = open_writer();
	struct wire_ledger line = { .pid = 1 };
	struct trace *t;

	for (uint64_t i = 0; i < 2000; i++) {
		line.at_ns = i;
		cr_assert_eq(writer_ledger(w, &line), 0);
	}
	writer_close(w);
	t = open_trace();
	cr_assert_eq(trace_view(t)->ledger_count, 2000);
	for (uint64_t i = 0; i < 2000; i++)
		cr_assert_eq(trace_view(t)->ledger[i].at_ns, i);
	trace_close(t);
}

Test(writer, a_mark_joins_a_recording_that_another_writes)
{
	struct writer *run = open_writer(), *mark;
	struct wire_ledger line = { .pid = 1, .at_ns = 10 };
	struct trace *t;

	writer_ledger(run, &line);
	mark = open_writer();
	writer_mark(mark, 15, "warm");
	writer_close(mark);
	line.at_ns = 20;
	writer_ledger(run, &line);
	writer_mark(run, 12, "earlier");
	writer_close(run);
	t = open_trace();
	cr_expect_eq(trace_view(t)->ledger_count, 2);
	cr_assert_eq(trace_view(t)->mark_count, 2);
	cr_expect_str_eq(trace_view(t)->marks[0].label, "earlier");
	cr_expect_str_eq(trace_view(t)->marks[1].label, "warm");
	trace_close(t);
}

Test(writer, writers_that_begin_at_once_lose_nothing)
{
	enum { WRITERS = 8, MARKS = 200 };
	struct trace *t;
	int status;

	for (int i = 0; i < WRITERS; i++) {
		if (fork() == 0) {
			struct writer *w;

			if (writer_open(&w, scratch, NULL) < 0)
				_exit(1);
			for (int m = 0; m < MARKS; m++)
				if (writer_mark(w, (uint64_t)m, "x") < 0)
					_exit(1);
			_exit(0); /* without a close */
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		wait(&status);
		cr_assert_eq(status, 0);
	}
	t = open_trace();
	cr_expect_eq(trace_view(t)->mark_count, WRITERS * MARKS);
	trace_close(t);
}

Test(writer, a_record_is_seen_while_its_writer_lives)
{
	struct writer *w = open_writer();
	struct trace *t;

	writer_mark(w, 1, "now");
	t = open_trace();
	cr_expect_eq(trace_view(t)->mark_count, 1);
	trace_close(t);
	writer_close(w);
}

Test(writer, a_file_of_another_kind_is_left_alone)
{
	char text[10000] = "not ours";
	struct err err = ERR_INIT;
	struct writer *w;
	size_t size;
	char *after;

	scratch_write(scratch_path("host.slabs"), text, sizeof(text));
	cr_expect_eq(writer_open(&w, scratch, &err), -EBADMSG);
	cr_expect_null(w);
	after = scratch_read(scratch_path("host.slabs"), &size);
	cr_expect_arr_eq(after, text, sizeof(text));
	free(after);
}

Test(writer, a_directory_that_is_not_there_is_named)
{
	struct err err = ERR_INIT;
	struct writer *w;

	cr_expect_eq(writer_open(&w, "/nonexistent", &err), -ENOENT);
	cr_expect_not_null(strstr(err.text, "/nonexistent/host.slabs"));
}

Test(writer, a_label_longer_than_a_slab_is_refused_whole)
{
	struct writer *w = open_writer();
	char *label = calloc(1, SLAB_SIZE + 1);
	struct trace *t;

	memset(label, 'x', SLAB_SIZE);
	cr_expect_eq(writer_mark(w, 1, label), -EMSGSIZE);
	cr_expect_eq(writer_mark(w, 2, "short"), 0);
	writer_close(w);
	t = open_trace();
	cr_expect_eq(trace_view(t)->mark_count, 1);
	trace_close(t);
	free(label);
}

Test(writer, a_command_line_longer_than_a_slab_is_cut)
{
	struct wire_process process = { .pid = 7 };
	const char *words[102] = { "server" };
	char word[1001] = { 0 };
	struct writer *w = open_writer();
	struct trace *t;

	memset(word, 'w', 1000);
	for (int i = 1; i < 101; i++)
		words[i] = word;
	cr_expect_eq(writer_process(w, &process, "/bin/server", words), 0);
	writer_close(w);
	t = open_trace();
	cr_assert_eq(trace_view(t)->process_count, 1);
	cr_expect_eq(strncmp(trace_view(t)->processes[0].command, "server www",
			     10),
		     0);
	trace_close(t);
}

Test(writer, meta_says_what_was_run_and_how)
{
	const char *const words[] = { "sh", "-c", "echo \xff\"x\"", NULL };
	const char *const options[] = { "rate", "auto", "follow", "yes", NULL };
	struct writer_meta meta = { .command = words,
				    .mode = "sample",
				    .interval_ms = 250,
				    .options = options };
	const struct trace_meta *m;
	struct trace *t;

	cr_assert_eq(writer_meta(scratch, &meta, NULL), 0);
	t = open_trace();
	m = &trace_view(t)->meta;
	cr_expect_gt(m->processors, 0);
	cr_expect_gt(m->memory_bytes, 1 << 20);
	cr_expect_str_eq(m->command, "sh -c echo ?\"x\"");
	cr_expect_str_eq(m->mode, "sample");
	cr_expect_str_eq(m->version, STRANDLINE_VERSION);
	cr_expect_eq(m->interval_ms, 250);
	cr_expect_gt(m->start_realtime_ns, 1500000000 * SECOND);
	trace_close(t);
}
