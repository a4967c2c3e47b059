/* CSV of the ledger. */
#include <criterion/criterion.h>

#include "reports/ledger.h"
#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one;

Test(report_csv, a_rag_server_is_written_as_agreed)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("rag.csv", "csv", fixture_rag(&one, false), &opt);
}

Test(report_csv, an_empty_ledger_has_its_header_row)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	struct buf out = golden_report("csv", fixture_empty(&one), &opt);

	cr_assert_eq(strncmp(out.bytes, "t,pid,rss,live,retained,heap,anon,",
			     34),
		     0);
	cr_assert_str_eq(strchr(out.bytes, '\r'), "\r\n");
	buf_free(&out);
}

Test(report_csv, what_was_not_read_is_an_empty_cell)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	struct buf out;

	fixture_empty(&one);
	memset(&one.ledger[0], 0xff, sizeof(one.ledger[0]));
	one.ledger[0].t = 1.25;
	one.ledger[0].pid = 7;
	one.ledger[0].rss = 4096;
	one.ledger[0].profiler_cpu_ns = 9;
	one.model.ledger_count = 1;
	out = golden_report("csv", &one.model, &opt);
	cr_assert_str_eq(strchr(out.bytes, '\n') + 1,
			 "1.250,7,4096,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,9\r\n");
	buf_free(&out);
}

Test(report_csv, every_value_has_one_column_of_its_own)
{
	struct model_ledger_point p;

	for (size_t c = 0; c < ledger_column_count; c++) {
		memset(&p, 0, sizeof(p));
		memset((char *)&p + ledger_columns[c].offset, 0xff, 8);
		for (size_t d = 0; d < ledger_column_count; d++)
			cr_assert_eq(ledger_value(&p, &ledger_columns[d]) != 0,
				     c == d);
	}
}

Test(report_csv, of_a_kind_has_a_row_for_each_site)
{
	struct report_options opt = { .kind = MODEL_LIVE, .by_kind = true };

	golden_check_report("rag_live.csv", "csv", fixture_rag(&one, false),
			    &opt);
}

Test(report_csv, a_name_with_a_comma_and_a_quote_is_one_cell)
{
	static const struct model_frame frame = { .function = "f<int, \"x\">",
						  .module = "/a,b" };
	struct report_options opt = { .kind = MODEL_LIVE, .by_kind = true };
	static const int8_t stack[] = { 0, -1 };
	struct buf out;

	fixture_empty(&one);
	one.frames[0] = frame;
	one.model.frame_count = 1;
	fixture_site(&one, stack)->live.bytes = 5;
	out = golden_report("csv", &one.model, &opt);
	cr_expect(strstr(out.bytes, "\"f<int, \"\"x\"\">\",\"\",,\"/a,b\""),
		  "%s", out.bytes);
	buf_free(&out);
}
