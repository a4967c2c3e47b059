/*
 * fuzz_budget: strandline.yml is somebody else's text.  Whatever it holds, it
 * is taken, or refused with one sentence that names the file; and what is
 * taken has limits that are numbers.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/budget.h"
#include "profiler/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct budget *budget;
	struct err err = ERR_INIT;
	struct budgets b;
	int rc;

	budgets_init(&b);
	rc = budgets_parse(&b, "f", (const char *)bytes, size, &err);
	if (rc < 0 && (rc != -EINVAL || strncmp(err.text, "f:", 2) != 0))
		abort();
	for (const char *at = err.text; *at; at++)
		if ((unsigned char)*at < 0x20)
			abort();
	vec_foreach (&b.list, budget) {
		if (rc == 0 && (!isfinite(budget->limit) || budget->limit < 0))
			abort();
		if (rc == 0 && budget_kinds[budget->what].by_endpoint !=
				       (budget->route != NULL))
			abort();
	}
	budgets_fini(&b);
	return 0;
}
