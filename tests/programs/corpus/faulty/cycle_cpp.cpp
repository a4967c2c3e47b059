/*
 * Question and answer hold each other by shared pointers.
 *
 * class: leak
 * function: link_turns
 * bytes: 448
 * hides: every one of them has an owner.  What allocates is the library's:
 *     operator new, called by templates with names longer than this comment.
 * argued: two blocks of make_shared, each 16 bytes of counts and a turn of 208.
 */
#include "tests/programs/corpus/corpus.h"

#include <memory>

namespace
{

struct turn {
	std::shared_ptr<turn> peer;
	char text[192];
};

static_assert(sizeof(turn) == 208, "as the head says");

NOINLINE void link_turns()
{
	auto question = std::make_shared<turn>();
	auto answer = std::make_shared<turn>();

	fill(question->text, sizeof(question->text));
	question->peer = answer;
	answer->peer = question;
}

} // namespace

void case_request(struct request *)
{
	link_turns();
}
