#include "profiler/attach/room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/units.h"
#include "profiler/proc/cgroup.h"
#include "profiler/proc/procfs.h"

#define AT_LEAST (64ULL << 20)

/* "NAME:   123 kB" in @text, in bytes; 0 when it is not there. */
static uint64_t field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) << 10 : 0;
}

uint64_t room_needed(const char *status)
{
	uint64_t anonymous = field(status, "\nRssAnon:");
	uint64_t tables = field(status, "\nVmPTE:");
	uint64_t copies = anonymous / 4;

	if (copies < AT_LEAST)
		copies = anonymous < AT_LEAST ? anonymous : AT_LEAST;
	return copies + tables;
}

static int refuse(pid_t pid, uint64_t needed, const char *where, uint64_t room,
		  struct err *err)
{
	char need_text[UNITS_TEXT_MAX], room_text[UNITS_TEXT_MAX];

	return err_set(err, -ENOMEM,
		       "a scan of process %d may take %s more while it lasts, "
		       "and %s has room for %s: not scanned",
		       (int)pid, units_format_bytes(need_text, (double)needed),
		       where, units_format_bytes(room_text, (double)room));
}

static int check(pid_t pid, int dir, struct buf *text, struct err *err)
{
	uint64_t needed, room;
	struct cgroup cgroup;

	if (procfs_read(dir, "status", text) < 0)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	needed = room_needed(text->bytes);
	if (procfs_read(dir, "cgroup", text) == 0) {
		cgroup_find(&cgroup, CGROUP_BASE, text->bytes);
		room = cgroup_room(&cgroup);
		if (room < needed)
			return refuse(pid, needed, "its memory cgroup", room,
				      err);
	}
	if (procfs_read(dir, "../meminfo", text) < 0)
		return 0;
	room = field(text->bytes, "\nMemAvailable:");
	return room < needed ? refuse(pid, needed, "this machine", room, err)
			     : 0;
}

uint64_t room_anonymous(pid_t pid)
{
	struct buf text = BUF_INIT;
	int dir = procfs_open("/proc", pid);
	uint64_t bytes = 0;

	if (dir < 0)
		return 0;
	if (procfs_read(dir, "status", &text) == 0)
		bytes = field(text.bytes, "\nRssAnon:");
	buf_free(&text);
	close(dir);
	return bytes;
}

int room_check(pid_t pid, struct err *err)
{
	struct buf text = BUF_INIT;
	int dir = procfs_open("/proc", pid), rc;

	if (dir < 0)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	rc = check(pid, dir, &text, err);
	buf_free(&text);
	close(dir);
	return rc;
}
