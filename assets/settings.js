// What a person sets for this screen, and for their own logins.

import { get, post, Problem } from './api.js';
import { button, el, openDialog, refill } from './dom.js';
import { known } from './state.js';
import { explain } from './sign-in.js';
import { exactly } from './time.js';

/** The only two things kept in the browser; neither says anything about anybody. */
const THEME = 'clinic-mesh-theme';
const NOTES = 'clinic-mesh-notifications';

/** @param {string} name */
function kept(name) {
	try {
		return localStorage.getItem(name) ?? '';
	} catch {
		return '';
	}
}

/**
 * @param {string} name
 * @param {string} value
 */
function keep(name, value) {
	try {
		localStorage.setItem(name, value);
	} catch {
		// Asked again next time.
	}
}

export function applyTheme() {
	const theme = kept(THEME);
	if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
	else delete document.documentElement.dataset.theme;
}

export const notesOn = () => kept(NOTES) === 'on' && 'Notification' in window && Notification.permission === 'granted';

/** @param {() => void} [ended] when this very login was ended */
export function openSettings(ended) {
	const logins = el('ul', { class: 'logins' });
	const wrong = el('div', { class: 'problem', role: 'alert' });
	openDialog('Settings', { class: 'wide' },
		el('section', {}, el('h3', {}, 'This screen'), themes(), notes()),
		el('section', {}, el('h3', {}, 'Password'), password()),
		known.me?.factors && el('section', {}, el('h3', {}, 'Second factor'), factors()),
		el('section', {}, el('h3', {}, 'Where you are signed in'), logins), wrong);
	void showLogins(logins, wrong, ended);
}

function themes() {
	const set = el('fieldset', { class: 'radios' }, el('legend', {}, 'Light or dark'));
	for (const [value, label] of [['', 'As this PC'], ['light', 'Light'], ['dark', 'Dark']]) {
		const radio = el('input', { type: 'radio', name: 'theme' });
		radio.checked = kept(THEME) === value;
		radio.addEventListener('change', () => {
			keep(THEME, value);
			applyTheme();
		});
		set.append(el('label', {}, radio, label));
	}
	return set;
}

function notes() {
	const box = el('input', { type: 'checkbox' });
	box.checked = notesOn();
	box.disabled = !('Notification' in window);
	box.addEventListener('change', async () => {
		const allowed = box.checked && await Notification.requestPermission() === 'granted';
		keep(NOTES, allowed ? 'on' : 'off');
		box.checked = allowed;
	});
	return el('label', { class: 'tick' }, box, 'Tell me on the desktop when something comes (never what, or from whom)');
}

function password() {
	const now = el('input', { id: 'pw-now', type: 'password', autocomplete: 'current-password', required: true });
	const next = el('input', { id: 'pw-next', type: 'password', autocomplete: 'new-password', required: true, minlength: '12' });
	const answer = el('div', { class: 'problem', role: 'alert' });
	return el('form', {
		class: 'inline', on: {
			submit: event => {
				event.preventDefault();
				post('/password', { password: now.value, new_password: next.value }).then(() => {
					now.value = '';
					next.value = '';
					refill(answer, el('p', {}, 'Changed. Every other login of yours has ended.'));
				}, error => explain(answer, error));
			},
		},
	}, el('div', { class: 'field' }, el('label', { for: 'pw-now' }, 'Password so far'), now),
	el('div', { class: 'field' }, el('label', { for: 'pw-next' }, 'Password to be'), next),
	el('button', { type: 'submit' }, 'Change'), answer);
}

function factors() {
	const { me } = known;
	const words = (me?.factors ?? []).map(one => one === 'totp' ? 'authenticator app' : one === 'recovery' ? 'recovery codes' : one);
	const left = me?.recovery_left;
	return el('p', {}, words.length ? `You have: ${words.join(', ')}.` : 'None yet.',
		left !== undefined && ` ${left} recovery codes are left.`);
}

/**
 * @param {HTMLElement} list
 * @param {HTMLElement} wrong
 * @param {(() => void) | undefined} ended
 */
async function showLogins(list, wrong, ended) {
	try {
		const answer = await get('/logins');
		/** @type {Login[]} */
		const logins = Array.isArray(answer) ? answer : answer.logins;
		refill(list, ...logins.map(one => el('li', {},
			el('span', {}, one.this ? 'This one' : `At ${one.door}`, `, since ${exactly(one.began.ms)}`),
			button('End it', () => {
				post(`/logins/${encodeURIComponent(one.id)}/end`).then(() => one.this ? ended?.() : showLogins(list, wrong, ended), error => explain(wrong, error));
			}))));
	} catch (error) {
		// The door of this node does not list them.
		if (error instanceof Problem && error.code === 'not_found') list.parentElement?.remove();
		else explain(wrong, error);
	}
}
