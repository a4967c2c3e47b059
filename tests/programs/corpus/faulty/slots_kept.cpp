/*
 * Each request subscribes to an event, with a function that holds it.
 *
 * class: growth
 * function: subscribe
 * bytes: 544
 * hides: counted references, so nothing is ever unreachable; and the list of
 *     functions doubles now and then.
 * argued: the request and its counts are 528 bytes, the closure 16.  The list
 *     takes another 32 to 64, at a few moments of the run.
 */
#include "tests/programs/corpus/corpus.h"

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace
{

struct call {
	char body[512];
};

std::vector<std::function<bool()>> slots;
std::mutex lock;

NOINLINE void subscribe(char first)
{
	auto c = std::make_shared<call>();

	c->body[0] = first;
	slots.emplace_back([c] { return c->body[0] != 0; });
}

} // namespace

void case_request(struct request *r)
{
	std::lock_guard<std::mutex> held(lock);

	subscribe(static_cast<char>(r->number));
}
