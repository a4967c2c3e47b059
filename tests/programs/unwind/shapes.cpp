/*
 * shapes_cpp: mallocs below what C++ makes of the stack: exceptions on their
 * way through frames, landing pads, templates, std::function, coroutine-like
 * state machines of the standard library's algorithms, threads.  For the
 * oracle.
 */
#include <algorithm>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#define NOIPA __attribute__((noipa))

namespace
{

/* Allocates when it dies: in landing pads, while an exception flies. */
struct Guard {
	std::string text = std::string(100, 'g');

	~Guard()
	{
		auto copy = std::make_unique<std::string>(text + text);

		text.swap(*copy);
	}
};

struct Failure : std::runtime_error {
	std::vector<std::string> notes;

	explicit Failure(int depth)
	    : std::runtime_error("at depth " + std::to_string(depth)),
	      notes(3, std::string(60, 'n'))
	{
	}
};

NOIPA int thrower(int depth)
{
	Guard guard;

	if (depth == 0)
		throw Failure(depth);
	if (depth % 3 == 0) {
		try {
			return thrower(depth - 1) + 1;
		} catch (const Failure &failure) {
			std::string what = failure.what();

			what += std::string(80, '.');
			throw;
		}
	}
	return thrower(depth - 1) + 1;
}

NOIPA void exceptions()
{
	for (int depth = 0; depth < 12; depth++) {
		try {
			thrower(depth);
		} catch (const std::exception &e) {
			std::string copy = e.what() + std::string(50, '!');
		}
	}
	try {
		try {
			throw Failure(1);
		} catch (...) {
			std::throw_with_nested(Failure(2));
		}
	} catch (const std::exception &e) {
		std::make_shared<std::string>(e.what());
	}
}

template <int N> struct Deep {
	template <typename F> NOIPA static auto run(F &&f)
	{
		std::string here(40 + N, 'd');
		auto inner = [&](auto &&g) {
			std::string there = here + here;

			return Deep<N - 1>::run(g) + there.size();
		};

		return inner(f);
	}
};

template <> struct Deep<0> {
	template <typename F> static auto run(F &&f)
	{
		return f();
	}
};

NOIPA size_t templates()
{
	return Deep<30>::run([] { return std::string(99, 'x').size(); });
}

NOIPA int functions(int depth)
{
	std::string state(70, 'f');
	std::function<int(int)> next = [state, depth](int x) {
		std::function<std::string(int)> make = [state](int n) {
			return state + std::to_string(n);
		};

		return (int)make(x).size() + (depth ? functions(depth - 1) : 0);
	};

	return std::invoke(next, depth);
}

NOIPA size_t algorithms()
{
	std::vector<std::string> words;
	std::map<std::string, std::vector<int>> tree;
	std::unordered_map<std::string, std::string> table;

	for (int i = 0; i < 60; i++)
		words.push_back(std::string((size_t)(i * 37 % 50), 'w') +
				std::to_string(i * 7919 % 60));
	std::sort(words.begin(), words.end(),
		  [](const std::string &a, const std::string &b) {
			  return a + "padding to allocate" <
				 b + "padding to allocate";
		  });
	for (const auto &word : words) {
		tree[word].assign(10, 1);
		table[word] = word + word;
	}
	return std::accumulate(words.begin(), words.end(), std::string(),
			       [](std::string sum, const std::string &word) {
				       return sum + word;
			       })
		.size();
}

NOIPA size_t expressions()
{
	std::regex pattern("(a+)(b|c)*d");
	std::ostringstream out;
	std::smatch match;
	std::string text = "xxaaabcbcdyy";

	if (std::regex_search(text, match, pattern))
		out << match[1] << 3.14159 << std::hex << 255;
	return out.str().size();
}

struct Node {
	virtual ~Node() = default;
	virtual std::string show(int depth) const = 0;
};

struct Leaf : virtual Node {
	std::string show(int depth) const override
	{
		return std::string((size_t)depth + 20, 'l');
	}
};

struct Branch : virtual Node {
	std::vector<std::unique_ptr<Node>> children;

	std::string show(int depth) const override
	{
		std::string all(30, 'b');

		for (const auto &child : children)
			all += child->show(depth + 1);
		return all;
	}
};

std::unique_ptr<Node> grow(int depth)
{
	if (depth == 0)
		return std::make_unique<Leaf>();
	auto branch = std::make_unique<Branch>();

	branch->children.push_back(grow(depth - 1));
	branch->children.push_back(grow(depth - 1));
	return branch;
}

NOIPA size_t visits()
{
	using Value = std::variant<int, std::string, std::vector<double>>;
	std::vector<Value> values { 1, std::string(40, 'v'),
				    std::vector<double>(20) };
	size_t sum = 0;

	for (const auto &value : values)
		sum += std::visit(
			[](const auto &v) {
				std::vector<std::decay_t<decltype(v)>> copy {
					v
				};

				return copy.size();
			},
			value);
	return sum;
}

void everything()
{
	exceptions();
	templates();
	functions(8);
	algorithms();
	expressions();
	grow(5)->show(0);
	visits();
}

} // namespace

int main()
{
	std::vector<std::thread> threads;

	everything();
	for (int i = 0; i < 2; i++)
		threads.emplace_back(everything);
	for (auto &thread : threads)
		thread.join();
	std::async(std::launch::async, everything).get();
	return 0;
}
