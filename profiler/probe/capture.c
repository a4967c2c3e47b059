/*
 * capture: what the probes of a session saw, process by process, on its way
 * into the recording.
 */
#include "profiler/probe/capture.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/proc/procfs.h"
#include "profiler/trace/probefile.h"

struct captured {
	pid_t pid;
	struct probefile *file;
	bool ended;
};

struct capture {
	struct capture_options options;
	VEC(struct captured) processes;
	struct hash *places; /* pid -> index */
};

int capture_open(struct capture **out, const struct capture_options *opt,
		 struct err *err)
{
	struct capture *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (c)
		c->places = hash_new();
	if (!c || !c->places) {
		free(c);
		return err_set(err, -ENOMEM, "out of memory");
	}
	c->options = *opt;
	*out = c;
	return 0;
}

void capture_close(struct capture *c)
{
	struct captured *p;

	if (!c)
		return;
	vec_foreach (&c->processes, p)
		probefile_close(p->file);
	vec_free(&c->processes);
	hash_free(c->places);
	free(c);
}

/* The last number of a line of /proc/PID/status; @otherwise without one. */
static pid_t status_number(const struct buf *status, const char *key,
			   pid_t otherwise)
{
	const char *line = strstr(status->bytes, key), *last;

	if (!line)
		return otherwise;
	last = strchrnul(line + 1, '\n');
	while (last > line && last[-1] != '\t' && last[-1] != ' ')
		last--;
	return (pid_t)strtol(last, NULL, 10);
}

/* /proc/PID as the file's header has it. */
static int create_file(struct capture *c, struct captured *p, struct err *err)
{
	struct buf status = BUF_INIT, command = BUF_INIT, comm = BUF_INIT;
	struct probefile_process process = { .exe = "" };
	char exe[PATH_MAX];
	int dir = procfs_open("/proc", p->pid), rc;

	if (dir < 0)
		return err_set(err, -ESRCH, "there is no process %d",
			       (int)p->pid);
	rc = procfs_read(dir, "status", &status);
	if (rc == 0)
		rc = procfs_read(dir, "cmdline", &command);
	if (rc == 0)
		rc = procfs_read(dir, "comm", &comm);
	if (procfs_link(dir, "exe", exe, sizeof(exe)) >= 0)
		process.exe = exe;
	if (rc == 0) {
		process.pid = status_number(&status, "\nNSpid:", p->pid);
		process.ppid = status_number(&status, "\nPPid:", 0);
		process.command = command.len ? command.bytes : "";
		process.command_size = command.len;
		process.comm = strtok(comm.bytes, "\n");
		if (!process.comm)
			process.comm = "";
		rc = probefile_create(&p->file, c->options.dir, &process, err);
	} else {
		err_set(err, rc, "cannot look into process %d: %s", (int)p->pid,
			strerror(-rc));
	}
	buf_free(&status);
	buf_free(&command);
	buf_free(&comm);
	close(dir);
	return rc;
}

int capture_add(struct capture *c, pid_t pid, struct err *err)
{
	struct captured p = { .pid = pid }, *slot;
	int rc;

	if (hash_find(c->places, (uint64_t)pid))
		return 0;
	rc = create_file(c, &p, err);
	if (rc < 0)
		return rc;
	slot = vec_push(&c->processes);
	if (!slot ||
	    hash_set(c->places, (uint64_t)pid, c->processes.count - 1) < 0) {
		probefile_close(p.file);
		c->processes.count -= slot != NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	*slot = p;
	return 0;
}

static struct captured *find(const struct capture *c, pid_t pid)
{
	const uint64_t *place = hash_find(c->places, (uint64_t)pid);

	return place ? &c->processes.at[*place] : NULL;
}

struct probefile *capture_file(const struct capture *c, pid_t pid)
{
	const struct captured *p = find(c, pid);

	return p ? p->file : NULL;
}

void capture_ended(struct capture *c, pid_t pid, uint64_t at_ns)
{
	struct captured *p = find(c, pid);

	if (!p)
		return;
	(void)probefile_flush(p->file, at_ns);
	probefile_ended(p->file, at_ns);
	p->ended = true;
}

int capture_flush(struct capture *c, uint64_t at_ns)
{
	struct captured *p;
	int rc = 0;

	vec_foreach (&c->processes, p) {
		int failed = p->ended ? 0 : probefile_flush(p->file, at_ns);

		if (rc == 0)
			rc = failed;
	}
	return rc;
}
