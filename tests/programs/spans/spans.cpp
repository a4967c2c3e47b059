// spans: names of all kinds, more of them than there is room for.
#include "preload/api/strandline.h"

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static void thrower()
{
	strandline::span s("thrown");

	throw std::runtime_error("out");
}

static void many(int from)
{
	for (int i = 0; i < 150; i++) {
		std::string name = "name " + std::to_string(from + i);
		strandline::span s(name.c_str());
	}
}

int main()
{
	std::vector<std::thread> threads;

	for (int i = 0; i < 10; i++) {
		try {
			thrower();
		} catch (const std::runtime_error &) {
		}
	}
	for (int i = 0; i < 4; i++)
		threads.emplace_back(many, i * 150);
	for (auto &t : threads)
		t.join();
	return 0;
}
