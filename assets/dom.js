// Building the page. Whatever came from a person or from the node goes in as text, never as markup:
// there is no other way in here, and the content security policy allows none.

/** Attributes that can run or load something; only `picture` sets one. */
const REFUSED = /^(on.+|style|href|src|srcdoc|action|formaction|data|code)$/i;

/** @template {keyof HTMLElementTagNameMap} K @param {K} tag @param {Props | string} [props] or the class alone @param {...Child} children @returns {HTMLElementTagNameMap[K]} */
export function el(tag, props = {}, ...children) {
	if (typeof props === 'string') props = { class: props };
	const node = document.createElement(tag);
	if (node instanceof HTMLButtonElement) node.type = 'button';
	for (const [name, value] of Object.entries(props)) {
		if (value === undefined || value === null || value === false) continue;
		if (name === 'class') node.className = value;
		else if (name === 'data') Object.assign(node.dataset, value);
		else if (typeof value === 'function') node.addEventListener(name, value);
		else if (REFUSED.test(name)) throw new Error(`the attribute ${name} is not set here`);
		else node.setAttribute(name, value === true ? '' : String(value));
	}
	fill(node, ...children);
	return node;
}

/** @param {Node & ParentNode} node @param {...Child} children */
export function fill(node, ...children) {
	for (const child of children) {
		if (child !== null && child !== undefined && child !== false) node.append(child);
	}
}

/** @param {Element} node @param {...Child} children */
export function refill(node, ...children) {
	node.replaceChildren();
	fill(node, ...children);
}

// A picture the node drew, such as a QR code; as an image it can run nothing.
/** @param {string} svg @param {string} label */
export function picture(svg, label) {
	const image = el('img', { alt: label, class: 'qr' });
	const bytes = new TextEncoder().encode(svg);
	image.src = `data:image/svg+xml;base64,${btoa(String.fromCharCode(...bytes))}`;
	return image;
}

/** @type {Record<string, string>} outlines on a 24 by 24 grid */
const SHAPES = {
	search: 'M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13M15.5 15.5L20 20',
	lock: 'M7 10.5V8a5 5 0 0 1 10 0v2.5M5.5 10.5h13v9h-13zM12 14v2.5',
	back: 'M14.5 5.5L8 12l6.5 6.5',
	plus: 'M12 5v14M5 12h14',
	more: 'M6 12h.01M12 12h.01M18 12h.01',
	send: 'M4.5 19.5L20 12L4.5 4.5L7 12zM7 12h6',
	close: 'M6 6l12 12M18 6L6 18',
	gear: 'M4 7h9M17 7h3M15 4.8v4.4M4 17h3M11 17h9M9 14.8v4.4M4 12h3M11 12h9',
	down: 'M12 5v13M6 12.5l6 6l6-6',
	reply: 'M9.5 6L4 11.5L9.5 17M4 11.5h9a6 6 0 0 1 6 6V19',
	people: 'M9 11.5a3.5 3.5 0 1 0 0-7a3.5 3.5 0 0 0 0 7M2.8 19.5a6.2 6.2 0 0 1 12.4 0M16 4.8a3.5 3.5 0 0 1 0 6.4M17.8 14a6.2 6.2 0 0 1 3.6 5.5',
	room: 'M5.5 20V4.5h13V20M3.5 20h17M9 8.5h2M13 8.5h2M10.5 20v-3.5h3V20',
	warn: 'M12 4L2.8 19.5h18.4zM12 10v4.5M12 17h.01',
	on_this_node: 'M12 5.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13',
	left: 'M4 12h15M13 6l6 6l-6 6',
	stored_at_theirs: 'M4.5 5h15v14h-15zM8 12l3 3l5.5-6',
	opened: 'M2.5 12S6 5.8 12 5.8S21.5 12 21.5 12S18 18.2 12 18.2S2.5 12 2.5 12M12 9.4a2.6 2.6 0 1 0 0 5.2a2.6 2.6 0 0 0 0-5.2',
	acknowledged: 'M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 0 0 0-17M7.8 12.2l3 3l5.4-6',
	waiting: 'M12 4a8 8 0 1 0 0 16a8 8 0 0 0 0-16M12 7.5V12l3 2',
};

const SVG = 'http://www.w3.org/2000/svg';

// A small drawing beside words; it says nothing by itself.
/** @param {string} name */
export function icon(name) {
	const svg = document.createElementNS(SVG, 'svg');
	svg.setAttribute('viewBox', '0 0 24 24');
	svg.setAttribute('class', 'icon');
	svg.setAttribute('aria-hidden', 'true');
	const path = document.createElementNS(SVG, 'path');
	path.setAttribute('d', SHAPES[name] ?? '');
	svg.append(path);
	return svg;
}

/** @param {string} shape @param {string} label @param {() => void} press @param {Props} [more] */
export function iconButton(shape, label, press, more = {}) {
	return el('button', { class: 'plain', 'aria-label': label, title: label, click: press, ...more }, icon(shape));
}

/** @param {string} label @param {() => void} press @param {Props} [more] */
export function button(label, press, more = {}) {
	return el('button', { click: press, ...more }, label);
}

let fields = 0;

/** @param {string} label @param {Props} props @param {string} [hint] */
export function field(label, props, hint) {
	const id = `field-${++fields}`;
	const input = el('input', { id, 'aria-describedby': hint && `${id}-hint`, ...props });
	const box = el('div', 'field',
		el('label', { for: id }, label), input,
		hint && el('p', { id: `${id}-hint`, class: 'hint' }, hint));
	return { box, input };
}

/** @param {string} id @param {string} label @param {string} placeholder */
export const searchBox = (id, label, placeholder) => el('input', { id, type: 'text', role: 'searchbox', 'aria-label': label, placeholder, autocomplete: 'off', spellcheck: 'false', maxlength: '200' });

/** @param {string} title @param {DialogLook} how @param {...Child} children */
export function openDialog(title, how, ...children) {
	const id = `dialog-${++fields}`;
	const dialog = overlay({ class: how.class, 'aria-labelledby': id, role: how.kind }, how.closed,
		el('header', {}, el('h2', { id }, title), iconButton('close', 'Close', () => dialog.close())), el('div', 'inside', ...children));
	return dialog;
}

/** @param {Props} props @param {(() => void) | undefined} closed @param {...Child} children */
export function overlay(props, closed, ...children) {
	const before = document.activeElement;
	const dialog = el('dialog', {
		...props,
		close: () => {
			dialog.remove();
			closed?.();
			giveBack(before);
		},
		click: event => { if (event.target === dialog) dialog.close(); },
	}, ...children);
	document.body.append(dialog);
	dialog.showModal();
	return dialog;
}

/** @param {HTMLElement | null | undefined} node */
export const settleOn = node => node?.focus({ preventScroll: true });

/** @param {number} ms */
export const sleep = ms => new Promise(done => setTimeout(done, ms));

// Gives the focus back to where it was, unless something else has taken it on purpose.
/** @param {Element | null} before */
function giveBack(before) {
	const active = document.activeElement;
	if ((!active || active === document.body) && before instanceof HTMLElement && before.isConnected) settleOn(before);
}

export function closeDialogs() {
	for (const dialog of document.querySelectorAll('dialog')) {
		dialog.close();
		dialog.remove();
	}
}

let saying = 0;

/** Takes back what was said: it may name somebody. */
export function hushAnnouncements() {
	clearTimeout(saying);
	for (const where of ['live', 'alert']) document.getElementById(where)?.replaceChildren();
}

/** @param {string} text @param {'live' | 'alert'} where */
export function announce(text, where = 'live') {
	const region = document.getElementById(where);
	if (!region) return;
	region.textContent = '';
	// In a later task, so that the same words said twice are heard twice.
	saying = window.setTimeout(() => { region.textContent = text; }, 50);
}

// Runs at most once a frame's worth of time after the last call.
/** @param {() => void} work @param {number} wait */
export function settle(work, wait) {
	let timer = 0;
	return () => {
		clearTimeout(timer);
		timer = window.setTimeout(work, wait);
	};
}
