/*
 * conclude: what `run` and `attach` do with a recording at its end.
 */
#include "profiler/cmd/conclude.h"

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/progress.h"
#include "profiler/cmd/report.h"
#include "profiler/cmd/terminal.h"
#include "profiler/model/build.h"

void conclude(const char *path, bool quiet)
{
	struct buf line = BUF_INIT;
	struct err err = ERR_INIT;
	struct progress *progress;
	int rc;

	progress = progress_begin("finding names for", path);
	rc = model_save_symbols(path, &err);
	progress_end(progress);
	if (rc < 0)
		terminal_note("%s", err.text);
	if (quiet)
		return;
	if (report_summary(path, &err) < 0)
		terminal_note("%s", err.text);
	buf_printf(&line, "Recording: %s\n", path);
	if (buf_write_file(&line, "-", &err) < 0)
		terminal_note("%s", err.text);
	buf_free(&line);
}
