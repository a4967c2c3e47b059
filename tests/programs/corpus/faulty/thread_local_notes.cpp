/*
 * Each worker thread notes what it looked up, in a container of its own.
 *
 * class: growth
 * function: note_lookup
 * bytes: 224
 * hides: it grows in eight places at once, by little in each, and what leads
 *     there is in the threads' own storage.
 * argued: a list's node: two pointers and a lookup of 208 bytes.
 */
#include "tests/programs/corpus/corpus.h"

#include <list>

namespace
{

struct lookup {
	uint64_t number;
	char key[200];
};

thread_local std::list<lookup> notes;

NOINLINE void note_lookup(uint64_t number)
{
	notes.emplace_back();
	notes.back().number = number;
}

} // namespace

void case_request(struct request *r)
{
	note_lookup(r->number);
}
