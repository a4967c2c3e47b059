/*
 * A smart pointer is released to an interface that does not take ownership.
 *
 * class: leak
 * function: begin_trace
 * bytes: 176
 * hides: unique_ptr owns it all the time but for one line; what is lost is a
 *     small object and the vector's memory that it owns, both operator new's.
 * argued: a span of 48 bytes and 16 numbers of 8.
 */
#include "tests/programs/corpus/corpus.h"

#include <memory>
#include <vector>

namespace
{

struct span {
	std::vector<uint64_t> marks;
	uint64_t id, began, ended;
};

static_assert(sizeof(span) == 48, "as the head says");
span *volatile newest;

void record(span *s)
{
	newest = s;
}

NOINLINE void begin_trace(uint64_t id)
{
	auto s = std::make_unique<span>();

	s->id = id;
	s->marks.resize(16);
	record(s.release());
}

} // namespace

void case_request(struct request *r)
{
	begin_trace(r->number);
}
