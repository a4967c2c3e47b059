/*
 * fuzz_suppress: a suppression file is somebody else's text.  Whatever it
 * holds, it is taken or refused with one sentence, and each pattern that is
 * taken answers for any name.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/suppress.h"
#include "profiler/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct suppressions s = SUPPRESSIONS_INIT;
	struct err err = ERR_INIT;
	const struct suppression *one;
	int rc =
		suppressions_parse(&s, "f", 1, (const char *)bytes, size, &err);

	if (rc < 0 && (rc != -EINVAL || !err.text[0]))
		abort();
	vec_foreach (&s.list, one) {
		if (!one->pattern[0] || strchr(one->pattern, '\n'))
			abort();
		suppression_matches(one->pattern, "rag::Index::add(float*)");
		/* What has no special characters is found in itself. */
		if (!strpbrk(one->pattern, "*^$") &&
		    !suppression_matches(one->pattern, one->pattern))
			abort();
	}
	suppressions_free(&s);
	return 0;
}
