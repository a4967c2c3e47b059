/*
 * Elements, made by hand.  Text is only ever set as text: what a function or
 * a route is called is somebody else's choice.
 */
const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
	for (const [name, value] of Object.entries(attributes || {})) {
		if (value === undefined || value === null || value === false)
			continue;
		if (name.startsWith("on"))
			element.addEventListener(name.slice(2), value);
		else
			element.setAttribute(name, value === true ? "" : value);
	}
	element.append(...children.flat(Infinity).filter(
		(child) => child !== null && child !== undefined &&
			child !== false));
	return element;
}

/* h("p", { class: "x", onclick: f }, "text", element) */
export function h(name, attributes, ...children) {
	return fill(document.createElement(name), attributes, children);
}

export function s(name, attributes, ...children) {
	return fill(document.createElementNS(SVG, name), attributes, children);
}

/* What may be wider than the screen, and can be moved by keys. */
export function scroll(label, ...children) {
	return h("div", { class: "scroll", tabindex: 0, role: "region",
			  "aria-label": label }, ...children);
}

/* A labelled choice; @choices are [value, text] pairs. */
export function select(label, choices, value, change) {
	const box = h("select", { onchange: () => change(box.value) },
		choices.map(([key, text]) => h("option", {
			value: key, selected: key === value,
		}, text)));

	return h("label", { class: "field" }, h("span", {}, label), box);
}

export function toggle(label, value, change, title) {
	const box = h("input", {
		type: "checkbox", checked: value,
		onchange: () => change(box.checked),
	});

	return h("label", { class: "toggle", title }, box, label);
}

/* One call a frame, however often it is asked for. */
export function once_a_frame(call) {
	let asked = false;

	return () => {
		if (asked)
			return;
		asked = true;
		requestAnimationFrame(() => {
			asked = false;
			call();
		});
	};
}

/* After the typing stopped. */
export function settled(call, ms) {
	let timer = 0;

	return (...values) => {
		clearTimeout(timer);
		timer = setTimeout(() => call(...values), ms);
	};
}
