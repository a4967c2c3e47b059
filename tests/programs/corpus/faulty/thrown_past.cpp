/*
 * A body that does not parse throws past the buffer that it was read into.
 *
 * class: leak
 * function: read_body
 * bytes: 64
 * hides: the handler catches it, answers and goes on; one request in sixteen
 *     takes that way, and what the exception itself is made of is freed.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdexcept>
#include <string>

namespace
{

constexpr unsigned kSize = 1024;

NOINLINE char *read_body()
{
	char *body = new char[kSize];

	fill(body, kSize);
	return body;
}

NOINLINE unsigned parse(const char *body, uint64_t number)
{
	if (scramble(number) % 16 == 0)
		throw std::invalid_argument(
			"unexpected '" + std::string(1, body[0]) +
			"' in line " + std::to_string(number));
	return static_cast<unsigned>(number);
}

NOINLINE unsigned handle(uint64_t number)
{
	char *body = read_body();
	unsigned fields = parse(body, number);

	delete[] body;
	return fields;
}

} // namespace

void case_request(struct request *r)
{
	try {
		USE(handle(r->number));
	} catch (const std::invalid_argument &) {
		r->status = 400;
	}
}
