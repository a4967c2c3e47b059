/* "Did you mean": what is close enough to be meant. */
#include "profiler/base/words.h"

#include <criterion/criterion.h>

Test(words, a_letter_wrong_missing_or_doubled_is_still_meant)
{
	cr_assert(words_resemble("rum", "run"));
	cr_assert(words_resemble("reprt", "report"));
	cr_assert(words_resemble("reportt", "report"));
	cr_assert(words_resemble("report", "report"));
}

Test(words, a_beginning_is_meant)
{
	cr_assert(words_resemble("rss", "rss_max"));
	cr_assert(words_resemble("growth", "growth_per_request_max"));
	cr_assert_not(words_resemble("gr", "growth_per_request_max"));
}

Test(words, another_word_is_not_meant)
{
	cr_assert_not(words_resemble("fds", "threads"));
	cr_assert_not(words_resemble("", "memory"));
	cr_assert_not(words_resemble("throughput", "route"));
}

Test(words, what_is_longer_than_any_name_is_not_meant)
{
	cr_assert_not(words_resemble("growth_per_request_maximum_of_all_of_it",
				     "growth"));
	cr_assert_not(
		words_resemble("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			       "aaaaaaaaaaaa"));
}
