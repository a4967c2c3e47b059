/*
 * What reports/html_payload.c packed: JSON, and columns of numbers.
 */
import { Profile } from "./profile.js";

function from_base64(text) {
	const binary = atob(text);
	const all = new Uint8Array(binary.length);

	for (let i = 0; i < binary.length; i++)
		all[i] = binary.charCodeAt(i);
	return all;
}

async function inflate(packed) {
	const stream = new Blob([packed]).stream()
		.pipeThrough(new DecompressionStream("gzip"));

	return new Uint8Array(await new Response(stream).arrayBuffer());
}

/* Numbers of 7 bits a byte, lowest first, see reports/columns.h. */
function read_column(all, at, count) {
	const values = new Float64Array(count);

	for (let i = 0; i < count; i++) {
		let byte = all[at++], value = byte & 127, scale = 128;

		for (; byte > 127; scale *= 128) {
			byte = all[at++];
			value += (byte & 127) * scale;
		}
		values[i] = value;
	}
	return values;
}

/* Columns are read when they are first asked for. */
function columns_of(all, at, index) {
	const columns = {};

	for (const [name, [count, size]] of Object.entries(index)) {
		const start = at;
		let values = null;

		Object.defineProperty(columns, name, { get: () => {
			values = values || read_column(all, start, count);
			return values;
		} });
		at += size;
	}
	return columns;
}

/* The profile in the element @id, or null where there is none. */
export async function decode(id) {
	const element = document.getElementById(id);
	let all, length, json;

	if (!element)
		return null;
	all = await inflate(from_base64(element.textContent));
	element.remove();
	length = new DataView(all.buffer).getUint32(0, true);
	json = JSON.parse(new TextDecoder().decode(all.subarray(4, 4 + length)));
	return new Profile(json, columns_of(all, 4 + length, json.columns));
}
