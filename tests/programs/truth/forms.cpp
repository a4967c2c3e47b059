/*
 * operator new and delete in every form, through the language.
 *
 * TRUTH single calls=200 bytes=5600 live=2400 blocks=100
 * TRUTH arrays calls=3 bytes=10808 live=808 blocks=1
 * TRUTH nothrow calls=2 bytes=4024 live=0 blocks=0
 * TRUTH aligned calls=2 bytes=640 live=128 blocks=1
 * TRUTH thrown calls=1 live=0 blocks=0
 * TRUTH placed calls=1 bytes=64 live=0 blocks=0
 *
 * refused() asks for more than there is: it makes no block.  thrown() is the
 * exception's own block, made by the C++ library.  An array of what has a
 * destructor is 8 bytes longer: its count.
 */
#include <cstdint>
#include <cstdlib>
#include <new>

#include "truth.h"

struct Plain {
	char bytes[24];
};

struct Ended {
	char bytes[8];
	~Ended()
	{
		USE(bytes);
	}
};

struct alignas(128) Wide {
	char bytes[128];
};

static Plain *kept[100];
static Ended *array;
static Wide *wide;
static volatile size_t too_much = PTRDIFF_MAX - 64;

extern "C" {

NOINLINE static void single()
{
	for (Plain *&plain : kept)
		plain = new Plain;
	for (int i = 0; i < 100; i++) {
		void *p = ::operator new(32);

		USE(p);
		if (i % 2)
			::operator delete(p);
		else
			::operator delete(p, 32);
	}
}

NOINLINE static void arrays()
{
	char *chars = new char[5000];

	USE(chars);
	delete[] chars;
	chars = static_cast<char *>(::operator new[](5000));
	USE(chars);
	::operator delete[](chars, 5000);
	array = new Ended[100];
	USE(array);
}

NOINLINE static void nothrow()
{
	Plain *plain = new (std::nothrow) Plain;
	char *chars = new (std::nothrow) char[4000];

	USE(plain);
	USE(chars);
	delete plain;
	::operator delete[](chars, std::nothrow);
}

NOINLINE static void aligned()
{
	Wide *several = new Wide[4];

	wide = new Wide;
	if (reinterpret_cast<uintptr_t>(several) % 128 ||
	    reinterpret_cast<uintptr_t>(wide) % 128)
		abort();
	delete[] several;
}

NOINLINE static void refused()
{
	try {
		USE(::operator new(too_much));
		abort();
	} catch (const std::bad_alloc &) {
	}
	if (new (std::nothrow) char[too_much])
		abort();
}

NOINLINE static void thrown()
{
	try {
		throw Plain();
	} catch (const Plain &) {
	}
}

NOINLINE static void placed()
{
	void *room = malloc(64);

	USE(new (room) Plain);
	free(room);
}
}

int main()
{
	single();
	arrays();
	nothrow();
	aligned();
	refused();
	thrown();
	placed();
	return 0;
}
