/*
 * Requests by endpoint: figures, the histogram of their latencies and how
 * many came when.
 */
import { h, s } from "./dom.js";
import { bytes, count, moment, ms, percent } from "./format.js";
import { Table } from "./table.js";

const WIDTH = 520, HEIGHT = 132, LEFT = 58, BOTTOM = 22, TOP = 8;

const COLUMNS = [
	["count", "requests", count], ["errors", "errors",
		(v) => v ? count(v) : "–"],
	["p50_ms", "p50", ms], ["p95_ms", "p95", ms], ["p99_ms", "p99", ms],
	["max_ms", "max", ms],
	["ttfb_p95_ms", "TTFB p95", ms, "Time to the answer's first byte"],
	["gap_p95_ms", "gap p95", ms, "Of each streamed answer its longest " +
		"pause between chunks"],
	["queue_p95_ms", "queue p95", ms, "From arrival until the server " +
		"read it"],
	["alloc_bytes_per_request", "alloc/req", (v) =>
		v === null ? "–" : bytes(v), "Allocated by a request"],
	["retained_bytes_per_request", "kept/req", (v) =>
		v === null ? "–" : bytes(v), "What outlives the request"],
];

/* As an axis says it: "5 ms", not "5.00 ms". */
function brief(value) {
	return value ? ms(value).replace(/\.0+(?= )/, "") : "0";
}

function frame(title, ...children) {
	return h("figure", {}, h("figcaption", {}, title),
		s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
			   "aria-label": title, class: "bars" }, children));
}

function y_axis(most, write) {
	const y = (v) => TOP + (HEIGHT - BOTTOM - TOP) * (1 - v / most);

	return [0, most / 2, most].map((v) => [
		s("line", { x1: LEFT, x2: WIDTH, y1: y(v), y2: y(v),
			    class: "grid" }),
		s("text", { x: LEFT - 5, y: y(v) + 4, class: "end" },
		  write(v))]).flat();
}

/* Round ticks of a logarithmic axis: 1, 2, 5, 10 ... */
function log_ticks(low, high) {
	const ticks = [];

	for (let power = -4; power < 8; power++)
		for (const digit of [1, 2, 5])
			if (digit * 10 ** power >= low &&
			    digit * 10 ** power <= high)
				ticks.push(digit * 10 ** power);
	while (ticks.length > 9)
		ticks.splice(0, ticks.length, ...ticks.filter(
			(_, i) => i % 2 === 0));
	return ticks;
}

/* Bars on a logarithmic scale, with lines at the percentiles. */
function histogram(title, buckets, lines) {
	const low = Math.max(buckets[0][0], 0.0005);
	const high = buckets[buckets.length - 1][1];
	const most = Math.max(...buckets.map((b) => b[2]));
	const x = (v) => LEFT + (WIDTH - LEFT - 8) *
		Math.log(Math.max(v, low) / low) / Math.log(high / low);
	const tall = (n) => (HEIGHT - BOTTOM - TOP) * n / most;

	return frame(title, y_axis(most, (v) => v < 10 ? +v.toFixed(1) :
		count(v)),
	buckets.map(([from, to, n]) => s("rect", {
		x: x(from), width: Math.max(1, x(to) - x(from) - 0.6),
		y: HEIGHT - BOTTOM - tall(n), height: tall(n), class: "bar",
	}, s("title", {}, `${ms(from)} to ${ms(to)}: ${count(n)}`))),
	lines.filter(([v]) => v !== null && v >= low && v <= high * 1.01)
		.map(([v, name], i) => [
			s("line", { x1: x(v), x2: x(v), y1: TOP - 4,
				    y2: HEIGHT - BOTTOM, class: "quantile" }),
			s("text", { x: x(v) + 3, y: TOP + 6 + i * 12,
				    class: "name" }, name)]),
	log_ticks(low, high).map((v) => s("text", {
		x: x(v), y: HEIGHT - 7, class: "middle" }, brief(v))));
}

/* Whole steps of time, five of them or so. */
function time_ticks(from, to) {
	const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600,
		900, 1800, 3600, 7200, 21600, 86400].find(
			(s) => (to - from) / s <= 7) || 604800;
	const ticks = [];

	for (let i = Math.ceil(from / step); i * step <= to; i++)
		ticks.push(i * step);
	return ticks;
}

/* @draw(x, tall) the values over the windows from @t on, each @width wide. */
function timeline(title, { t, width, most, write }, draw) {
	const end = t[t.length - 1] + width;
	const x = (at) => LEFT + (WIDTH - LEFT - 8) * (at - t[0]) /
		(end - t[0]);
	const tall = (n) => (HEIGHT - BOTTOM - TOP) * n / most;

	return frame(title, y_axis(most, write), draw(x, tall),
		time_ticks(t[0], end).map((at) => s("text", {
			x: x(at), y: HEIGHT - 7,
			class: x(at) < LEFT + 9 ? "" : x(at) > WIDTH - 25 ?
				"end" : "middle",
		}, moment(at))));
}

function rate_timeline(values, t, width) {
	const rates = values.map((n) => n / width);

	return timeline("requests a second", { t, width,
		most: Math.max(...rates, 1e-9),
		write: (v) => v < 10 ? +v.toFixed(1) : count(v),
	}, (x, tall) => rates.map((n, i) => n > 0 && s("rect", {
		x: x(t[i]), width: Math.max(0.6, x(t[i] + width) - x(t[i]) -
			0.4),
		y: HEIGHT - BOTTOM - tall(n), height: tall(n), class: "bar",
	}, s("title", {}, `${moment(t[i])}: ${n.toFixed(1)}/s`))));
}

const LINES = [["p50_ms", "median"], ["p95_ms", "upper"], ["p99_ms", "top"]];

/* A line for each percentile, broken where no request ended. */
function course_timeline(course) {
	const width = course.window_seconds;
	const t = course.count.map((_, i) => i * width);
	const most = Math.max(...course.p99_ms.filter(Number.isFinite), 1e-6);
	const path = (values, x, tall) => values.map((v, i) => v === null ? "" :
		(i && values[i - 1] !== null ? "L" : "M") +
		`${x(t[i] + width / 2).toFixed(1)} ` +
		(HEIGHT - BOTTOM - tall(v)).toFixed(1)).join("");

	return timeline("latency over time: p50, p95 and p99", { t, width, most,
		write: brief,
	}, (x, tall) => [LINES.map(([key, name]) => s("path", {
		d: path(course[key], x, tall), class: "line " + name })),
	t.map((at, i) => course.count[i] > 0 && s("rect", {
		x: x(at), width: x(at + width) - x(at), y: TOP,
		height: HEIGHT - BOTTOM - TOP, class: "hover",
	}, s("title", {}, `${moment(at)}: ${count(course.count[i])} requests` +
		`, p50 ${ms(course.p50_ms[i])}, p95 ${ms(course.p95_ms[i])}` +
		`, p99 ${ms(course.p99_ms[i])}`)))]);
}

function trend({ class: way, ms_per_minute, from_ms, to_ms }) {
	return way === "rises" || way === "falls" ? ` Its p95 ${way} by ` +
		`${ms(Math.abs(ms_per_minute))} a minute, from ${ms(from_ms)} ` +
		`to ${ms(to_ms)}.` : "";
}

const STATES = { on_cpu: "on a CPU", other: "waiting", cpu: "waiting for a CPU",
	futex: "in a futex", epoll: "in epoll", disk: "at the disk",
	socket: "at a socket", sleep: "asleep", page: "waiting for a page",
	process: "waiting for a process", file: "at a file or pipe" };

/* "1.2 s asleep, 3 ms on a CPU" */
function states({ on_cpu_ms, blocked_ms }, whole) {
	return [["on_cpu", on_cpu_ms], ...Object.entries(blocked_ms)]
		.filter(([, v]) => v > whole / 1000).sort((a, b) => b[1] - a[1])
		.map(([name, v]) => `${ms(v)} ${STATES[name]}`).join(", ");
}

/* Innermost first, without the kernel's and what has no name. */
function chain(stack) {
	return stack.filter((f) => f.kind !== "kernel" && f.kind !== "marker")
		.reverse().slice(0, 6).map((f) => f.function).join(" < ");
}

function slow_lines(request) {
	return request.stacks.filter((p) => p.ms > request.took_ms / 100 &&
			(p.thread === "own" || p.state !== "epoll"))
		.slice(0, 6).map((p) => h("li", {},
			`${ms(p.ms)} ${STATES[p.state]}` +
			(p.thread === "own" ? "" : ", on another thread") +
			`: ${chain(p.stack)}`));
}

/* Where the time of the slowest requests went. */
function slow_part(profile, row) {
	const of = (x) => x.method === row.method && x.route === row.route;
	const requests = (profile.json.slow_requests ?? []).filter(of);
	const slow = profile.json.slow.endpoints.find(of);

	if (!requests.length)
		return null;
	return h("details", { open: slow !== undefined },
		h("summary", {}, "the slowest requests" + (slow ?
			`: its p95 is above ${ms(profile.json.slow.p95_ms)}` :
			"")),
		slow?.own_threads ? h("p", {}, "its thread: " +
			states(slow.own_threads, slow.took_ms) +
			(slow.other_threads ? "; other threads meanwhile: " +
			 states(slow.other_threads, slow.took_ms) : "")) : null,
		requests.map((one) => h("div", {},
			h("p", {}, `${moment(one.t)}: ${ms(one.took_ms)}, ` +
				`unread ${ms(one.queue_ms)}, first byte ` +
				`after ${ms(one.ttfb_ms)}` +
				(one.on_cpu_ms === null ? "" : `, on a CPU ` +
				 ms(one.on_cpu_ms))),
			h("ul", {}, slow_lines(one)))));
}

/* A line at each window's mean, a bar up to its longest. */
function latency_timeline(mean, max, t, width) {
	const bar = (x, tall, i) => s("rect", {
		x: x(t[i]), width: Math.max(0.6, x(t[i] + width) - x(t[i]) -
			0.4),
		y: HEIGHT - BOTTOM - tall(max[i]), height: tall(max[i]),
		class: "bar pale",
	}, s("title", {}, `${moment(t[i])}: mean ${ms(mean[i])}, longest ` +
		ms(max[i])));
	const step = (x, tall, i) => s("line", {
		x1: x(t[i]), x2: x(t[i] + width), class: "mean",
		y1: HEIGHT - BOTTOM - tall(mean[i]),
		y2: HEIGHT - BOTTOM - tall(mean[i]),
	});

	return timeline("latency over time: mean (line) and longest", { t,
		width, most: Math.max(...max.filter(Number.isFinite), 1e-6),
		write: brief,
	}, (x, tall) => max.map((v, i) => v !== null &&
		[bar(x, tall, i), step(x, tall, i)]));
}

function statuses(row) {
	return Object.entries(row.status).filter(([, n]) => n > 0)
		.map(([name, n]) => `${count(n)} ` + (name === "none" ?
			"without an answer" : name)).join(", ");
}

function detail(profile, row) {
	const { took, ttfb, windows, mean_ms, max_ms } = row.timeline;
	const t = profile.windows.map((w) => w.t);
	const width = t.length > 1 ? t[1] - t[0] : 0;

	return h("div", {},
		h("p", {}, statuses(row) + (row.streamed ?
			`; ${count(row.streamed)} streamed` : "") +
			(row.cut ? `; ${count(row.cut)} cut off` : "") + ". " +
			(row.attribution === "exact" ?
			 "Its memory is counted." : row.attribution ===
			 "estimate" ? "Its memory is an estimate: other " +
			 "requests shared its threads." : "") +
			trend(row.p95_trend)),
		h("div", { class: "figures" },
			took.length ? histogram("latency, first byte in to " +
				"last byte out", took, [[row.p50_ms, "p50"],
				[row.p95_ms, "p95"], [row.p99_ms, "p99"]]) :
				null,
			row.streamed && ttfb.length ? histogram(
				"time to the first byte", ttfb,
				[[row.ttfb_p50_ms, "p50"],
				 [row.ttfb_p95_ms, "p95"]]) : null,
			row.course ? course_timeline(row.course) : null,
			width && took.length && mean_ms.length ?
				latency_timeline(mean_ms, max_ms, t, width) :
				null,
			width && windows.length ? rate_timeline(windows, t,
				width) : null),
		slow_part(profile, row));
}

export function request_section(profile) {
	const { endpoints, timelines, traffic } = profile.json;
	const rows = endpoints.map((endpoint, i) => ({
		...endpoint, timeline: timelines[i],
		name: endpoint.method + " " + endpoint.route }));
	const most = Math.max(...rows.map((row) => row.count), 1);
	const table = new Table([
		{ name: "name", title: "endpoint", text: true,
		  value: (row) => row.name,
		  cell: (row) => [h("b", {}, row.method), " " + row.route,
			h("span", { class: "gauge", style:
				`width:${row.count / most * 100}%` })] },
		...COLUMNS.map(([name, title, write, hint]) => ({
			name, title, hint, value: (row) => row[name],
			cell: (row) => write(row[name]) })),
	], { caption: "endpoints", by: "count", piece: 100,
	     search: (row) => row.name,
	     detail: (row) => detail(profile, row) });

	table.set(rows);
	if (rows.length)
		table.turn(rows[0]);
	return h("div", { class: "requests" },
		h("p", { class: "soft" }, `${count(traffic.requests)} answered ` +
			`on ${count(traffic.connections)} connections` +
			(timedBy[traffic.timed_by] || "") +
			(traffic.foreign ? `; ${count(traffic.foreign)} ` +
			 "connections did not speak HTTP/1" : "") +
			errors(rows) + "."),
		table.element);
}

const timedBy = {
	kernel: ", timed by the kernel",
	shim: ", timed in the server",
	both: ", timed in part by the kernel",
};

function errors(rows) {
	const all = rows.reduce((sum, row) => sum + row.count, 0);
	const bad = rows.reduce((sum, row) => sum + row.errors, 0);

	return bad ? `; ${count(bad)} of them (${percent(bad, all)}) ended ` +
		"in an error" : "; none ended in an error";
}
