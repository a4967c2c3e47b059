/* Which program a recording is of. */
#include "profiler/analysis/program.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "profiler/model/model.h"

static void check(const char *exe, const char *command, const char *program)
{
	struct model_process p = { .exe = exe };
	struct model m = { .command = command,
			   .processes = &p,
			   .process_count = 1 };
	char *got = program_of(&m);

	cr_assert_str_eq(got, program);
	free(got);
}

Test(program, an_executable_is_its_name)
{
	check("/usr/bin/redis-server", "redis-server --port 7000",
	      "redis-server");
	check("/srv/shop-2.1", "/srv/shop-2.1", "shop");
	check("/srv/shop", "shop server", "shop");
	check("/usr/bin/node-exporter", "node-exporter x", "node-exporter");
	check("/srv/shop (deleted)", "/srv/shop", "shop");
}

Test(program, an_interpreter_is_what_it_runs)
{
	check("/usr/bin/python3.11", "python3 /srv/app.py --port 1 x",
	      "python app.py");
	check("/usr/bin/python3.12", "python3 -X dev -u other.py",
	      "python other.py");
	check("/usr/bin/python3.11",
	      "python3 -m uvicorn --port 8000 app.main:app",
	      "python uvicorn app.main:app");
	check("/usr/bin/python3.11",
	      "/usr/bin/gunicorn -w 2 -b 127.0.0.1:80 app:app",
	      "python gunicorn app:app");
}

Test(program, ports_and_addresses_are_no_application)
{
	check("/usr/bin/python3.11", "python3 -m uvicorn 127.0.0.1:80",
	      "python uvicorn");
	check("/usr/bin/python3.11", "python3 s.py host:80", "python s.py");
}

Test(program, what_is_not_known_is_empty)
{
	struct model m = { .main_process = MODEL_NONE };
	char *got = program_of(&m);

	cr_assert_str_eq(got, "");
	free(got);
}
