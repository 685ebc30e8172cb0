// What people wrote and are called, on the screen: characters that show nothing are made visible,
// each name and text keeps its own direction, and a link does nothing until somebody confirms it.

import { button, el, openDialog } from './dom.js';

/** Scripts and signs in which the two joiners are part of ordinary spelling. */
const JOINED = '\\p{Script=Arabic}\\p{Script=Syriac}\\p{Script=Devanagari}\\p{Script=Bengali}\\p{Script=Gurmukhi}'
	+ '\\p{Script=Gujarati}\\p{Script=Oriya}\\p{Script=Tamil}\\p{Script=Telugu}\\p{Script=Kannada}\\p{Script=Malayalam}'
	+ '\\p{Script=Sinhala}\\p{Script=Khmer}\\p{Script=Myanmar}\\p{Script=Mongolian}\\p{Script=Tibetan}'
	+ '\\p{Extended_Pictographic}\\u{1f3fb}-\\u{1f3ff}\\ufe0f';

/** Characters that show nothing or move others about. Line breaks and tabs are left alone. */
const HIDDEN = new RegExp(
	'[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f'
	+ '\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ufe00-\\ufe0d\\ufeff\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff'
	+ '\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}\\ud800-\\udfff]'
	+ `|(?<![${JOINED}])[\\u200c\\u200d]|[\\u200c\\u200d](?![${JOINED}])`, 'gu');

const LINK = /\bhttps?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}]/giu;

/** @param {string} sign */
function code(sign) {
	return `U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/**
 * The same text with hidden characters spelled out, for places that take plain text only.
 * @param {string} text
 */
export function visible(text) {
	return text.replace(HIDDEN, sign => `⟨${code(sign)}⟩`);
}

/**
 * Puts text into a node, hidden characters as marks.
 * @param {Node & ParentNode} into
 * @param {string} text
 */
export function put(into, text) {
	let from = 0;
	for (const hit of text.matchAll(HIDDEN)) {
		const index = Number(hit.index);
		if (index > from) into.append(text.slice(from, index));
		into.append(el('span', { class: 'hidden-sign', title: `A character that shows nothing: ${code(hit[0])}` }, code(hit[0])));
		from = index + hit[0].length;
	}
	if (from < text.length) into.append(text.slice(from));
}

/**
 * A name, in its own direction.
 * @param {string} name
 * @param {string} [kind]
 */
export function named(name, kind) {
	const node = el('bdi', { class: kind });
	put(node, name);
	return node;
}

/**
 * "Ana, Ben and Cy".
 * @param {string[]} names
 */
export function listed(names) {
	const node = el('span');
	names.forEach((name, at) => {
		if (at > 0) node.append(at === names.length - 1 ? ' and ' : ', ');
		node.append(named(name));
	});
	return node;
}

/**
 * The same as plain text.
 * @param {string[]} names
 */
export function spoken(names) {
	const seen = names.map(visible);
	const last = seen.pop() ?? '';
	return seen.length ? `${seen.join(', ')} and ${last}` : last;
}

/**
 * What somebody wrote: links that wait for a confirmation, mentions set off, the rest as it is.
 * @param {string} text
 * @param {string[]} mentioned names that are set off where they follow an @
 * @param {string} [find] words that are set off too
 */
export function written(text, mentioned, find) {
	const node = el('span', { class: 'text', dir: 'auto' });
	const parts = [LINK.source, ...mentioned.map(name => `@${escape(name)}`), ...words(find)];
	const pattern = new RegExp(parts.map(part => `(${part})`).join('|'), 'giu');
	let from = 0;
	for (const hit of text.matchAll(pattern)) {
		put(node, text.slice(from, hit.index));
		node.append(special(hit, mentioned.length));
		from = Number(hit.index) + hit[0].length;
	}
	put(node, text.slice(from));
	return node;
}

/** @param {RegExpMatchArray} hit @param {number} mentions */
function special(hit, mentions) {
	const which = hit.slice(1).findIndex(group => group !== undefined);
	if (which === 0) return link(hit[0]);
	return mark(hit[0], which <= mentions ? 'mention' : 'found');
}

/** @param {string} text @param {string} kind */
function mark(text, kind) {
	const node = el('mark', { class: kind });
	put(node, text);
	return node;
}

/** @param {string} [find] */
const words = find => find?.split(/\s+/u).filter(Boolean).map(escape) ?? [];

/** Characters shown before the first word that was found, and in all. */
const LEAD = 60, PART = 220;

/**
 * The part of a text around the words that were looked for.
 * @param {string} text
 * @param {string} find
 */
export function found(text, find) {
	const pattern = new RegExp(words(find).join('|'), 'giu');
	const from = Math.max(0, text.search(pattern) - LEAD);
	const node = el('span', { class: 'text', dir: 'auto' }, from > 0 && '…');
	const part = text.slice(from, from + PART);
	let at = 0;
	for (const hit of part.matchAll(pattern)) {
		put(node, part.slice(at, hit.index));
		node.append(mark(hit[0], 'found'));
		at = Number(hit.index) + hit[0].length;
	}
	put(node, part.slice(at));
	return node;
}

/** @param {string} text */
function escape(text) {
	return text.replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&');
}

/** @param {string} address */
function link(address) {
	const node = el('button', { class: 'link', title: 'Asks before it opens', on: { click: () => confirmLink(address) } });
	put(node, address);
	return node;
}

/** @param {string} address */
function confirmLink(address) {
	const where = place(address);
	const shown = el('p', { class: 'address', dir: 'ltr' });
	put(shown, address);
	const dialog = openDialog('Open this address?', {},
		el('p', {}, 'It leads out of clinic-mesh', where && ', to ', where && el('strong', { class: 'host', dir: 'ltr' }, where),
			'. Whoever runs that place learns that somebody here opened it.'),
		shown,
		el('div', { class: 'choices' },
			button('Stay here', () => dialog.close(), { autofocus: true }),
			button('Copy the address', () => {
				navigator.clipboard?.writeText(address).catch(() => undefined);
				dialog.close();
			}),
			button('Open in a new window', () => {
				dialog.close();
				if (where) window.open(address, '_blank', 'noopener,noreferrer');
			}, { class: 'main', disabled: !where })));
}

/**
 * The host of an address as the browser would go there: letters that only look alike show as such.
 * @param {string} address
 */
function place(address) {
	try {
		const url = new URL(address);
		return /^https?:$/.test(url.protocol) ? url.host : '';
	} catch {
		return '';
	}
}

/**
 * Two letters that stand for a person or room.
 * @param {string} name
 */
export function initials(name) {
	const words = name.replace(HIDDEN, '').split(/[\s-]+/u).filter(word => /[\p{L}\p{N}]/u.test(word));
	const picked = words.length > 1 ? [words[0], words[words.length - 1]] : words;
	return picked.map(word => [...word].find(sign => /[\p{L}\p{N}]/u.test(sign)) ?? '').join('').toUpperCase() || '?';
}
