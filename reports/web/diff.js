/*
 * What changed since the other recording: the rows of `strandline diff`.
 */
import { h } from "./dom.js";

export function diff_section(diff) {
	return h("pre", {}, JSON.stringify(diff, null, 1).slice(0, 100));
}
