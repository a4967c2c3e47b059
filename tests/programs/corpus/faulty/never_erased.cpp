/*
 * Sessions that have ended are marked so in a map, and never erased.
 *
 * class: growth
 * function: open_session
 * bytes: 64
 * hides: there are never more than a hundred that are open.
 * argued: one session in two requests; a node of a map is 32 bytes and holds a
 *     key of 8 and a session of 88.
 */
#include "tests/programs/corpus/corpus.h"

#include <map>
#include <mutex>

namespace
{

struct session {
	bool ended;
	char state[87];
};

std::map<uint64_t, session> sessions;
std::mutex lock;

NOINLINE session &open_session(uint64_t id)
{
	return sessions[id];
}

} // namespace

void case_request(struct request *r)
{
	uint64_t id = r->number / 2;
	std::lock_guard<std::mutex> held(lock);

	if (r->number % 2 == 0)
		open_session(id).state[0] = 1;
	else if (id >= 100)
		sessions.at(id - 100).ended = true;
}
