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
#include <time.h>
#include <unistd.h>

#include "bpf/stack.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/probe/kernel.h"
#include "profiler/probe/lately.h"
#include "profiler/probe/perfmap.h"
#include "profiler/probe/python.h"
#include "profiler/probe/tables.h"
#include "profiler/proc/procfs.h"
#include "profiler/trace/probefile.h"

/* A stack in a mapping that is not known yet: look, but not all the time. */
#define REFRESH_NS 50000000ULL
/* What was seen must not have to go for the sake of names. */
#define COPIES_SHARE 4

struct captured {
	pid_t pid;
	struct probefile *file;
	uint64_t ended_ns; /* 0: it lives */
	uint64_t spent_ns; /* what its file says that all of us took */
	struct tables_space space;
	uint64_t refreshed_ns;
	uint32_t *modules; /* of the tables -> of the file; 0: not yet */
	size_t module_count;
	struct hash *kernel; /* address -> text of the file */
	struct perfmap *perfmap;
	uint32_t
		unnamed; /* text of generated code without a name; 0: not yet */
	struct python *python;
	struct hash *mixed; /* a MIXED node -> native << 32 | Python node */
};

struct capture {
	struct capture_options options;
	struct tables *tables;
	struct kernel_names *kernel;
	struct lately *lately; /* NULL: requests are not followed */
	VEC(struct captured) processes;
	struct hash *places;   /* pid -> index */
	uint64_t closed_bytes; /* of files of processes that ended */
	uint64_t closed_ns;    /* spent, as one of those says */
	uint64_t flushed_ns;
	uint64_t lost[CAPTURE_NLOSSES];
};

int capture_open(struct capture **out, const struct capture_options *opt,
		 struct err *err)
{
	struct capture *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (c) {
		c->places = hash_new();
		c->kernel = kernel_names_new();
	}
	if (!c || !c->places || !c->kernel) {
		capture_close(c);
		return err_set(err, -ENOMEM, "out of memory");
	}
	c->options = *opt;
	*out = c;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static void forget_stacks(struct capture *c, struct captured *p)
{
	tables_forget(c->tables, p->pid, &p->space);
	hash_free(p->kernel);
	hash_free(p->mixed);
	python_free(p->python);
	perfmap_free(p->perfmap);
	free(p->modules);
	p->kernel = p->mixed = NULL;
	p->python = NULL;
	p->perfmap = NULL;
	p->modules = NULL;
	p->module_count = 0;
}

const char *capture_dir(const struct capture *c)
{
	return c->options.dir;
}

uint64_t capture_copies(const struct capture *c)
{
	return c->options.max_bytes ? c->options.max_bytes / COPIES_SHARE
				    : UINT64_MAX;
}

void capture_use(struct capture *c, struct tables *tables)
{
	c->tables = tables;
}

/* What is mapped elsewhere now has other modules in the file, too. */
static void refresh(struct capture *c, struct captured *p)
{
	p->refreshed_ns = now_ns();
	if (!c->tables)
		return;
	if (tables_update(c->tables, p->pid, &p->space)) {
		free(p->modules);
		p->modules = NULL;
		p->module_count = 0;
	}
	if (p->python)
		python_look(p->python, c->tables, &p->space, p->file);
}

void capture_close(struct capture *c)
{
	struct captured *p;

	if (!c)
		return;
	vec_foreach (&c->processes, p) {
		probefile_close(p->file);
		forget_stacks(c, p);
	}
	vec_free(&c->processes);
	kernel_names_free(c->kernel);
	lately_free(c->lately);
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
		process.seen_pid = p->pid;
		process.pid = p->pid;
		if (c->options.own_pids)
			process.pid =
				status_number(&status, "\nNSpid:", p->pid);
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
	slot->kernel = hash_new();
	slot->mixed = hash_new();
	slot->python = python_new(pid);
	refresh(c, slot);
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
	probefile_ended(p->file, at_ns);
	p->ended_ns = at_ns;
}

void capture_refresh(struct capture *c, pid_t pid)
{
	struct captured *p = find(c, pid);

	if (!p)
		return;
	if (p->python && c->tables)
		python_forget(p->python, c->tables);
	perfmap_free(p->perfmap);
	p->perfmap = NULL;
	refresh(c, p);
}

/* The file's id of the module of @range, whose bias this is. */
static uint32_t module_id(struct capture *c, struct captured *p,
			  const struct tables_range *range)
{
	size_t place = (size_t)(range - p->space.ranges);
	const struct tables_module *m = tables_module(c->tables, range->module);

	if (!m)
		return 0;
	if (!p->modules) {
		p->modules = calloc(p->space.count, sizeof(*p->modules));
		p->module_count = p->modules ? p->space.count : 0;
	}
	if (place >= p->module_count)
		return 0;
	if (!p->modules[place])
		p->modules[place] = probefile_module(
			p->file, &(struct probefile_module) {
					 .path = m->path,
					 .build_id = m->build_id,
					 .build_id_size = m->build_id_size,
					 .bias = range->bias,
					 .start = range->start,
					 .end = range->end,
				 });
	return p->modules[place];
}

/* Code that no file has: its runtime may say in a file of its own. */
static uint32_t generated_node(struct captured *p, uint32_t parent,
			       uint64_t address)
{
	struct perfmap_code *code = NULL;
	uint32_t *text = &p->unnamed;

	if (!p->perfmap)
		p->perfmap = perfmap_new(p->pid);
	if (p->perfmap)
		code = perfmap_find(p->perfmap, address, now_ns());
	if (code)
		text = &code->text;
	if (!*text)
		*text = probefile_text(p->file, code ? code->name : "[jit]");
	return probefile_node(p->file, parent, NODE_JIT, 0, *text);
}

static uint32_t user_node(struct capture *c, struct captured *p,
			  uint32_t parent, uint64_t address)
{
	const struct tables_range *range = tables_find(&p->space, address);
	uint32_t module = range ? module_id(c, p, range) : 0;

	if (range && !range->module)
		return generated_node(p, parent, address);
	if (!module)
		return probefile_node(p->file, parent, NODE_ABSOLUTE, 0,
				      address);
	return probefile_node(p->file, parent, NODE_NATIVE, module,
			      address - range->bias);
}

static uint32_t kernel_node(struct capture *c, struct captured *p,
			    uint32_t parent, uint64_t address)
{
	const uint64_t *known =
		p->kernel ? hash_find(p->kernel, address) : NULL;
	uint64_t text = known ? *known : 0;

	if (!known) {
		text = probefile_text(p->file, kernel_name(c->kernel, address));
		if (p->kernel)
			(void)hash_set(p->kernel, address, text);
	}
	return probefile_node(p->file, parent, NODE_KERNEL, 0, text);
}

/* What stands in the place of callers that could not be reached. */
static uint32_t root_node(struct captured *p, uint32_t why)
{
	if (why == STACK_END_ROOT)
		return 0;
	return probefile_node(p->file, 0,
			      why == STACK_END_CUT ? NODE_TRUNCATED
						   : NODE_BROKEN,
			      0, 0);
}

/* Of the Python frames in @words, innermost first; 0: they cannot be kept. */
static uint32_t python_node(struct captured *p, const struct stack_head *head,
			    const __u64 *words)
{
	uint32_t node = 0;

	if (head->python == STACK_PYTHON_CUT)
		node = probefile_node(p->file, 0, NODE_TRUNCATED, 0, 0);
	for (size_t i = head->python_count; i-- > 0;) {
		uint64_t code = words[2 * i], value = words[2 * i + 1];
		uint32_t looks = (uint32_t)(value >> STACK_PYTHON_LOOKS);
		uint32_t id = python_code(p->python, p->file, code, looks);

		node = probefile_node(
			p->file, node, NODE_PYTHON, id,
			wire_python_value((int32_t)(uint32_t)value,
					  value & STACK_PYTHON_ENTRY));
		if (!node)
			return 0;
	}
	return node;
}

/* @native with the Python frames that ran in it. */
static uint32_t mixed_node(struct captured *p, uint32_t native, uint32_t python)
{
	uint32_t node;

	if (!python || !native || !p->mixed)
		return native;
	node = probefile_node(p->file, native, NODE_MIXED, 0, python);
	if (!node || hash_set(p->mixed, node, (uint64_t)native << 32 | python))
		return native;
	return node;
}

/* Whether it stands in what was mapped since we looked. */
static bool is_news(const struct captured *p, const struct stack_sample *sample)
{
	const struct stack_head *head = &sample->head;

	if (head->end == STACK_END_UNMAPPED || head->end == STACK_END_NO_SPACE)
		return true;
	return head->user_count &&
	       !tables_find(&p->space, sample->frames[head->kernel_count]);
}

uint32_t capture_stack(struct capture *c, const struct stack_sample *sample,
		       size_t size)
{
	const struct stack_head *head = &sample->head;
	struct captured *p;
	size_t count, words;
	uint32_t node;

	if (size < sizeof(*head)) {
		c->lost[CAPTURE_BAD_SAMPLE]++;
		return 0;
	}
	count = (size_t)head->kernel_count + head->user_count;
	words = count + 2UL * head->python_count;
	p = find(c, head->pid);
	if (!p || size < sizeof(*head) + words * sizeof(sample->frames[0])) {
		c->lost[p ? CAPTURE_BAD_SAMPLE : CAPTURE_NO_PROCESS]++;
		return 0;
	}
	if (is_news(p, sample) && now_ns() - p->refreshed_ns > REFRESH_NS)
		refresh(c, p);
	node = root_node(p, head->end);
	for (size_t i = count; i-- > head->kernel_count;)
		node = user_node(c, p, node, sample->frames[i]);
	for (size_t i = head->kernel_count; i-- > 0;)
		node = kernel_node(c, p, node, sample->frames[i]);
	c->lost[CAPTURE_PYTHON] += head->python == STACK_PYTHON_UNREAD;
	if (!head->python_count || !p->python)
		return node;
	return mixed_node(p, node,
			  python_node(p, head, sample->frames + count));
}

uint32_t capture_blocked(struct capture *c, pid_t pid, uint32_t node,
			 enum wire_blocked why)
{
	struct captured *p = find(c, pid);
	const uint64_t *mixed;

	if (!p)
		return 0;
	mixed = p->mixed ? hash_find(p->mixed, node) : NULL;
	if (!mixed)
		return probefile_node(p->file, node, NODE_BLOCKED, 0, why);
	return mixed_node(p,
			  probefile_node(p->file, (uint32_t)(*mixed >> 32),
					 NODE_BLOCKED, 0, why),
			  (uint32_t)*mixed);
}

void capture_weigh(struct capture *c, pid_t pid, uint32_t node,
		   enum wire_weight_kind kind, int64_t count, int64_t weight)
{
	struct captured *p = find(c, pid);

	if (!p)
		c->lost[CAPTURE_NO_PROCESS]++;
	else if (probefile_weigh(p->file, node, kind, count, weight) < 0)
		c->lost[CAPTURE_NO_MEMORY]++;
}

int capture_follow_requests(struct capture *c)
{
	if (!c->lately)
		c->lately = lately_new();
	return c->lately ? 0 : -ENOMEM;
}

bool capture_follows_requests(const struct capture *c)
{
	return c->lately != NULL;
}

void capture_moment(struct capture *c, const struct lately_moment *m)
{
	if (c->lately)
		lately_add(c->lately, m);
}

void capture_slow(struct capture *c, const struct lately_request *r)
{
	if (c->lately)
		lately_ended(c->lately, r);
}

static void tell_slow(void *context, const struct lately_request *r,
		      const struct wire_slow_part *parts, size_t count)
{
	struct capture *c = context;
	const struct captured *p = find(c, r->pid);

	if (!p || probefile_slow_parts(p->file, r->route, r->arrived_ns, parts,
				       count) < 0)
		c->lost[CAPTURE_SLOW]++;
}

/* All of it in the first one's file: reports add them up. */
void capture_spent(struct capture *c, uint64_t ns)
{
	if (c->processes.count) {
		c->processes.at[0].spent_ns = ns - c->closed_ns;
		probefile_spent(c->processes.at[0].file, ns - c->closed_ns);
	}
}

uint64_t capture_lost(const struct capture *c, enum capture_loss loss,
		      const char **name)
{
	static const char *const names[CAPTURE_NLOSSES] = {
		[CAPTURE_NO_PROCESS] = "process_gone",
		[CAPTURE_BAD_SAMPLE] = "sample_torn",
		[CAPTURE_NO_MEMORY] = "no_memory",
		[CAPTURE_PYTHON] = "python_frames_unread",
		[CAPTURE_FULL] = "seconds_past_the_cap",
		[CAPTURE_SLOW] = "slow_requests_unexplained",
		[CAPTURE_COPY] = "replaced_files_unnamed",
	};
	uint64_t not_copied = 0;

	*name = names[loss];
	if (loss == CAPTURE_SLOW && c->lately)
		return c->lost[loss] + lately_lost(c->lately);
	if (loss == CAPTURE_COPY && c->tables)
		(void)tables_copied(c->tables, &not_copied);
	return c->lost[loss] + not_copied;
}

static bool is_full(const struct capture *c)
{
	const struct captured *p;
	uint64_t bytes = c->closed_bytes, not_copied;

	if (c->tables)
		bytes += tables_copied(c->tables, &not_copied);
	vec_foreach (&c->processes, p)
		bytes += probefile_bytes(p->file);
	return c->options.max_bytes && bytes >= c->options.max_bytes;
}

/* The last one takes its place. */
static void let_go(struct capture *c, size_t place)
{
	struct captured *p = &c->processes.at[place];
	const struct captured *last = &c->processes.at[c->processes.count - 1];

	c->closed_bytes += probefile_bytes(p->file);
	c->closed_ns += p->spent_ns;
	hash_remove(c->places, (uint64_t)p->pid, NULL);
	probefile_close(p->file);
	forget_stacks(c, p);
	if (last != p) {
		*p = *last;
		(void)hash_set(c->places, (uint64_t)p->pid, place);
	}
	c->processes.count--;
}

/* What probes sent of them before their end has come, a second later. */
static void let_ended_go(struct capture *c, uint64_t at_ns)
{
	for (size_t i = c->processes.count; i-- > 0;) {
		const struct captured *p = &c->processes.at[i];

		if (p->ended_ns && p->ended_ns < c->flushed_ns)
			let_go(c, i);
	}
	c->flushed_ns = at_ns;
}

int capture_flush(struct capture *c, uint64_t at_ns)
{
	struct captured *p;
	int rc = 0;

	if (is_full(c)) {
		c->lost[CAPTURE_FULL]++;
		let_ended_go(c, at_ns);
		return 0;
	}
	if (c->lately)
		lately_settle(c->lately, tell_slow, c);
	vec_foreach (&c->processes, p) {
		int failed = probefile_flush(p->file, at_ns);

		/* It may begin to run only now. */
		if (p->python && c->tables && !p->ended_ns)
			python_look(p->python, c->tables, &p->space, p->file);

		if (rc == 0)
			rc = failed;
	}
	let_ended_go(c, at_ns);
	return rc;
}
