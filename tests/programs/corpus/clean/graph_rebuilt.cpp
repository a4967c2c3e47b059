/*
 * A graph of shared pointers, built anew every so often while the old one is
 * still used.
 *
 * class: clean
 * function: build
 * fools: every node is held by others and by the handlers that walk it; at
 *     each turn there are two graphs, the new one of another size, and the run
 *     ends while both are there.
 */
#include "tests/programs/corpus/corpus.h"

#include <memory>
#include <mutex>
#include <vector>

namespace
{

struct node {
	std::vector<std::shared_ptr<node>> to;
	char name[80] = {};
};

using graph = std::vector<std::shared_ptr<node>>;

std::shared_ptr<const graph> current, previous;
std::mutex lock;

/* Edges lead to earlier nodes only: there are no cycles. */
NOINLINE std::shared_ptr<const graph> build(uint64_t turn)
{
	auto g = std::make_shared<graph>();
	size_t nodes = 8000 + scramble(turn) % 4000;

	for (size_t i = 0; i < nodes; i++) {
		auto n = std::make_shared<node>();

		for (size_t e = 0; i && e < 3; e++)
			n->to.push_back((*g)[scramble(i * 3 + e) % i]);
		g->push_back(std::move(n));
	}
	return g;
}

} // namespace

void case_start(void)
{
	current = build(0);
}

/* Nine turns a run; the old graph goes when half of the next has passed. */
void case_request(struct request *r)
{
	uint64_t turn = plan.requests / 9 + 1;
	std::shared_ptr<const graph> mine, old;

	if (r->number % turn == turn * 3 / 4)
		mine = build(r->number);
	if (r->number % turn == turn / 4)
		old = std::move(previous);
	std::lock_guard<std::mutex> held(lock);
	if (mine) {
		previous = std::move(current);
		current = std::move(mine);
	}
}
