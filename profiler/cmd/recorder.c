#include "profiler/cmd/recorder.h"

#include <limits.h>
#include <unistd.h>

#include "profiler/attach/inject.h"
#include "profiler/base/err.h"
#include "profiler/cmd/program.h"

int recorder_read(struct buf *image, struct err *err)
{
	char exe[PATH_MAX], path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	int rc;

	if (n < 0)
		return err_errno(err, "cannot read /proc/self/exe");
	exe[n] = '\0';
	rc = program_library(exe, path, err);
	return rc < 0 ? rc : inject_image(image, path, err);
}
