// Automatic logoff, as the node counts it: what a person does here is told to the node now and then.
// A minute before the end the page says so.

import { get, lastActivity } from './api.js';
import { button, el, openDialog } from './dom.js';
import { known } from './state.js';

/** How often the node hears that somebody is at work, in ms. */
const SIGN = 30_000;
/** How long before the end the page warns, in ms. */
const WARNING = 60_000;

let touched = 0;
/** @type {HTMLDialogElement | null} */
let warning = null;

for (const event of ['keydown', 'pointerdown', 'wheel', 'touchmove']) {
	addEventListener(event, () => { touched = Date.now(); }, { passive: true, capture: true });
}

/** @param {() => void} ended when the time is up and the node is to be asked @param {() => void} lock when it cannot be */
export function watchIdle(ended, lock) {
	setInterval(() => {
		const { me } = known;
		if (me?.state !== 'ready' || !me.idle_minutes) return;
		const now = Date.now();
		if (touched > lastActivity() && now - lastActivity() > SIGN && !warning) sign();
		const open = known.link === 'open';
		// A node that does not answer hears of nobody; the page then counts by itself.
		const last = open ? lastActivity() : Math.max(lastActivity(), touched);
		const left = Math.min(last + me.idle_minutes * 60_000, me.ends?.ms ?? Infinity) - now;
		if (left <= 0) open ? ended() : lock();
		else if (left <= WARNING) warn(left);
		else warning?.close();
	}, 1000);
}

const sign = () => get('/me').catch(() => undefined);

/** @param {number} left */
function warn(left) {
	const words = `You will be logged off in ${Math.max(1, Math.ceil(left / 1000))} s, because nobody has used this screen. Drafts are kept.`;
	if (!warning) {
		warning = openDialog('Still there?', { kind: 'alertdialog', closed: () => { warning = null; if (known.me?.state === 'ready') sign(); } },
			el('p', 'count'), el('div', 'choices', button('I am here', () => warning?.close(), { class: 'main', autofocus: true })));
	}
	const count = warning.querySelector('.count');
	if (count) count.textContent = words;
}
