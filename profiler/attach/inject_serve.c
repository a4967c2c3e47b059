/*
 * inject_serve: the conversation with the thread that loads the recorder
 * (wire/late.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "profiler/attach/code_swap.h"
#include "profiler/attach/inject.h"
#include "profiler/attach/injection.h"
#include "profiler/attach/tracee.h"
#include "profiler/base/err.h"
#include "profiler/proc/remote.h"
#include "profiler/wire/late.h"

#define SERVE_NS 20000000000ULL /* for the recorder to do its part */
#define CODE_NS	 2000000000ULL	/* for its code to be changed; see late.c */

/* Not by its path: that is another's once the number is. */
static int write_image(struct injection *in, int theirs)
{
	int fd = (int)syscall(SYS_pidfd_getfd, in->pidfd, theirs, 0), rc = 0;
	size_t done = 0;

	if (fd < 0)
		return err_errno(in->err,
				 "cannot reach the memfd of process %d",
				 (int)in->pid);
	while (done < in->image->len && rc == 0) {
		ssize_t n = pwrite(fd, in->image->bytes + done,
				   in->image->len - done, (off_t)done);

		if (n < 0)
			rc = err_errno(in->err,
				       "cannot fill the memfd of process %d",
				       (int)in->pid);
		else
			done += (size_t)n;
	}
	close(fd);
	return rc;
}

static int fill_memfd(struct injection *in, int fd)
{
	int rc;

	if (fd < 0)
		return err_set(in->err, fd,
			       "process %d cannot make a memfd: %s; use "
			       "--with bpf",
			       (int)in->pid, strerror(-fd));
	rc = write_image(in, fd);
	if (rc < 0)
		return rc;
	/* Spelled so that nobody else's library is found by this name, nor
	 * the recorder of another build. */
	snprintf(in->head.path, sizeof(in->head.path), "/proc/self/fd/%.*s%d",
		 (int)in->loader.recorder_count + 1, "/////////", fd);
	return injection_put(in, INJECTION_AT(in, path), in->head.path,
			     sizeof(in->head.path));
}

static int not_loaded(struct injection *in)
{
	struct remote memory = remote_process(in->pid);
	char text[256] = "";
	uint64_t at = 0;

	if (injection_get(in, INJECTION_AT(in, error), &at, sizeof(at)) == 0 &&
	    at)
		(void)remote_read_text(&memory, at, text, sizeof(text));
	if (strstr(text, "static TLS"))
		return err_set(in->err, -ENOTSUP,
			       "process %d has no room left for thread-local "
			       "memory of libraries that come late; use "
			       "--with bpf, or start it with strandline run",
			       (int)in->pid);
	return err_set(in->err, -ENOTSUP,
		       "process %d cannot load the recorder: %s", (int)in->pid,
		       text[0] ? text : "its loader does not say why");
}

static int send_both(int socket, const int fds[LATE_NFILES])
{
	_Alignas(struct cmsghdr) char
		space[CMSG_SPACE(sizeof(int) * LATE_NFILES)] = { 0 };
	char byte = 0;
	struct iovec io = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * LATE_NFILES);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * LATE_NFILES);
	return sendmsg(socket, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_files(struct injection *in)
{
	const int fds[LATE_NFILES] = { in->settings->slabs,
				       in->settings->quota };
	int32_t theirs = -1;
	int socket, rc;

	rc = injection_get(in, INJECTION_AT(in, socket), &theirs,
			   sizeof(theirs));
	if (rc < 0)
		return rc;
	socket = (int)syscall(SYS_pidfd_getfd, in->pidfd, theirs, 0);
	if (socket < 0)
		return err_errno(in->err,
				 "cannot hand the recording over to process "
				 "%d",
				 (int)in->pid);
	rc = send_both(socket, fds);
	close(socket);
	if (rc < 0)
		err_set(in->err, rc,
			"cannot hand the recording over to process %d: %s",
			(int)in->pid, strerror(-rc));
	return rc;
}

/*
 * An allocator that is linked into the program.  The recorder is told how it
 * went, and goes on without it if need be.
 */
static int write_code(struct injection *in)
{
	struct late_code codes[LATE_CODES];
	struct err why = ERR_INIT;
	struct {
		uint64_t at;
		uint32_t count, on;
	} said = { 0 };
	int32_t result = -EINVAL;
	int rc = injection_get(in, INJECTION_AT(in, code), &said, sizeof(said));

	if (rc == 0 && said.count <= LATE_CODES)
		rc = injection_get(in, said.at, codes,
				   said.count * sizeof(codes[0]));
	if (rc == 0 && said.count <= LATE_CODES)
		result = code_swap(in->pid, in->mem, codes, said.count, said.on,
				   CODE_NS, &in->result->still_ns, &why);
	if (result == 0)
		in->result->codes = said.count;
	return rc < 0 ? rc
		      : injection_put(in, INJECTION_AT(in, code_result),
				      &result, sizeof(result));
}

static int recorder_error(struct injection *in, int rc)
{
	switch (rc) {
	case -EBUSY:
		return err_set(in->err, in->settings ? -EALREADY : -EBUSY,
			       in->settings
				       ? "process %d is being recorded already"
				       : "a thread of process %d does not come "
					 "out of the recorder; it records no "
					 "more, detach again to clear up",
			       (int)in->pid);
	case -ENOMEM:
		return err_set(in->err, rc,
			       "the recorder in process %d has no memory, or "
			       "no room on the disk, to begin",
			       (int)in->pid);
	default:
		return err_set(in->err, rc,
			       "the recorder in process %d cannot begin: %s",
			       (int)in->pid, strerror(-rc));
	}
}

static int conclude(struct injection *in)
{
	int rc = injection_get(in, in->area, &in->head, sizeof(in->head));

	if (rc < 0)
		return rc;
	in->result->slots = in->head.slots;
	in->result->refused = in->head.forced;
	return in->head.result < 0 ? recorder_error(in, in->head.result) : 0;
}

/* One answer; 1: it was the last. */
static int answer(struct injection *in, uint32_t step)
{
	int32_t fd;
	int rc;

	switch (step) {
	case LATE_WANTS_IMAGE:
		rc = injection_get(in, INJECTION_AT(in, fd), &fd, sizeof(fd));
		if (rc == 0)
			rc = fill_memfd(in, fd);
		break;
	case LATE_WANTS_FILES:
		rc = send_files(in);
		break;
	case LATE_NOT_LOADED:
		rc = not_loaded(in);
		break;
	case LATE_WANTS_CODE:
		rc = write_code(in);
		break;
	default:
		rc = conclude(in);
		if (rc == 0)
			rc = 1;
	}
	return rc;
}

int injection_serve(struct injection *in)
{
	uint64_t until = tracees_now_ns() + SERVE_NS;
	uint32_t step, last = LATE_NOTHING;
	int rc = 0;

	for (unsigned looks = 0; rc == 0; looks++) {
		rc = injection_get(in, INJECTION_AT(in, step), &step,
				   sizeof(step));
		if (rc < 0)
			return rc;
		if (step != last) {
			last = step;
			rc = answer(in, step);
			if (injection_put_go(in, rc ? LATE_LEAVE : LATE_GO) < 0)
				return -ESRCH;
		} else if (tracees_now_ns() > until) {
			return err_set(in->err, -EBUSY,
				       "process %d does not come to load the "
				       "recorder; it goes on by itself",
				       (int)in->pid);
		}
		injection_rest(looks);
	}
	return rc < 0 ? rc : 0;
}
