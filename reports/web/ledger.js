/*
 * Memory over time: what RSS is made of, stacked, with requests, CPU and
 * threads beneath on the same clock.  Dragging over any of them chooses a
 * stretch of time for the whole page.
 */
import uPlot from "uplot";
import { css } from "./colors.js";
import { h, once_a_frame, scroll, select } from "./dom.js";
import { bytes, count, moment, rate } from "./format.js";

const ALL = "all"; /* processes */

/* From the bottom up: what is steadiest first. */
const PARTS = [
	["stacks", "stacks"], ["self", "Strandline itself"],
	["file", "files and shared"], ["live", "live heap"],
	["retained", "not in live blocks"], ["other", "other anonymous"],
];

/* Where nobody told its blocks apart, what is left of the heap is all of it. */
function part_label(r, [key, label]) {
	return key === "retained" && !r.live.some((bytes) => bytes > 0) ?
		"heap, blocks not seen" : label;
}

/*
 * What is read less often than RSS is taken to change evenly in between, from
 * nothing at the first reading.
 */
function filled(points, of) {
	const values = points.map(of);
	let last = 0;

	if (!values.length)
		return values;
	values[0] = values[0] || 0;
	for (let i = 1; i < values.length; i++) {
		if (values[i] === null)
			continue;
		for (let k = last + 1; k < i; k++)
			values[k] = values[last] +
				(values[i] - values[last]) *
				(points[k].t - points[last].t) /
				(points[i].t - points[last].t);
		last = i;
	}
	return values.fill(values[last], last);
}

/* One process's readings as columns, the parts of RSS worked out. */
function readings(ledger, pid) {
	const points = ledger.filter((point) => point.pid === pid &&
		point.rss !== null);
	const column = (name) => points.map((point) => point[name]);
	const part = (name) => filled(points, (point) => point[name]);
	const asked = part("live"), retained = part("retained");
	const file = part("file"), stacks = part("stacks");
	const own = part("self"), slabs = part("slabs");
	const anon = filled(points, (p) => p.anon === null ? null :
		p.anon + (p.heap || 0));
	/*
	 * Not more than RSS by what was only worked out in between; and no
	 * more of what is live is resident than there is private memory.
	 */
	const room = points.map((point, i) => point.rss - file[i] -
		stacks[i] - own[i] - slabs[i]);
	const at_most = (bytes, ...limits) =>
		Math.max(0, Math.min(bytes, ...limits));
	const live = asked.map((bytes, i) =>
		at_most(bytes, room[i], anon[i] - own[i]));
	const kept = retained.map((bytes, i) =>
		at_most(bytes, room[i] - live[i]));

	return {
		t: column("t"), rss: column("rss"),
		stacks, file, live, asked, retained: kept,
		self: own.map((bytes, i) => bytes + slabs[i]),
		other: anon.map((bytes, i) => at_most(
			bytes - live[i] - kept[i] - own[i],
			room[i] - live[i] - kept[i])),
		threads: column("threads"),
		fds: column("fds"),
		cpu: busy(points),
		limit: column("cgroup_limit"),
	};
}

/*
 * All processes' readings, added up at each time that one of them was read:
 * of the others it is what they held last, as long as they lived.
 */
function sum_of(ledger, pids) {
	const each = pids.map((pid) => readings(ledger, pid))
		.filter((r) => r.t.length);
	const times = [...new Set(each.flatMap((r) => r.t.map(
		(t) => Math.round(t * 10) / 10)))].sort((a, b) => a - b);
	const gap = times.length > 1 ? 3 * (times[times.length - 1] -
		times[0]) / (times.length - 1) : 1;
	const sum = { t: times };

	for (const key of Object.keys(each[0]).filter((key) => key !== "t")) {
		sum[key] = times.map(() => null);
		for (const r of each)
			add_last(sum[key], times, r.t, r[key], gap);
	}
	sum.limit = sum.limit.map(() => Math.max(0, ...each.flatMap(
		(r) => r.limit.filter(Boolean))));
	return sum;
}

/* To @into at @times the latest of @values, unless it is older than @gap. */
function add_last(into, times, t, values, gap) {
	let last = -1;

	times.forEach((time, i) => {
		while (last + 1 < t.length && t[last + 1] <= time + 0.05)
			last++;
		if (last >= 0 && values[last] !== null &&
		    (last + 1 < t.length || time - t[last] < gap))
			into[i] += values[last];
	});
}

/* Per cent of one core between a reading and the one before. */
function busy(points) {
	return points.map((p, i) => {
		const was = points[i - 1];

		if (!was || p.cpu_user_ns === null || p.t <= was.t)
			return null;
		return (p.cpu_user_ns + p.cpu_system_ns - was.cpu_user_ns -
			was.cpu_system_ns) / (p.t - was.t) / 1e7;
	});
}

function stacked(columns) {
	let below = columns[0].map(() => 0);

	return columns.map((column) => below = column.map(
		(value, i) => value + below[i]));
}

export class Ledger {
	/* @view: view.js; */
	constructor(profile, view) {
		const main = profile.json.processes.find((p) => p.main);

		this.profile = profile;
		this.view = view;
		this.pid = main ? main.pid : (profile.json.ledger[0] || {}).pid;
		this.plots = [];
		this.holder = h("div", { class: "plots" });
		this.element = h("div", {}, this.tools(), this.holder);
		this.width = 0;
		new ResizeObserver(once_a_frame(() => this.resize()))
			.observe(this.holder);
	}

	tools() {
		const seen = new Set(this.profile.json.ledger.map((p) => p.pid));
		const processes = this.profile.json.processes.filter(
			(p) => seen.has(p.pid));
		const number = (key) => h("input", {
			type: "number", min: 0, step: "any", inputmode: "decimal",
			max: this.profile.json.recording.duration_s,
			onchange: () => this.typed(),
		});

		this.from = number("from");
		this.to = number("to");
		this.whole = h("button", {
			type: "button", onclick: () => this.choose(null),
		}, "whole recording");
		return h("div", { class: "tools" },
			processes.length > 1 ? select("process", [
				...processes.map((p) => [String(p.pid),
					`${p.pid} ` + p.command.slice(0, 60)]),
				[ALL, `all ${processes.length}, added up`]],
			String(this.pid), (pid) => {
				this.pid = pid === ALL ? ALL : +pid;
				this.draw();
			}) : null,
			h("label", { class: "field" }, h("span", {}, "from s"),
			  this.from),
			h("label", { class: "field" }, h("span", {}, "to s"),
			  this.to),
			this.whole,
			h("span", { class: "soft hint" },
			  "drag over a chart to choose a time; what is chosen " +
			  "filters the stacks, too"));
	}

	typed() {
		const from = parseFloat(this.from.value) || 0;
		const to = parseFloat(this.to.value) ||
			this.profile.json.recording.duration_s;

		this.choose(to > from ? [from, to] : null);
	}

	choose(range) {
		this.view.set(range ? { from: range[0], to: range[1] } :
			{ from: null, to: null });
	}

	/* The view's stretch of time on all charts. */
	follow() {
		const { from, to } = this.view;
		const chosen = from !== null;

		this.from.value = chosen ? +from.toFixed(2) : "";
		this.to.value = chosen ? +to.toFixed(2) : "";
		this.from.placeholder = "0";
		this.to.placeholder =
			this.profile.json.recording.duration_s.toFixed(1);
		this.whole.disabled = !chosen;
		for (const plot of this.plots)
			plot.setScale("x", chosen ? { min: from, max: to } :
				this.extent());
	}

	extent() {
		const { recording, ledger, windows } = this.profile.json;
		const busy = windows.find((w) => w.requests || w.allocated_bytes);
		const first = Math.min(ledger.length ? ledger[0].t : 0,
				       busy ? busy.t : Infinity);

		/* Getting into a process can take a while. */
		return { min: first > recording.duration_s / 20 ? first : 0,
			 max: Math.max(recording.duration_s, 0.001) };
	}

	resize() {
		const width = this.holder.clientWidth;

		if (!width || width === this.width)
			return;
		this.width = width;
		if (!this.plots.length)
			this.draw();
		for (const plot of this.plots)
			plot.setSize({ width, height: plot.height });
	}

	/* On paper there is room for so much. */
	print() {
		this.width = 700;
		this.draw();
	}

	draw() {
		const { ledger } = this.profile.json;
		const r = this.pid === ALL ? sum_of(ledger,
			[...new Set(ledger.map((p) => p.pid))]) :
			readings(ledger, this.pid);

		for (const plot of this.plots)
			plot.destroy();
		this.holder.replaceChildren();
		this.plots = [];
		if (!this.width)
			return;
		if (r.t.length < 2) {
			this.holder.append(h("p", { class: "soft" },
				"The ledger has fewer than two readings of " +
				"this process."));
			return;
		}
		this.memory(r);
		this.requests();
		this.lines("CPU, % of one core", r.t, [["CPU", r.cpu, "cpu",
			(v) => v.toFixed(0) + "%"]]);
		this.lines("threads and open files", r.t, [
			["threads", r.threads, "threads", count],
			["open files", r.fds, "fds", count]]);
		this.follow();
	}

	add(options, data) {
		const plot = new uPlot({
			width: this.width,
			legend: { live: true },
			cursor: {
				sync: { key: "time", setSeries: false },
				drag: { x: true, y: false, setScale: false },
				bind: { dblclick: () => () =>
					this.choose(null) },
			},
			...options,
			hooks: {
				setSelect: [(u) => this.selected(u)],
				...options.hooks,
			},
		}, data, this.holder);

		this.plots.push(plot);
		return plot;
	}

	selected(u) {
		const { left, width } = u.select;

		if (width < 3)
			return;
		this.choose([Math.max(0, u.posToVal(left, "x")),
			u.posToVal(left + width, "x")]);
		for (const plot of this.plots)
			plot.setSelect({ left: 0, top: 0, width: 0,
					 height: 0 }, false);
	}

	axes(write, incrs) {
		const look = {
			stroke: css("soft"), font: "11px system-ui, sans-serif",
			grid: { stroke: css("grid"), width: 1 },
			ticks: { stroke: css("grid"), width: 1, size: 4 },
		};

		return [{ ...look, size: 26,
			  values: (u, at) => at.map(moment) },
			{ ...look, size: 70, incrs,
			  values: (u, at) => at.map((v) =>
				v === null ? "" : write(v)) }];
	}

	memory(r) {
		const parts = PARTS.filter(([key]) => r[key].some((v) => v > 0));
		const sums = stacked(parts.map(([key]) => r[key]));
		const top = Math.max(...r.rss, ...sums[sums.length - 1]);
		const limit = Math.min(...r.limit.filter(Boolean));

		this.add({
			title: "resident memory (RSS) and what it is made of",
			height: Math.min(340, Math.max(220, innerHeight * 0.4)),
			scales: { x: { time: false, ...this.extent() },
				  y: { range: [0, top * 1.08 || 1] } },
			axes: this.axes(bytes, Array.from({ length: 46 },
				(_, i) => 2 ** i)),
			series: [{ label: "at", value: (u, v) =>
				v === null ? "–" : moment(v) },
			...parts.map(([key, label], i) => ({
				label: part_label(r, [key, label]),
				stroke: css("part-" + key), width: 1,
				fill: css("part-" + key),
				points: { show: false },
				value: (u, v, si, at) => at === null ? "–" :
					bytes(r[key][at]),
			})).reverse(),
			{ label: "RSS", stroke: css("ink"), width: 2,
			  points: { show: false },
			  value: (u, v) => bytes(v ?? NaN) }],
			bands: parts.slice(1).map((_, i) => (
				{ series: [1 + i, 2 + i] })),
			hooks: { draw: [(u) => this.draw_marks(u)],
				 drawAxes: [(u) => this.shade(u)] },
		}, [r.t, ...sums.reverse(), r.rss]);
		if (this.pid === ALL)
			this.holder.lastChild.after(h("p", { class: "soft" },
				"Pages that processes share count for each " +
				"of them."));
		if (Number.isFinite(limit) && limit > 0)
			this.holder.lastChild.after(h("p", { class: "soft" },
				`The control group's limit is ${bytes(limit)}.`));
	}

	requests() {
		const { windows, traffic } = this.profile.json;
		const width = windows.length > 1 ? windows[1].t - windows[0].t :
			0;

		if (!width || !traffic.requests)
			return;
		this.lines("requests a second", windows.map((w) => w.t), [
			["answered", windows.map((w) => w.requests / width),
			 "requests", (v) => v.toFixed(1)],
			["errors", windows.map((w) => w.errors / width),
			 "errors", (v) => v.toFixed(1)],
		], true);
	}

	lines(title, t, series, steps) {
		if (!series.some(([, values]) => values.some(
			(v) => v !== null)))
			return;
		this.add({
			title, height: 132,
			scales: { x: { time: false, ...this.extent() },
				  y: { range: (u, min, max) =>
					[0, (max || 1) * 1.15] } },
			axes: this.axes((v) => +v.toFixed(2)),
			series: [{ label: "at", value: (u, v) =>
				v === null ? "–" : moment(v) },
			...series.map(([label, , key, write]) => ({
				label, stroke: css("line-" + key), width: 2,
				fill: steps ? css("line-" + key, 0.2) :
					undefined,
				paths: steps ? uPlot.paths.stepped({ align: 1 }) :
					undefined,
				points: { show: false },
				value: (u, v) => v === null ? "–" : write(v),
			}))],
			hooks: { draw: [(u) => this.draw_marks(u, true)] },
		}, [t, ...series.map(([, values]) => values)]);
	}

	/* Before the verdict's own data begins. */
	shade(u) {
		const finding = this.profile.json.findings[0];
		const warm = finding ? finding.evidence.warmup_seconds : 0;
		const right = Math.min(u.valToPos(warm, "x", true),
				       u.bbox.left + u.bbox.width);

		if (!(warm > 0) || right <= u.bbox.left)
			return;
		u.ctx.save();
		u.ctx.fillStyle = css("grid");
		u.ctx.fillRect(u.bbox.left, u.bbox.top, right - u.bbox.left,
			       u.bbox.height);
		u.ctx.fillStyle = css("soft");
		u.ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
		u.ctx.textAlign = "left";
		u.ctx.fillText("warm-up", u.bbox.left + 6 * devicePixelRatio,
			       u.bbox.top + 14 * devicePixelRatio);
		u.ctx.restore();
	}

	/* On the side where there is room. */
	draw_label(u, label, x, i) {
		const { left, width, top } = u.bbox, ratio = devicePixelRatio;
		const wide = u.ctx.measureText(label).width + 8 * ratio;
		const at = x + wide < left + width ? x : x - wide;
		const y = top + (4 + i % 3 * 17) * ratio;

		u.ctx.fillStyle = css("page");
		u.ctx.fillRect(at, y, wide, 16 * ratio);
		u.ctx.fillStyle = css("mark");
		u.ctx.fillText(label, at + 4 * ratio, y + 12 * ratio);
	}

	draw_marks(u, plain) {
		const { left, width, top, height } = u.bbox;
		const ratio = devicePixelRatio;

		u.ctx.save();
		u.ctx.strokeStyle = u.ctx.fillStyle = css("mark");
		u.ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
		u.ctx.lineWidth = ratio;
		u.ctx.textAlign = "left";
		u.ctx.setLineDash([4 * ratio, 3 * ratio]);
		this.profile.json.marks.forEach((mark, i) => {
			const x = u.valToPos(mark.t, "x", true);

			if (x < left || x > left + width)
				return;
			u.ctx.beginPath();
			u.ctx.moveTo(x, top);
			u.ctx.lineTo(x, top + height);
			u.ctx.stroke();
			if (!plain)
				this.draw_label(u, mark.label, x, i);
		});
		u.ctx.restore();
	}
}

/* The trends, and what RSS is at the last reading, as text. */
export function memory_tables(json) {
	const { trends, recording, ledger, processes } = json;
	const rows = [["resident (RSS)", trends.rss, "bytes"],
		["live heap", trends.live, "bytes"],
		["threads", trends.threads, "things"],
		["open files", trends.fds, "things"]]
		.filter(([, trend]) => trend.peak > 0);
	const write = (unit, value) => unit === "bytes" ? bytes(value) :
		count(value);
	const main = processes.find((p) => p.main);
	const points = ledger.filter((p) => p.anon !== null && p.rss &&
		(!main || p.pid === main.pid));

	return h("div", { class: "pair" },
		scroll("trends", h("table", {},
			h("thead", {}, h("tr", {}, ["", "baseline", "peak",
				"at", "final", "growth"].map((name, i) =>
				h("th", { scope: "col",
					  class: i ? "number" : null }, name)))),
			h("tbody", {}, rows.map(([name, trend, unit]) =>
				h("tr", {}, h("th", { scope: "row" }, name),
					[write(unit, trend.baseline),
					 write(unit, trend.peak),
					 moment(trend.peak_t),
					 write(unit, trend.final),
					 rate(trend.growth_per_second, unit,
					      recording.duration_s)].map(
						(text) => h("td",
							{ class: "number" },
							text))))))),
		points.length ? split_table(points[points.length - 1]) : null);
}

function split_table(point) {
	const r = readings([point], point.pid);
	const absent = r.asked[0] - r.live[0];

	return scroll("what RSS is made of", h("table", {},
		h("thead", {}, h("tr", {},
			h("th", { scope: "col" }, `RSS of ${bytes(point.rss)} ` +
				`at ${moment(point.t)}`),
			h("th", { class: "number", scope: "col" }, "size"),
			h("th", { class: "number", scope: "col" }, "share"))),
		h("tbody", {}, PARTS.slice().reverse()
			.filter(([key]) => r[key][0] > 0)
			.map(([key, label]) => h("tr", {},
				h("th", { scope: "row" }, h("span", {
					class: "swatch part-" + key }),
				part_label(r, [key, label])),
				h("td", { class: "number" }, bytes(r[key][0])),
				h("td", { class: "number" }, (r[key][0] /
					point.rss * 100).toFixed(1) + "%"))))),
		point.python_arenas ? h("p", { class: "soft" },
			`Of it ${bytes(point.python_arenas)} are CPython's ` +
			"arenas, " + (point.python_used / point.python_arenas *
				100).toFixed(0) + "% of them used.") : null,
		absent > point.rss * 0.01 ? h("p", { class: "soft" },
			`${bytes(absent)} more of live heap ` +
			`(${bytes(r.asked[0])} in all) are in no page of ` +
			"RSS: asked for and never touched.") : null);
}
