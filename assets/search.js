// Search across what the person may see; the node looks, the page only shows.

import { get } from './api.js';
import { button, el, fill, openDialog, refill, searchBox, settle } from './dom.js';
import { said } from './timeline.js';
import { found, named } from './text.js';
import { brief } from './time.js';

/** Answers shown at first and with every "more". */
const SHOWN = 30;

/** @param {(conversation: string, message: string, words: string) => void} go */
export function openSearch(go) {
	const input = searchBox('search', 'Search in your conversations', 'Words in any order');
	const count = el('p', { class: 'hint', role: 'status' });
	const list = el('ol', 'hits');
	const rest = el('div');
	const dialog = openDialog('Search', {}, input, count, list, rest);
	let asked = 0;

	/** @param {string | null} before */
	const look = async before => {
		const words = input.value.trim();
		const number = ++asked;
		if (!words) {
			refill(list);
			count.textContent = '';
			refill(rest);
			return;
		}
		try {
			const query = new URLSearchParams({ q: words, limit: String(SHOWN), ...before && { before } });
			const answer = await get(`/search?${query}`);
			if (number !== asked) return;
			if (!before) refill(list);
			fill(list, ...answer.hits.map((/** @type {Hit} */ hit) => row(hit, words)));
			const many = list.children.length;
			count.textContent = many === 0 ? 'Nothing found' : `${many}${answer.more ? ' or more' : ''} found`;
			if (!answer.complete) count.textContent += '. The node is still reading; some may be missing.';
			refill(rest, answer.more && button('More', () => look(answer.more)));
		} catch (error) {
			if (number === asked) count.textContent = said(error);
		}
	};

	/** @param {Hit} hit @param {string} words */
	const row = (hit, words) => el('li', {}, el('button', {
		click: () => {
			dialog.close();
			go(hit.conversation, hit.message.id, words);
		},
	}, el('span', 'where', named(hit.name, 'name'), ' · ', named(hit.message.by), el('time', { datetime: hit.message.written.iso }, brief(hit.message.written.ms))),
	found(hit.message.text ?? '', words)));

	input.addEventListener('input', settle(() => look(null), 120));
	dialog.addEventListener('keydown', event => {
		const buttons = [...list.querySelectorAll('button')];
		const here = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
		if (event.key === 'ArrowDown') buttons[Math.min(here + 1, buttons.length - 1)]?.focus();
		else if (event.key === 'ArrowUp') (here <= 0 ? input : buttons[here - 1]).focus();
		else if (event.key === 'Enter' && document.activeElement === input) buttons[0]?.click();
		else return;
		event.preventDefault();
	});
	input.focus();
}
