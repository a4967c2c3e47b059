/*
 * targets: the processes of a recording in progress.
 */
#include "profiler/cmd/targets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/cmd/ledger.h"
#include "profiler/cmd/recording.h"
#include "profiler/cmd/terminal.h"
#include "profiler/cmd/threadnames.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/sampler.h"
#include "profiler/trace/writer.h"

#define MOST_ANCESTORS 64
#define STATUS_UNKNOWN (-1)

struct missed {
	pid_t pid;
	uint32_t image;
};

struct targets {
	const char *dir_name;
	int dir;
	int notify; /* inotify, or -1: the directory is listed each tick */
	struct writer *writer;
	struct threadnames *names;
	struct sampler *sampler;
	struct hash *recorded; /* pid -> its latest image */
	void (*records)(void *ctx, pid_t pid, uint32_t image);
	void *ctx;
	size_t files;
	bool write_failed;
	pid_t first;
	char first_exe[PATH_MAX]; /* the program it was seen to run last */
	uint64_t first_seen_ns;	  /* ...for the first time */
	bool outside;
	struct hash *own;	   /* pid -> own pid, where they differ */
	VEC(struct missed) missed; /* about to end when they were seen */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* A ledger that cannot be kept must not end the server's run; say it once. */
static void check_write(struct targets *t, int rc)
{
	if (rc >= 0 || t->write_failed)
		return;
	t->write_failed = true;
	terminal_note("%s: the ledger has gaps, as it cannot be written: %s",
		      t->dir_name, strerror(-rc));
}

/*
 * What the process knows itself by: in a pid namespace of its own it is
 * another number, and where it records that is the name of its file and what
 * reports say.
 */
static pid_t own_pid(const struct targets *t, pid_t pid)
{
	const uint64_t *own = hash_find(t->own, (uint64_t)pid);

	return own ? (pid_t)*own : pid;
}

static const uint64_t *image_of(const struct targets *t, pid_t pid)
{
	return hash_find(t->recorded, (uint64_t)own_pid(t, pid));
}

bool targets_records(const struct targets *t, pid_t pid)
{
	return image_of(t, pid) != NULL;
}

size_t targets_files(const struct targets *t)
{
	return t->files;
}

/*
 * It was seen to run another program than the one that records, and after
 * that had begun: what is seen lags behind.  In a root of its own a program
 * has a shorter path than out here.
 */
const char *targets_unrecorded(const struct targets *t)
{
	const uint64_t *image = image_of(t, t->first);
	char exe[sizeof(((struct slab_file *)0)->exe)];
	uint64_t began_ns;

	if (!image || !t->first_exe[0] ||
	    !recording_read_exe(t->dir, own_pid(t, t->first), (uint32_t)*image,
				exe, &began_ns) ||
	    began_ns >= t->first_seen_ns || strstr(t->first_exe, exe))
		return NULL;
	return t->first_exe;
}

static void on_reading(void *ctx, const struct usage *u)
{
	struct targets *t = ctx;
	const uint64_t *image = image_of(t, u->pid);
	pid_t own = own_pid(t, u->pid);
	struct recording_page page;
	struct wire_ledger line;
	bool known;

	known = image &&
		recording_read_page(t->dir, own, (uint32_t)*image, &page);
	ledger_line(&line, u, known ? &page : NULL);
	line.pid = own;
	check_write(t, writer_ledger(t->writer, &line));
	if (known)
		check_write(t, threadnames_look(t->names, t->writer, u->pid,
						own, &page.python));
}

static void on_began(void *ctx, const struct sampler_process *p)
{
	struct targets *t = ctx;
	struct wire_process process = {
		.pid = t->outside ? p->pid : p->own_pid,
		.ppid = own_pid(t, p->ppid),
		.at_ns = now_ns(),
	};

	if (!t->outside && p->own_pid != own_pid(t, p->pid))
		(void)hash_set(t->own, (uint64_t)p->pid, (uint64_t)p->own_pid);
	if (p->pid == t->first) {
		snprintf(t->first_exe, sizeof(t->first_exe), "%s", p->exe);
		t->first_seen_ns = process.at_ns;
	}
	check_write(t, writer_process(t->writer, &process, p->exe, p->words));
}

static void write_end(struct targets *t, pid_t pid, int status)
{
	static const char *const no_words[] = { NULL };
	struct wire_process process = {
		.pid = own_pid(t, pid),
		.at_ns = now_ns(),
		.ended = 1,
		.wait_status = status,
	};

	check_write(t, writer_process(t->writer, &process, "", no_words));
}

/*
 * The sampler can see an end before SIGCHLD tells us.  A child of ours is then
 * a zombie, so its status is there to look at; waitpid() takes it later.
 */
static int peek_status(pid_t pid)
{
	siginfo_t si = { 0 };

	if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    si.si_pid != pid)
		return STATUS_UNKNOWN;
	if (si.si_code == CLD_EXITED)
		return (si.si_status & 0xff) << 8;
	return si.si_status | (si.si_code == CLD_DUMPED ? 0x80 : 0);
}

static void on_ended(void *ctx, pid_t pid)
{
	write_end(ctx, pid, peek_status(pid));
}

/*
 * The file's name is the process's number in its own pid namespace; before it
 * is taken for one of ours it must descend from us.
 */
static bool is_descendant(pid_t pid)
{
	pid_t self = getpid();

	for (int i = 0; i < MOST_ANCESTORS && pid > 1; i++) {
		struct procfs_stat stat;
		int dir, rc;

		if (pid == self)
			return true;
		dir = procfs_open("/proc", pid);
		if (dir < 0)
			return false;
		rc = procfs_stat(dir, &stat);
		close(dir);
		if (rc < 0)
			return false;
		pid = stat.ppid;
	}
	return false;
}

static bool has_ended(pid_t pid)
{
	int dir = procfs_open("/proc", pid);
	struct procfs_stat stat;
	int rc;

	if (dir < 0)
		return true;
	rc = procfs_stat(dir, &stat);
	close(dir);
	return rc == -ESRCH || (rc == 0 && stat.state == 'Z');
}

/*
 * A child that ended before anybody looked, perhaps by _exit(): its memory is
 * gone, which nothing on record says.  Where the parent's number is one that
 * we know, the child's is of our own pid namespace too.  False: it has yet to
 * end.
 */
static bool note_missed(struct targets *t, pid_t pid, uint32_t image)
{
	pid_t parent = recording_read_parent(t->dir, pid, image);

	if (parent <= 0 || !sampler_has(t->sampler, parent))
		return true;
	if (!has_ended(pid))
		return false;
	write_end(t, pid, STATUS_UNKNOWN);
	return true;
}

/* Its memory was gone already, and it was no zombie yet: look again. */
static void add_missed(struct targets *t, pid_t pid, uint32_t image)
{
	struct missed *m = vec_push(&t->missed);

	if (m)
		*m = (struct missed) { pid, image };
}

static void see_missed(struct targets *t)
{
	size_t left = 0;

	for (size_t i = 0; i < t->missed.count; i++) {
		struct missed m = t->missed.at[i];

		if (!sampler_has(t->sampler, m.pid) &&
		    !note_missed(t, m.pid, m.image))
			t->missed.at[left++] = m;
	}
	t->missed.count = left;
}

static void see_file(struct targets *t, const char *name)
{
	const uint64_t *known;
	bool fresh = false;
	uint32_t image;
	pid_t pid;

	if (!recording_parse_name(name, &pid, &image))
		return;
	known = hash_find(t->recorded, (uint64_t)pid);
	if (!known || image > *known) {
		t->files++;
		if (t->records)
			t->records(t->ctx, pid, image);
		fresh = true;
		if (hash_set(t->recorded, (uint64_t)pid, image) < 0)
			return; /* it records all the same */
	}
	if (!sampler_has(t->sampler, pid) && is_descendant(pid))
		(void)sampler_add(t->sampler, pid);
	if (fresh && !sampler_has(t->sampler, pid) &&
	    !note_missed(t, pid, image))
		add_missed(t, pid, image);
}

static void list_files(struct targets *t)
{
	DIR *list = recording_list(t->dir, ".");
	const struct dirent *entry;

	if (!list)
		return;
	while ((entry = readdir(list)))
		see_file(t, entry->d_name);
	closedir(list);
}

static void take_notices(struct targets *t)
{
	_Alignas(struct inotify_event) char events[4096];
	ssize_t len;

	while ((len = read(t->notify, events, sizeof(events))) > 0) {
		const struct inotify_event *ev;

		for (char *at = events; at < events + len;
		     at += sizeof(*ev) + ev->len) {
			ev = (const struct inotify_event *)at;
			if (ev->mask & IN_Q_OVERFLOW)
				list_files(t);
			else if (ev->len)
				see_file(t, ev->name);
		}
	}
}

static void watch(struct targets *t, const char *dir)
{
	t->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (t->notify >= 0 &&
	    inotify_add_watch(t->notify, dir, IN_CREATE) < 0) {
		close(t->notify);
		t->notify = -1;
	}
}

int targets_open(struct targets **out, const struct targets_options *opt,
		 struct err *err)
{
	struct targets *t = calloc(1, sizeof(*t));
	struct sampler_options sampling = {
		.interval_ns = opt->interval_ns,
		.children = opt->follow,
		.events = { t, on_reading, on_began, on_ended },
	};
	int rc;

	*out = NULL;
	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	t->dir_name = opt->dir;
	t->records = opt->records;
	t->ctx = opt->ctx;
	t->outside = opt->outside;
	t->notify = -1;
	t->dir = open(opt->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dir < 0) {
		rc = err_errno(err, "cannot open %s", opt->dir);
		goto close;
	}
	t->recorded = hash_new();
	t->own = hash_new();
	t->names = threadnames_new();
	if (!t->recorded || !t->own || !t->names) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto close;
	}
	rc = writer_open(&t->writer, opt->dir, err);
	if (rc < 0)
		goto close;
	rc = sampler_open(&t->sampler, &sampling, err);
	if (rc < 0)
		goto close;
	watch(t, opt->dir);
	*out = t;
	return 0;

close:
	targets_close(t);
	return rc;
}

void targets_close(struct targets *t)
{
	if (!t)
		return;
	if (t->notify >= 0)
		close(t->notify);
	sampler_close(t->sampler);
	writer_close(t->writer);
	if (t->dir >= 0)
		close(t->dir);
	hash_free(t->recorded);
	hash_free(t->own);
	threadnames_free(t->names);
	vec_free(&t->missed);
	free(t);
}

void targets_fds(const struct targets *t, struct pollfd fds[TARGETS_FDS])
{
	fds[0] = (struct pollfd) { .fd = t->notify, .events = POLLIN };
	fds[1] = (struct pollfd) { .fd = sampler_fd(t->sampler),
				   .events = POLLIN };
}

void targets_work(struct targets *t)
{
	if (t->notify >= 0)
		take_notices(t);
	else
		list_files(t);
	see_missed(t);
	sampler_tick(t->sampler);
}

void targets_add(struct targets *t, pid_t pid)
{
	t->first = pid;
	(void)sampler_add(t->sampler, pid); /* it may have ended already */
}

void targets_join(struct targets *t, pid_t pid)
{
	(void)sampler_add(t->sampler, pid);
}

void targets_reaped(struct targets *t, pid_t pid, int status)
{
	if (sampler_remove(t->sampler, pid))
		write_end(t, pid, status);
}

void targets_read_all(struct targets *t)
{
	see_missed(t);
	sampler_read_all(t->sampler);
}

size_t targets_recording(struct targets *t, pid_t *pids, size_t max)
{
	size_t count = 0;

	sampler_drop_ended(t->sampler);
	for (size_t i = 0; i < sampler_count(t->sampler); i++) {
		pid_t pid = sampler_pid(t->sampler, i);

		if (!targets_records(t, pid))
			continue;
		if (count < max)
			pids[count] = pid;
		count++;
	}
	return count;
}
