/*
 * fuzz_proc_texts: what the kernel tells of a thread, a socket and a process:
 * profiler/proc/task.c, socket.c and anatomy.c.  The first byte chooses.
 */
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/proc/anatomy.h"
#include "profiler/proc/socket.h"
#include "profiler/proc/task.h"

static void as_socket(const char *text)
{
	static const char *const tables[] = { "tcp", "tcp6", "udp", "unix" };

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (uint64_t inode = 0; inode < 3; inode++) {
			struct buf out = BUF_INIT;

			if (!socket_find(&out, tables[i], text, inode) &&
			    out.len)
				abort(); /* then nothing is appended */
			buf_free(&out);
		}
}

static void as_task(const char *text)
{
	struct task t = { 0 };
	struct buf out = BUF_INIT;

	if (task_parse_syscall(text, &t))
		task_describe_call(&out, &t.call, -1);
	buf_free(&out);
}

static void as_anatomy(const char *text)
{
	struct anatomy a = { .pid = 1, .exe = "/usr/bin/node" };

	anatomy_parse_maps(&a, text);
	anatomy_parse_status(&a, text);
	anatomy_parse_cgroup(&a, text);
	if (!a.allocator || strlen(a.container) >= sizeof(a.container))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *text;

	if (!size)
		return 0;
	text = malloc(size); /* so that ASan sees its end */
	if (!text)
		return 0;
	memcpy(text, bytes + 1, size - 1);
	text[size - 1] = '\0';
	switch (bytes[0] % 3) {
	case 0:
		as_task(text);
		break;
	case 1:
		as_socket(text);
		break;
	case 2:
		as_anatomy(text);
		break;
	}
	free(text);
	return 0;
}
