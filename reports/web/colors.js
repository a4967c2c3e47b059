/*
 * Colours of frames: Paul Tol's light scheme, told apart with any colour
 * vision, on light and dark alike; what is yours comes first in the legend.
 */
export const CLASSES = [
	["application", "application", "#ee8866"],
	["python", "Python", "#bbcc33"],
	["extension", "Python extension", "#44bb99"],
	["library", "library", "#77aadd"],
	["runtime", "runtime", "#eedd88"],
	["libc", "libc", "#99ddff"],
	["kernel", "kernel", "#ffaabb"],
	["marker", "waiting, or stack not whole", "#aaaa00"],
	["unknown", "unknown", "#cccccc"],
];
const BY_NAME = new Map(CLASSES.map(([name, , color]) => [name, color]));

/* A little lighter or darker by name, so that neighbours can be told apart. */
function shaded(hex, text) {
	let hash = 0, shade;

	for (let i = 0; i < text.length; i++)
		hash = Math.imul(hash, 31) + text.charCodeAt(i) | 0;
	shade = 0.93 + ((hash >>> 8) % 16) / 15 * 0.1;
	return "rgb(" + [1, 3, 5].map((at) => Math.min(255, Math.round(
		parseInt(hex.slice(at, at + 2), 16) * shade))).join() + ")";
}

export function frame_color(frame) {
	frame.color = frame.color ||
		shaded(BY_NAME.get(frame.class), frame.label);
	return frame.color;
}

/* Orange grew, blue shrank, grey stayed; of a frame's own size. */
export function change_color(now, base) {
	const most = Math.max(now, base);
	const share = most > 0 ? (now - base) / most : 0;
	const depth = Math.sqrt(Math.abs(share));
	const to = share > 0 ? [230, 97, 1] : [50, 110, 200];

	return "rgb(" + [222, 222, 218].map((grey, i) =>
		Math.round(grey + (to[i] - grey) * depth)).join() + ")";
}

/* A colour of page.css as a canvas takes it, of which @share shows. */
export function css(name, share = 1) {
	const probe = document.createElement("i");
	let color;

	probe.style.color = `color-mix(in srgb, var(--${name}) ` +
		`${share * 100}%, transparent)`;
	document.body.append(probe);
	color = getComputedStyle(probe).color;
	probe.remove();
	return color;
}
