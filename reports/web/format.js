/*
 * Figures for reading, as base/units.c writes them in the terminal.
 */
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/* Values from which a unit is left for the next: what rounds to 1024.0. */
export function bytes(value) {
	let size = Math.abs(value), unit = 0;

	if (!Number.isFinite(value))
		return "–";
	while (unit + 1 < BYTES.length && size >= (unit ? 1023.95 : 1023.5)) {
		size /= 1024;
		unit++;
	}
	return (value < 0 ? "−" : "") + size.toFixed(unit ? 1 : 0) + " " +
		BYTES[unit];
}

export function count(value) {
	return Number.isFinite(value) ?
		Math.round(value).toLocaleString("en-US") : "–";
}

const TIMES = [["ns", 1e3], ["us", 1e3], ["ms", 1e3], ["s", 60],
	["min", 60], ["h", Infinity]];

export function duration(ns) {
	let size = Math.abs(ns), unit = 0;

	if (!Number.isFinite(ns))
		return "–";
	while (size >= TIMES[unit][1] * 0.9995) {
		size /= TIMES[unit][1];
		unit++;
	}
	return (ns < 0 ? "−" : "") +
		(unit === 0 || size >= 99.95 ? size.toFixed(0) :
		 size >= 9.995 ? size.toFixed(1) : size.toFixed(2)) + " " +
		TIMES[unit][0];
}

export function ms(value) {
	return value === null || value === undefined ? "–" :
		duration(value * 1e6);
}

export function amount(unit, value) {
	return unit === "ns" ? duration(value) : bytes(value);
}

export function signed(unit, value) {
	return (value > 0 ? "+" : "") + amount(unit, value);
}

export function percent(part, whole) {
	const share = whole > 0 ? part / whole * 100 : 0;

	return share.toFixed(share >= 9.95 || share === 0 ? 1 : 2) + "%";
}

/* The end of a path: enough to know it by; the whole is told beside it. */
export function short_path(path) {
	const parts = path.split("/");

	return parts.length > 3 ? "…/" + parts.slice(-2).join("/") : path;
}

/* Of a recording's clock: "1 min 5 s", "12.5 s". */
export function moment(seconds) {
	const whole = Math.floor(seconds / 60);

	if (whole < 1)
		return +seconds.toFixed(seconds < 10 ? 2 : 1) + " s";
	if (whole < 60)
		return `${whole} min ${Math.round(seconds - 60 * whole)} s`;
	return `${Math.floor(whole / 60)} h ${whole % 60} min`;
}

const MODES = { probes: "probes in the kernel",
		exact: "every allocation" };

/* How a recording came to be. */
export function mode({ mode, mean_bytes, probed }) {
	const how = mode === "sample" ?
		"one sample per " + bytes(mean_bytes) : MODES[mode] || mode;

	return how + (probed && mode !== "probes" ?
		", with probes in the kernel" : "");
}

/* Per second, minute or hour: whichever gives a figure to remember. */
export function rate(per_second, unit, duration_s) {
	const spans = [[1, "/s"], [60, "/min"], [3600, "/h"]];
	const least = unit === "bytes" ? 1024 : 1;
	const page = unit === "bytes" ? 4096 : 1;
	let i = 0;

	if (Math.abs(per_second) * duration_s < page)
		return "none";
	while (i < 2 && Math.abs(per_second) * spans[i][0] < least)
		i++;
	per_second *= spans[i][0];
	return (per_second > 0 ? "+" : "") +
		(unit === "bytes" ? bytes(per_second) : per_second.toFixed(1)) +
		spans[i][1];
}
