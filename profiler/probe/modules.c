/*
 * modules: see modules.h.
 */
#include "profiler/probe/modules.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/hash.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"

static bool is_code(const struct maps_entry *e)
{
	return e->prot & MAPS_EXEC && e->inode && e->path_len &&
	       e->path[0] == '/';
}

void modules_each(pid_t pid,
		  void (*each)(void *context, const struct module *m),
		  void *context)
{
	char name[PATH_MAX], path[PATH_MAX + PROCFS_ROOT_MAX];
	char root[PROCFS_ROOT_MAX];
	struct module m = { .name = name, .path = path, .executable = true };
	struct buf maps = BUF_INIT;
	struct maps_cursor c;
	struct maps_entry e;
	int dir = procfs_open("/proc", pid);

	if (dir < 0)
		return;
	procfs_root(dir, pid, root);
	if (procfs_read(dir, "maps", &maps) == 0) {
		c = maps_begin(maps.bytes, maps.len);
		while (maps_next(&c, &e)) {
			if (!is_code(&e))
				continue;
			maps_path(&e, name, sizeof(name));
			if (!e.deleted)
				snprintf(path, sizeof(path), "%s%s", root,
					 name);
			else if (m.executable) /* this leads to it for ever */
				snprintf(path, sizeof(path), "/proc/%d/exe",
					 (int)pid);
			else
				continue;
			m.id = hash_mix((uint64_t)e.device_major << 32 |
					e.device_minor) ^
			       e.inode;
			each(context, &m);
			m.executable = false; /* it is mapped first */
		}
	}
	buf_free(&maps);
	close(dir);
}
