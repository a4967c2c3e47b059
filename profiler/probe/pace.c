/*
 * pace: see pace.h.
 */
#include "profiler/probe/pace.h"

uint64_t pace_mean(const struct pace *pace, uint64_t mean, uint64_t samples,
		   uint64_t ns)
{
	double factor = (double)samples * 1e9 / (pace->wanted * (double)ns);

	factor = factor > 2 ? 2 : factor < 0.5 ? 0.5 : factor;
	mean = (uint64_t)((double)mean * factor);
	return mean < pace->least  ? pace->least
	       : mean > pace->most ? pace->most
				   : mean;
}

bool budget_spend(struct budget *budget, double spent_ns, double ns)
{
	budget->over_ns += spent_ns - budget->share * ns;
	if (budget->over_ns < 0)
		budget->over_ns = 0;
	return budget->over_ns <= budget->at_once_ns;
}
