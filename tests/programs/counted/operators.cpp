/*
 * Truth: each form of operator new is used 100 times in forms(), six for 40
 * bytes and the two aligned ones for 64 (libstdc++ rounds these up to their
 * alignment); each block is deleted by the delete that fits, so
 *
 *	forms	800 allocations, 36,800 B, none live
 *	kept	50 new int[10], 2,000 B, all live
 *
 * whichever allocator is linked in.
 */
#include <cstdlib>
#include <new>

#define NOINLINE __attribute__((noinline, noclone))

static int *left[50];

NOINLINE static void forms()
{
	const std::align_val_t a { 64 };

	for (int i = 0; i < 100; i++) {
		::operator delete(::operator new(40));
		::operator delete(::operator new(40), 40);
		::operator delete[](::operator new[](40));
		::operator delete[](::operator new[](40), 40);
		::operator delete(::operator new(40, std::nothrow),
				  std::nothrow);
		::operator delete[](::operator new[](40, std::nothrow),
				    std::nothrow);
		::operator delete(::operator new(64, a), a);
		::operator delete[](::operator new[](64, a), a);
	}
}

NOINLINE static void kept()
{
	for (int i = 0; i < 50; i++)
		left[i] = new int[10];
}

int main()
{
	forms();
	kept();
	return left[0] == nullptr;
}
