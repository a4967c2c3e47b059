#include "profiler/attach/code_swap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "profiler/attach/tracee.h"
#include "profiler/base/err.h"
#include "profiler/proc/remote.h"
#include "profiler/wire/late.h"

#define FIRST	   (-20) /* among those who wait for a CPU: all stand still */
#define PAUSE_NS   5000000L	/* between two tries */
#define STOP_NS	   200000000ULL /* for all threads to stop */
#define STACK_MOST (64u << 10)	/* how far up a handler's frame is sought */

/* cs, gs, fs and ss in the frame of a signal handler; two words below is
 * where it returns to. */
#define SIGNAL_FRAME_MARK 0x002b000000000033ULL
#define SIGNAL_FRAME_PC	  2

struct swap {
	pid_t pid;
	int mem;
	const struct late_code *codes;
	size_t count;
	bool on;
	uint64_t stack[STACK_MOST / 8]; /* of one thread after the other */
};

bool code_swap_is_amid(const struct late_code *codes, size_t count, uint64_t pc)
{
	for (size_t i = 0; i < count; i++)
		if (pc > codes[i].address &&
		    pc - codes[i].address < codes[i].moved)
			return true;
	return false;
}

/* As much of a stack as is mapped. */
static size_t read_stack(struct swap *s, uint64_t sp)
{
	struct remote memory = remote_process(s->pid);

	for (size_t size = STACK_MOST; size >= 512; size /= 2)
		if (remote_read(&memory, sp & ~7ULL, s->stack, size) == 0)
			return size / 8;
	return 0;
}

static bool returns_amid(struct swap *s, uint64_t sp)
{
	size_t words = read_stack(s, sp);

	for (size_t i = SIGNAL_FRAME_PC; i < words; i++)
		if (s->stack[i] == SIGNAL_FRAME_MARK &&
		    code_swap_is_amid(s->codes, s->count,
				      s->stack[i - SIGNAL_FRAME_PC]))
			return true;
	return false;
}

static bool is_clear(struct swap *s, const struct tracees *stopped)
{
	const struct tracee *t;

	vec_foreach (&stopped->threads, t)
		if (code_swap_is_amid(s->codes, s->count, t->regs.rip) ||
		    returns_amid(s, t->regs.rsp))
			return false;
	return true;
}

static const uint8_t *wanted(const struct swap *s, const struct late_code *c)
{
	return s->on ? c->after : c->before;
}

/* 1: it holds what is to be replaced; 0: what is wanted; -ESTALE: neither. */
static int compare(const struct swap *s, const struct late_code *c)
{
	uint8_t now[sizeof(c->after)];

	if (pread(s->mem, now, c->size, (off_t)c->address) != c->size)
		return -ESTALE;
	if (memcmp(now, wanted(s, c), c->size) == 0)
		return 0;
	return memcmp(now, s->on ? c->before : c->after, c->size) == 0
		       ? 1
		       : -ESTALE;
}

static int write_code(const struct swap *s, const struct late_code *c,
		      const uint8_t *bytes)
{
	return pwrite(s->mem, bytes, c->size, (off_t)c->address) == c->size
		       ? 0
		       : -errno;
}

static int write_all(const struct swap *s)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < s->count && rc >= 0 && s->on; i++)
		rc = compare(s, &s->codes[i]);
	if (rc < 0)
		return rc;
	for (i = 0, rc = 0; i < s->count && rc == 0; i++)
		if (compare(s, &s->codes[i]) == 1)
			rc = write_code(s, &s->codes[i],
					wanted(s, &s->codes[i]));
	while (rc < 0 && s->on && i-- > 0)
		(void)write_code(s, &s->codes[i], s->codes[i].before);
	return rc;
}

static int try_once(struct swap *s, uint64_t *stopped_ns, struct err *err)
{
	struct tracees stopped;
	int rc = tracees_stop_plain(&stopped, s->pid, STOP_NS, err);
	uint64_t since;

	if (rc < 0)
		return rc;
	since = stopped.asked_ns;
	rc = is_clear(s, &stopped) ? write_all(s) : -EBUSY;
	tracees_release(&stopped);
	*stopped_ns = tracees_now_ns() - since;
	if (rc == -EBUSY)
		err_set(err, rc,
			"a thread of process %d was at the code to be changed",
			(int)s->pid);
	else if (rc < 0)
		err_set(err, rc,
			"the code of process %d could not be changed: %s",
			(int)s->pid, strerror(-rc));
	return rc;
}

int code_swap(pid_t pid, int mem, const struct late_code *codes, size_t count,
	      bool on, uint64_t patience_ns, uint64_t *stopped_ns,
	      struct err *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	uint64_t until = tracees_now_ns() + patience_ns;
	int usual = getpriority(PRIO_PROCESS, 0), rc;
	struct swap *s = malloc(sizeof(*s));

	*stopped_ns = 0;
	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->pid = pid;
	s->mem = mem;
	s->codes = codes;
	s->count = count;
	s->on = on;
	setpriority(PRIO_PROCESS, 0, FIRST);
	for (;;) {
		*err = (struct err)ERR_INIT;
		rc = try_once(s, stopped_ns, err);
		if (rc != -EBUSY || tracees_now_ns() > until)
			break;
		nanosleep(&pause, NULL);
	}
	setpriority(PRIO_PROCESS, 0, usual);
	free(s);
	return rc;
}
