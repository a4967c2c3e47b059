/* A plugin that spins: it comes into the process while that is watched. */
#include <stdint.h>

volatile uint64_t late_count;

void late_spin(uint64_t turns)
{
	while (turns--)
		late_count++;
}
