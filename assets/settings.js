// What a person sets for this screen, and for their own logins.

import { get, post } from './api.js';
import { button, el, openDialog, refill } from './dom.js';
import { addPasskey, passkeysHere } from './passkey.js';
import { codeList, explain, form, passwordField } from './sign-in.js';
import { named, spoken } from './text.js';
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

/** @param {string} name @param {string} value */
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
	const logins = el('ul', 'logins');
	const factors = el('div');
	const wrong = el('div', { class: 'problem', role: 'alert' });
	openDialog('Settings', { class: 'wide' },
		el('section', {}, el('h3', {}, 'This screen'), themes(), notes()),
		el('section', {}, el('h3', {}, 'Password'), password()),
		el('section', {}, el('h3', {}, 'Second factor'), factors),
		el('section', {}, el('h3', {}, 'Where you are signed in'), logins), wrong);
	showLogins(logins, wrong, ended);
	showFactors(factors, wrong);
}

function themes() {
	const set = el('fieldset', 'radios', el('legend', {}, 'Light or dark'));
	for (const [value, label] of [['', 'As this PC'], ['light', 'Light'], ['dark', 'Dark']]) {
		set.append(el('label', {}, el('input', {
			type: 'radio', name: 'theme', checked: kept(THEME) === value, change: () => {
				keep(THEME, value);
				applyTheme();
			},
		}), label));
	}
	return set;
}

function notes() {
	const box = el('input', {
		type: 'checkbox', checked: notesOn(), disabled: !('Notification' in window), change: async () => {
			const allowed = box.checked && await Notification.requestPermission() === 'granted';
			keep(NOTES, allowed ? 'on' : 'off');
			box.checked = allowed;
		},
	});
	return el('label', 'tick', box, 'Tell me on the desktop when something comes (never what, or from whom)');
}

function password() {
	const [now, next] = [passwordField('Password so far'), passwordField('Password to be', 'new-password')];
	const done = el('p', { role: 'status' });
	const node = form('Change', [now.box, next.box], async () => {
		done.textContent = '';
		await post('/password', { password: now.input.value, new_password: next.input.value });
		now.input.value = next.input.value = '';
		done.textContent = 'Changed. Every other login of yours has ended.';
	}, done);
	node.className = 'inline';
	return node;
}

/** @param {HTMLElement} box @param {HTMLElement} wrong @param {string[]} [codes] to be written down */
async function showFactors(box, wrong, codes = []) {
	/** @param {Promise<any>} work */
	const then = work => work.then(answer => showFactors(box, wrong, answer.recovery_codes), error => explain(wrong, error));
	/** @param {string} id @param {...Child} words */
	const line = (id, ...words) => el('li', {}, el('span', {}, ...words), button('Remove', () => then(post(`/factors/${id}/remove`))));
	try {
		/** @type {Factors} */
		const { totp, passkeys, recovery_left: left } = await get('/factors');
		wrong.replaceChildren();
		refill(box, el('ul', 'logins', totp && line('totp', 'Authenticator app'),
			...passkeys.map(one => line(one.id, 'Passkey: ', named(one.name), `, since ${exactly(one.added.ms)}`))),
		el('p', {}, `${left} recovery codes are left.`, codes.length > 0 && ' Write these down; they are shown only now:'),
		codes.length > 0 && codeList(codes),
		el('div', 'choices', passkeysHere() && button('Add a passkey of this device', () => then(addPasskey())),
			button('New recovery codes', () => then(post('/factors/recovery')))));
	} catch (error) {
		explain(wrong, error);
	}
}

/** @param {HTMLElement} list @param {HTMLElement} wrong @param {(() => void) | undefined} ended */
async function showLogins(list, wrong, ended) {
	try {
		/** @type {Logins} */
		const { logins, office, elsewhere } = await get('/logins');
		refill(list, ...logins.map(one => el('li', {},
			el('span', {}, one.this && 'This one: ', one.browser ?? one.door, one.address && ` at ${one.address}`, `, since ${exactly(one.began.ms)}`),
			button('End it', () => {
				post(`/logins/${encodeURIComponent(one.id)}/end`).then(() => one.this ? ended?.() : showLogins(list, wrong, ended), error => explain(wrong, error));
			}))), el('li', 'hint', named(`Only those at ${office ?? 'this node'} are listed${elsewhere.length ? `; ${spoken(elsewhere)} may have others` : ''}.`)));
	} catch (error) {
		explain(wrong, error);
	}
}
