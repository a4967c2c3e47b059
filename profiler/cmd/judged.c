#include "profiler/cmd/judged.h"

#include <errno.h>
#include <stddef.h>

#include "profiler/analysis/leaks.h"
#include "profiler/analysis/verdict.h"
#include "profiler/base/err.h"
#include "profiler/cmd/command.h"
#include "profiler/cmd/progress.h"
#include "profiler/model/model.h"
#include "profiler/model/wrappers.h"

int judged_load(struct judged *j, const char *recording, enum model_view view,
		const struct opt_list *wrappers, struct err *err)
{
	struct progress *progress = progress_begin("reading", recording);
	int rc;

	*j = (struct judged) { NULL, NULL };
	rc = model_load_view(&j->model, recording, view, err);
	progress_end(progress);
	for (size_t i = 0; i < wrappers->count && rc == 0; i++)
		rc = wrappers_add(j->model, wrappers->at[i], err);
	if (rc == 0)
		rc = verdict_of(&j->verdict, j->model, err);
	if (rc == 0 && leaks_mark(j->model, j->verdict) < 0)
		rc = err_set(err, -ENOMEM, "out of memory");
	if (rc < 0)
		judged_free(j);
	return rc;
}

void judged_free(struct judged *j)
{
	verdict_free(j->verdict);
	model_free(j->model);
	*j = (struct judged) { NULL, NULL };
}
