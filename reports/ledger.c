/*
 * ledger: see ledger.h.
 */
#include "reports/ledger.h"

#include <string.h>

#define COLUMN(name)                                             \
	{                                                        \
#name, offsetof(struct model_ledger_point, name) \
	}

const struct ledger_column ledger_columns[] = {
	COLUMN(rss),
	COLUMN(live),
	COLUMN(retained),
	COLUMN(heap),
	{ "anon", offsetof(struct model_ledger_point, anonymous) },
	COLUMN(file),
	COLUMN(stacks),
	COLUMN(self),
	COLUMN(slabs),
	COLUMN(swap),
	COLUMN(pss),
	COLUMN(vms),
	COLUMN(threads),
	COLUMN(fds),
	COLUMN(minor_faults),
	COLUMN(major_faults),
	COLUMN(context_switches),
	COLUMN(cpu_user_ns),
	COLUMN(cpu_system_ns),
	COLUMN(allocator_allocated),
	COLUMN(allocator_active),
	COLUMN(allocator_resident),
	COLUMN(allocator_retained),
	COLUMN(allocator_metadata),
	COLUMN(python_arenas),
	COLUMN(python_used),
	COLUMN(max_fds),
	COLUMN(cgroup_usage),
	COLUMN(cgroup_limit),
	COLUMN(profiler_rss),
	COLUMN(profiler_cpu_ns),
};
const size_t ledger_column_count =
	sizeof(ledger_columns) / sizeof(ledger_columns[0]);

/* A value added to the ledger must be added to the columns, too. */
_Static_assert(sizeof(struct model_ledger_point) ==
		       16 + 8 * sizeof(ledger_columns) /
				       sizeof(ledger_columns[0]),
	       "every value of a ledger point has a column");

uint64_t ledger_value(const struct model_ledger_point *p,
		      const struct ledger_column *column)
{
	uint64_t value;

	memcpy(&value, (const char *)p + column->offset, sizeof(value));
	return value;
}

int32_t ledger_main_pid(const struct model *m)
{
	return m->main_process < m->process_count
		       ? m->processes[m->main_process].pid
		       : 0;
}

const struct ledger_column *ledger_column(const char *name)
{
	for (size_t c = 0; c < ledger_column_count; c++)
		if (strcmp(ledger_columns[c].name, name) == 0)
			return &ledger_columns[c];
	return NULL;
}

const struct model_ledger_point *ledger_last(const struct model *m,
					     const struct ledger_column *column)
{
	int32_t pid = ledger_main_pid(m);

	for (uint32_t i = m->ledger_count; i-- > 0;)
		if (m->ledger[i].pid == pid &&
		    ledger_value(&m->ledger[i], column) != LEDGER_UNREAD)
			return &m->ledger[i];
	return NULL;
}

static uint64_t known(uint64_t value)
{
	return value == LEDGER_UNREAD ? 0 : value;
}

bool ledger_split(const struct model *m, struct ledger_split *split)
{
	const struct model_ledger_point *p =
		ledger_last(m, ledger_column("anon"));
	uint64_t private, used, room, absent;

	if (!p)
		return false;
	private = p->anonymous + known(p->heap);
	room = private > known(p->self) ? private - known(p->self) : 0;
	absent = known(p->live) > room ? known(p->live) - room : 0;
	used = known(p->live) + known(p->retained) + known(p->self);
	if (!model_sees_heap(m)) { /* as recordings of old have it */
		used = known(p->self);
		absent = 0;
	}
	*split = (struct ledger_split) {
		.t = p->t,
		.rss = p->rss,
		.live = LEDGER_UNREAD,
		.absent = absent,
		.retained = LEDGER_UNREAD,
		.anonymous = private > used ? private - used : 0,
		.file = p->file,
		.stacks = p->stacks,
		.self = known(p->self) + known(p->slabs),
	};
	if (model_sees_heap(m)) {
		if (p->live != LEDGER_UNREAD)
			split->live = p->live - absent;
		split->retained = p->retained;
	}
	return true;
}
