// What people wrote and are called: characters that show nothing are made visible, each text keeps its
// direction, and a link does nothing until somebody confirms it.

import { button, el, openDialog } from './dom.js';

/** Scripts and signs in which the two joiners are part of ordinary spelling. */
const JOINED = 'Arabic Syriac Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala Khmer Myanmar Mongolian Tibetan'
	.replace(/(\w+) ?/g, '\\p{sc=$1}') + '\\p{ExtPict}\\u{1f3fb}-\\u{1f3ff}\\ufe0f';

/** Characters that show nothing or move others about, but line breaks and tabs. */
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

// With hidden characters spelled out, for places that take plain text only.
/** @param {string} text */
export function visible(text) {
	return text.replace(HIDDEN, sign => `⟨${code(sign)}⟩`);
}

/**
 * Puts text into a node, with something of its own in the place of each hit.
 * @param {Node & ParentNode} into @param {string} text @param {RegExp} pattern @param {(hit: RegExpMatchArray) => Node} special
 * @param {(into: Node & ParentNode, text: string) => void} plain
 */
function weave(into, text, pattern, special, plain = put) {
	let from = 0;
	for (const hit of text.matchAll(pattern)) {
		plain(into, text.slice(from, hit.index));
		into.append(special(hit));
		from = Number(hit.index) + hit[0].length;
	}
	plain(into, text.slice(from));
}

/** @param {Node & ParentNode} into @param {string} text */
export function put(into, text) {
	weave(into, text, HIDDEN, ([sign]) => el('span', { class: 'hidden-sign', title: `A character that shows nothing: ${code(sign)}` }, code(sign)),
		(_, rest) => { if (rest) into.append(rest); });
}

/** @template {keyof HTMLElementTagNameMap} K @param {K} tag @param {Props | string | undefined} props @param {string} text */
export function saying(tag, props, text) {
	const node = el(tag, props);
	put(node, text);
	return node;
}

/** @param {string} name @param {string} [kind] */
export const named = (name, kind) => saying('bdi', kind, name);

/** "Ana, Ben and Cy". */
const LIST = new Intl.ListFormat('en-GB');

/** @param {string[]} names */
export const listed = names => el('span', {}, ...LIST.formatToParts(names).map(({ type, value }) => type === 'element' ? named(value) : value));

/** @param {string[]} names */
export const spoken = names => LIST.format(names.map(visible));

/**
 * What somebody wrote, with links and with mentions set off.
 * @param {string} text @param {string[]} mentioned names that are set off where they follow an @ @param {string} [find] words that are set off too
 */
export function written(text, mentioned, find) {
	const node = el('span', { class: 'text', dir: 'auto' });
	const parts = [LINK.source, ...mentioned.map(name => `@${escape(name)}`), ...words(find)];
	const pattern = new RegExp(parts.map(part => `(${part})`).join('|'), 'giu');
	weave(node, text, pattern, hit => special(hit, mentioned.length));
	return node;
}

/** @param {RegExpMatchArray} hit @param {number} mentions */
function special(hit, mentions) {
	const which = hit.slice(1).findIndex(group => group !== undefined);
	if (which === 0) return link(hit[0]);
	return mark(hit[0], which <= mentions ? 'mention' : 'found');
}

/** @param {string} text @param {string} kind */
const mark = (text, kind) => saying('mark', kind, text);

/** @param {string} [find] */
const words = find => find?.split(/\s+/u).filter(Boolean).map(escape) ?? [];

/** Characters shown before the first word that was found, and in all. */
const LEAD = 60, PART = 220;

// The part of a text around the words that were looked for.
/** @param {string} text @param {string} find */
export function found(text, find) {
	const pattern = new RegExp(words(find).join('|'), 'giu');
	const from = Math.max(0, text.search(pattern) - LEAD);
	const node = el('span', { class: 'text', dir: 'auto' }, from > 0 && '…');
	weave(node, text.slice(from, from + PART), pattern, hit => mark(hit[0], 'found'));
	return node;
}

/** @param {string} text */
export function escape(text) {
	return text.replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&');
}

/** @param {string} address */
const link = address => saying('button', { class: 'link', title: 'Asks before it opens', click: () => confirmLink(address) }, address);

/** @param {string} address */
function confirmLink(address) {
	const where = place(address);
	const dialog = openDialog('Open this address?', {},
		el('p', {}, 'It leads out of clinic-mesh', where && ', to ', where && el('strong', { class: 'host', dir: 'ltr' }, where),
			'. Whoever runs that place learns that somebody here opened it.'),
		saying('p', { class: 'address', dir: 'ltr' }, address),
		el('div', 'choices',
			button('Stay here', () => dialog.close(), { autofocus: true }),
			button('Open in a new window', () => {
				dialog.close();
				if (where) window.open(address, '_blank', 'noopener,noreferrer');
			}, { class: 'main', disabled: !where })));
}

// The host of an address as the browser goes there: letters that only look alike show.
/** @param {string} address */
function place(address) {
	try {
		const url = new URL(address);
		return /^https?:$/.test(url.protocol) ? url.host : '';
	} catch {
		return '';
	}
}

/** @param {string} name */
function initials(name) {
	const words = name.replace(HIDDEN, '').split(/[\s-]+/u).filter(word => /[\p{L}\p{N}]/u.test(word));
	const picked = words.length > 1 ? [words[0], words[words.length - 1]] : words;
	return picked.map(word => [...word].find(sign => /[\p{L}\p{N}]/u.test(sign)) ?? '').join('').toUpperCase() || '?';
}

/** @param {string} name @param {string} [kind] @param {Node} [drawn] instead of letters */
export const face = (name, kind = '', drawn) => el('span', { class: `face ${kind}`, 'aria-hidden': 'true' }, drawn ?? initials(name));
