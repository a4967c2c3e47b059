/*
 * The last answer of each of two thousand users, in strings.
 *
 * class: clean
 * function: remember_last
 * fools: a string that is assigned to never shrinks, so each slot ratchets up
 *     to the longest answer that its user ever had: a fill that goes on when
 *     all slots have long been taken.
 */
#include "tests/programs/corpus/corpus.h"

#include <algorithm>
#include <mutex>
#include <string>

namespace
{

constexpr uint64_t USERS = 2048;
std::string last[USERS];
std::mutex lock;

NOINLINE void remember_last(uint64_t user, const char *text, size_t len)
{
	std::lock_guard<std::mutex> held(lock);

	last[user].assign(text, len);
}

} // namespace

void case_request(struct request *r)
{
	char text[1024];
	uint64_t users = std::min(USERS, plan.requests / 60 + 1);
	uint64_t dice = scramble(r->number);

	fill(text, sizeof(text));
	remember_last(dice % users, text, 1 + (dice >> 32) % sizeof(text));
}
