/* strandline top: a recording or a process, live in the terminal. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/inprogress.h"
#include "profiler/cmd/recording.h"
#include "profiler/cmd/terminal.h"
#include "profiler/cmd/top_recorder.h"
#include "profiler/cmd/top_source.h"
#include "profiler/cmd/top_terminal.h"
#include "profiler/cmd/top_view.h"
#include "reports/report.h"

#define ONCE_ROWS    24
#define ONCE_COLUMNS 80
#define SAVES_MOST   1000

struct top_args {
	bool once, attach;
	const char *kind;
};

struct top {
	struct top_source *source;
	struct top_recorder *recorder; /* of `a`; NULL: none */
	struct top_reading reading;    /* that is shown */
	struct top_screen screen;
	struct top_state state;
	char name[PATH_MAX]; /* as the user gave it */
	pid_t pid;	     /* 0: a recording */
	bool of_process;     /* the name is its number: nothing records it */
	char notice[256];
	int signals;
	bool over;
};

static const char *kind_choice(size_t n)
{
	return n <= MODEL_WALL ? model_kind_name((enum model_kind)n) : NULL;
}

static const struct opt options[] = {
	{ 'k', "kind", OPT_CHOICE, offsetof(struct top_args, kind), "KIND",
	  "what sites weigh at first (default live; peak, where a server gave "
	  "all back as it ended)",
	  kind_choice, false },
	{ 0, "attach", OPT_FLAG, offsetof(struct top_args, attach), NULL,
	  "attach to the process where nothing records it", NULL, false },
	{ 0, "once", OPT_FLAG, offsetof(struct top_args, once), NULL,
	  "print one screen of 80 by 24 and end", NULL, false },
	{ 0 },
};

static struct top_facts facts_of(const struct top *t)
{
	return (struct top_facts) {
		.model = t->reading.model,
		.verdict = t->reading.verdict,
		.name = t->name,
		.is_process = t->of_process,
		.live = t->reading.live,
		.can_attach = t->pid && !t->recorder,
		.notice = t->notice[0] ? t->notice : NULL,
	};
}

static void draw(struct top *t)
{
	const struct top_facts facts = facts_of(t);

	top_draw(&t->screen, &facts, &t->state);
}

/* NAME-<n>.txt, the first that is free. */
static int save_name(const struct top *t, char path[PATH_MAX])
{
	const char *base = strrchr(t->name, '/');
	struct stat sb;

	base = base && base[1] ? base + 1 : t->name;
	if (strncmp(base, "top-", 4) == 0) /* of ours */
		base += 4;
	for (int n = 1; n < SAVES_MOST; n++) {
		snprintf(path, PATH_MAX, "top-%.*s-%d.txt",
			 (int)strcspn(base, "."), base, n);
		if (lstat(path, &sb) < 0 && errno == ENOENT)
			return 0;
	}
	return -EEXIST;
}

static void save(struct top *t)
{
	const struct report_options opt = {
		.kind = t->state.kind,
		.verdict = t->reading.verdict,
	};
	struct buf out = BUF_INIT;
	struct err why = ERR_INIT;
	char path[PATH_MAX] = "";

	if (!t->reading.model)
		return;
	if (save_name(t, path) < 0)
		err_set(&why, -EEXIST, "there are %d reports here already",
			SAVES_MOST);
	else if (report_format_find("text")->write(t->reading.model, &opt,
						   &out) < 0)
		err_set(&why, -ENOMEM, "cannot write the report");
	else
		buf_write_file(&out, path, &why);
	buf_free(&out);
	if (why.code < 0)
		snprintf(t->notice, sizeof(t->notice), "%.250s", why.text);
	else
		snprintf(t->notice, sizeof(t->notice), "written: %.200s", path);
}

static void attach(struct top *t)
{
	struct err why = ERR_INIT;

	if (!t->pid || t->recorder)
		return;
	if (top_recorder_start(&t->recorder, t->pid, &why) < 0)
		snprintf(t->notice, sizeof(t->notice), "%.250s", why.text);
	else
		snprintf(t->notice, sizeof(t->notice), "attaching ...");
}

/* The recorder has a recording now, which may be @empty, or has ended. */
static void look_after_recorder(struct top *t, bool empty)
{
	struct err why = ERR_INIT;

	if (!t->recorder)
		return;
	if (top_recorder_ended(t->recorder, &why)) {
		if (why.code < 0)
			snprintf(t->notice, sizeof(t->notice), "%.250s",
				 why.text);
		return;
	}
	if (!top_recorder_ready(t->recorder))
		return;
	top_source_follow(t->source, top_recorder_dir(t->recorder));
	t->of_process = false;
	snprintf(t->name, sizeof(t->name), "%s", top_recorder_dir(t->recorder));
	if (empty)
		snprintf(t->notice, sizeof(t->notice),
			 "attached; the server has done nothing since that "
			 "could be recorded");
	else
		t->notice[0] = '\0';
}

static void take_reading(struct top *t)
{
	struct top_reading r = { .model = NULL };

	if (!top_source_take(t->source, &r))
		return;
	look_after_recorder(t, r.problem[0] != '\0');
	if (r.problem[0] && !t->recorder)
		snprintf(t->notice, sizeof(t->notice), "%.250s", r.problem);
	if (t->state.paused || !r.model) {
		if (!r.model && t->reading.model && r.problem[0] &&
		    !t->recorder)
			t->reading.live = false;
		top_reading_free(&r);
		return;
	}
	top_reading_free(&t->reading);
	t->reading = r;
}

static void press_keys(struct top *t)
{
	int key;

	while ((key = top_terminal_key()) >= 0) {
		switch (top_press(&t->state, key)) {
		case TOP_QUIT:
			t->over = true;
			break;
		case TOP_SAVE:
			save(t);
			break;
		case TOP_ATTACH:
			attach(t);
			break;
		case TOP_REDRAW:
			t->notice[0] = '\0';
			break;
		case TOP_NOTHING:
			break;
		}
		if (key == 12)
			top_terminal_redraw();
	}
}

static int open_signals(struct top *t, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return t->signals < 0 ? err_errno(err, "cannot watch signals") : 0;
}

static void work(struct top *t)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = t->signals, .events = POLLIN },
		{ .fd = top_source_fd(t->source), .events = POLLIN },
	};

	while (!t->over) {
		top_terminal_size(&t->screen);
		draw(t);
		top_terminal_show(&t->screen);
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents || fds[0].revents & (POLLHUP | POLLERR))
			t->over = true;
		if (fds[2].revents)
			take_reading(t);
		press_keys(t); /* also that the terminal has another size */
	}
}

static int interact(struct top *t, struct err *err)
{
	int rc = top_terminal_open(err);

	if (rc < 0)
		return rc;
	t->state.ascii = top_terminal_ascii();
	work(t);
	top_terminal_close();
	return 0;
}

static int print_once(struct top *t, struct err *err)
{
	struct buf out = BUF_INIT;
	int rc;

	t->screen.rows = ONCE_ROWS;
	t->screen.columns = ONCE_COLUMNS;
	draw(t);
	top_screen_text(&t->screen, &out);
	rc = buf_status(&out) < 0 ? err_set(err, -ENOMEM, "out of memory")
				  : buf_write_file(&out, "-", err);
	buf_free(&out);
	return rc;
}

/* The directory of a recording goes before a process of that number. */
static int open_subject(struct top *t, const char *word, struct err *err)
{
	char dir[PATH_MAX];
	struct stat sb;
	char *end;
	long pid;

	snprintf(t->name, sizeof(t->name), "%s", word);
	if (stat(word, &sb) == 0) {
		if (!recording_is(word))
			return err_set(err, -ENOTDIR, "%s is not a recording",
				       word);
		return top_source_open(&t->source, word, 0, err);
	}
	pid = strtol(word, &end, 10);
	if (*end || pid <= 0 || pid > INT_MAX)
		return err_errno(err, "cannot open %s", word);
	if (inprogress_find((pid_t)pid, dir)) {
		snprintf(t->name, sizeof(t->name), "%s", dir);
		return top_source_open(&t->source, dir, (pid_t)pid, err);
	}
	t->pid = (pid_t)pid;
	t->of_process = true;
	return top_source_open(&t->source, NULL, (pid_t)pid, err);
}

static void choose_kind(struct top *t, const char *name)
{
	t->state.kind_chosen = name != NULL;
	for (size_t k = 0; name && kind_choice(k); k++)
		if (strcmp(kind_choice(k), name) == 0)
			t->state.kind = (enum model_kind)k;
}

static int show(struct top *t, const struct top_args *args, struct err *err)
{
	struct err recorder = ERR_INIT;
	int rc;

	take_reading(t);
	choose_kind(t, args->kind);
	if (args->once)
		return print_once(t, err);
	if (args->attach)
		attach(t);
	rc = interact(t, err);
	if (!t->recorder)
		return rc;
	if (top_recorder_stop(t->recorder, &recorder) < 0)
		terminal_note("%s", recorder.text);
	else
		printf("Recording: %s\n", top_recorder_dir(t->recorder));
	top_recorder_free(t->recorder);
	return rc;
}

static int run(int argc, char **argv, struct err *err)
{
	struct top_args args = { .kind = NULL };
	struct top *t;
	int arg, rc;

	arg = opt_parse(&cmd_top, &args, argc, argv, err);
	if (arg < 0)
		return arg;
	if (argc - arg != 1)
		return err_set(err, -EINVAL,
			       "expected a process or a recording: %s",
			       cmd_top.usage);
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	t->signals = -1;
	/* Before there is a thread that would get them. */
	rc = args.once ? 0 : open_signals(t, err);
	if (rc == 0)
		rc = open_subject(t, argv[arg], err);
	if (rc == 0)
		rc = show(t, &args, err);
	top_source_close(t->source);
	top_reading_free(&t->reading);
	top_screen_fini(&t->screen);
	if (t->signals >= 0)
		close(t->signals);
	free(t);
	return rc;
}

const struct command cmd_top = {
	.name = "top",
	.summary = "watch a server live in the terminal",
	.usage = "strandline top PID|RECORDING [options]",
	.details =
		"Shows what a server holds, by what it is used for, the rate "
		"of its requests and how long they take, the sites that hold "
		"memory and the verdict so far, and goes on as the recording "
		"does. A recording that has ended can be looked through in "
		"the same way.\n\n"
		"A process is shown by what it records into; one that nothing "
		"records by its ledger alone, which needs no rights and "
		"changes nothing in it, until a attaches to it. That recording "
		"is kept, and named at the end.\n\n"
		"? lists the keys. Without a terminal, --once prints one "
		"screen.",
	.examples = "strandline top 4711\ta process\n"
		    "strandline top shop.strand -k leak\ta recording, by what "
		    "leaks\n",
	.options = options,
	.operands = OPERANDS_RECORDING,
	.run = run,
};
