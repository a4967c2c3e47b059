/*
 * A counter is looked up by operator[], which makes one where there is none.
 *
 * class: growth
 * function: counter_of
 * bytes: 54
 * hides: it reads like a look-up; the known keys are found, and only one
 *     request in ten asks for another.
 * argued: a node holds a link, a key and 512 bytes of counters: 528, and the
 *     table has one to two words for each.
 */
#include "tests/programs/corpus/corpus.h"

#include <mutex>
#include <unordered_map>

namespace
{

struct counters {
	char by_minute[512];
};

std::unordered_map<uint64_t, counters> known;
std::mutex lock;

NOINLINE counters &counter_of(uint64_t key)
{
	return known[key];
}

} // namespace

void case_request(struct request *r)
{
	uint64_t any = scramble(r->number);
	std::lock_guard<std::mutex> held(lock);

	counter_of(any % 10 ? any % 97 : any).by_minute[0]++;
}
