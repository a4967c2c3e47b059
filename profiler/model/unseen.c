/*
 * unseen: what may be requests and cannot be followed.
 *
 * What a process reads and writes by io_uring is no system call of its own,
 * and none that a library makes for it: neither the kernel's way nor the
 * shim's sees requests there.  The ledger knows of rings by their mappings,
 * also of those from before anybody came to look.  Of HTTP/2 the shim counts
 * the connections; the kernel's way has a loss for them.
 */
#include <errno.h>
#include <stdio.h>

#include "profiler/model/build.h"

static int build_rings(struct model *m, const struct trace_view *v)
{
	for (size_t i = 0; i < v->ledger_count; i++) {
		const struct wire_ledger *l = &v->ledger[i];
		char text[160];

		if (l->rings == WIRE_UNSEEN || !l->rings)
			continue;
		snprintf(text, sizeof(text),
			 "process %d has io_uring: what it reads and writes "
			 "by that is not seen, and requests there are not "
			 "counted",
			 (int)l->pid);
		if (build_problem(m, text) < 0)
			return -ENOMEM;
	}
	return 0;
}

int build_unseen(struct model *m, const struct trace_view *v)
{
	uint64_t http2 = 0;
	char text[128];

	for (size_t i = 0; i < v->image_count; i++)
		http2 += v->images[i].header.stats.http2;
	snprintf(text, sizeof(text),
		 "%llu connections spoke HTTP/2: requests there are not "
		 "counted",
		 (unsigned long long)http2);
	if (http2 && build_problem(m, text) < 0)
		return -ENOMEM;
	return build_rings(m, v);
}
