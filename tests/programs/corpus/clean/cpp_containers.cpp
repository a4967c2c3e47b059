/*
 * Containers that are cleared and filled again, and never shrink.
 *
 * class: clean
 * function: collect|index_rows
 * fools: clear() keeps a vector's room and a map's buckets; each is larger
 *     than ever before now and then, and what they hold is always something
 *     else.
 */
#include "tests/programs/corpus/corpus.h"

#include <deque>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace
{

struct worker {
	std::vector<uint64_t> rows;
	std::unordered_map<uint64_t, std::vector<char>> by_key;
	std::deque<uint64_t> recent;
};

worker workers[8];
std::mutex lock;

/* The worst of many is seldom, and worse when there were more. */
size_t how_many(uint64_t number)
{
	uint64_t dice = scramble(number);

	return 8 + (8 << __builtin_ctzll(dice | 256)) * (dice >> 48) / 65536;
}

NOINLINE void collect(worker &w, uint64_t number)
{
	w.rows.clear();
	for (size_t i = how_many(number); i; i--)
		w.rows.push_back(scramble(number + i));
}

NOINLINE void index_rows(worker &w)
{
	if (w.by_key.size() > 4000)
		w.by_key.clear();
	for (uint64_t row : w.rows)
		w.by_key[row].assign(row % 256, 'x');
	w.recent.insert(w.recent.end(), w.rows.begin(), w.rows.end());
	while (w.recent.size() > 2048)
		w.recent.pop_front();
}

} // namespace

void case_request(struct request *r)
{
	worker &w = workers[r->number % 8];
	std::lock_guard<std::mutex> held(lock);

	collect(w, r->number);
	index_rows(w);
}
