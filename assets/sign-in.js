// The door: signing in, the second factor, and the lock.

import { get, post, Problem, setProof } from './api.js';
import { button, el, field, fill, icon, picture, refill, sleep } from './dom.js';
import { addPasskey, passkeysHere, showPasskey } from './passkey.js';
import { named, saying, visible } from './text.js';

/** @param {string} title @param {...Child} children */
export function door(title, ...children) {
	document.title = `${title} · clinic-mesh`;
	return el('main', 'door', el('div', 'card', el('p', { class: 'sign', 'aria-hidden': 'true' }, 'clinic-mesh'), el('h1', {}, title), ...children));
}

/** @param {string} action what the button says @param {Child[]} fields @param {() => Promise<void>} send @param {...Child} below */
export function form(action, fields, send, ...below) {
	const wrong = el('div', { class: 'problem', role: 'alert' });
	const press = el('button', { type: 'submit', class: 'main wide' }, action);
	const node = el('form', {
		submit: async event => {
			event.preventDefault();
			press.disabled = true;
			wrong.replaceChildren();
			try {
				await send();
			} catch (error) {
				explain(wrong, error);
				const input = [...node.querySelectorAll('input')].find(one => one.autocomplete === 'current-password') ?? node.querySelector('input');
				input?.focus();
				input?.select();
			} finally {
				press.disabled = false;
			}
		},
	}, ...fields, wrong, press, ...below);
	return node;
}

/** @param {HTMLElement} into @param {unknown} error */
export function explain(into, error) {
	into.replaceChildren();
	const { message, remedy, retryAfter } = error instanceof Problem ? error
		: new Problem({ code: '', message: 'This office’s node does not answer', remedy: 'Is it switched on, and is this PC on the office’s network?' });
	into.append(icon('warn'), saying('p', {}, sentence(message)));
	if (remedy) into.append(saying('p', {}, sentence(remedy)));
	if (retryAfter) into.append(el('p', {}, `Try again in ${retryAfter} s.`));
	into.scrollIntoView({ block: 'nearest' });
}

/** @param {string} text */
const sentence = text => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;

/** @param {Ways} ways @param {Partial<Me>} answer */
async function onward(ways, answer) {
	setProof(answer.proof);
	ways.settled(/** @type {Me} */ (answer.state && answer.state !== 'ready' ? answer : await get('/me')));
}

/** @param {string} [hint] */
const nameField = hint => field('Your name', { name: 'username', autocomplete: 'username', required: true, autocapitalize: 'words', maxlength: '200' }, hint);

/** @param {string} [label] @param {string} [kind] @param {string} [hint] */
export const passwordField = (label = 'Password', kind = 'current-password', hint) => field(label, { type: 'password', autocomplete: kind, required: true, minlength: kind === 'new-password' && '12', maxlength: '1000' }, hint);

/** @param {string} label @param {() => void} press */
const quiet = (label, press) => button(label, press, { class: 'quiet' });

/** @param {Ways} ways @param {string} [why] */
export function signIn(ways, why) {
	const [name, password] = [nameField(), passwordField()];
	const page = door('Sign in',
		why && notice(why),
		form('Sign in', [name.box, password.box], async () => {
			const answer = await post('/login', { name: name.input.value.trim(), password: password.input.value });
			password.input.value = '';
			await onward(ways, answer);
		}),
		el('div', 'other',
			passkeysHere() && quiet('Use a passkey', () => passkeyIn(ways, page)),
			quiet('First time here: use a sign-in code', () => replace(page, firstTime(ways)))));
	return page;
}

/** The page of a node whose store waits for somebody's password. */
export function nodeLocked() {
	const [name, password] = [nameField(), passwordField()];
	const page = door('This node is locked',
		el('p', {}, 'It was started without its key, perhaps after a power cut. Somebody who has signed in at this office before unlocks it for everybody with name and password.'),
		form('Unlock the node', [name.box, password.box], async () => {
			// Refused: somebody else was faster.
			await post('/node/unlock', { name: name.input.value, password: password.input.value }).catch(error => { if (error.code !== 'refused') throw error; });
			password.input.value = '';
			while (page.isConnected) await sleep(100);
		}),
		el('p', 'hint', 'If nobody can, whoever runs this machine starts the node with its passphrase or key file.'));
	return page;
}

/** @param {Ways} ways */
function firstTime(ways) {
	const name = nameField('As the admin wrote it.');
	const code = field('Sign-in code', { name: 'code', autocomplete: 'off', required: true, spellcheck: 'false', maxlength: '100' }, 'An admin gave it to you; it works once, for a day.');
	const first = passwordField('Choose a password', 'new-password', 'Twelve characters or more. A few words in a row are good; your name and the clinic’s are not.');
	const second = passwordField('The same password again', 'new-password');
	return door('Your first sign-in', form('Go on', [name.box, code.box, first.box, second.box], async () => {
		if (first.input.value !== second.input.value) throw new Problem({ code: '', message: 'The two passwords are not the same' });
		const answer = await post('/login', { name: name.input.value.trim(), code: code.input.value.trim(), new_password: first.input.value });
		await onward(ways, answer);
	}), el('div', 'other', quiet('I have a password already', () => ways.again())));
}

/** @param {string} label @param {string} [hint] */
const digitsField = (label, hint) => field(label, { inputmode: 'numeric', autocomplete: 'one-time-code', pattern: '[0-9 ]{6,8}', required: true, maxlength: '8', class: 'digits' }, hint);

/** @param {string} text */
const digitsOf = text => text.replace(/\s/g, '');

/** @param {Ways} ways @param {Me} me */
export function factor(ways, me) {
	const kinds = me.factors ?? ['totp', 'recovery'];
	const code = digitsField('Six digits', 'From the authenticator app on your phone.');
	const recovery = field('Recovery code', { autocomplete: 'off', required: true, spellcheck: 'false', maxlength: '64' }, 'One of the ten you wrote down. Each works once.');
	/** @param {unknown} body */
	const send = async body => onward(ways, await post('/login/factor', body));
	const totp = form('Sign in', [code.box], () => send({ totp: digitsOf(code.input.value) }));
	const paper = form('Sign in', [recovery.box], () => send({ recovery: recovery.input.value.trim() }));
	const passkey = kinds.includes('passkey') && passkeysHere() && form('Use a passkey', [], async () => send({ passkey: await showPasskey(await post('/factors/passkey/ask')) }));
	const holder = el('div', {}, kinds.includes('totp') ? totp : !passkey && paper);
	return door('The second step', passkey, holder, el('div', 'other',
		kinds.includes('recovery') && quiet('My phone is not here: use a recovery code', () => {
			refill(holder, paper);
			recovery.input.focus();
		}),
		leave(ways)));
}

// Digits are the authenticator's; anything else is a recovery code.
/** @param {string} typed */
export const secondFactor = typed => {
	const digits = digitsOf(typed);
	return /^\d{6}$/.test(digits) ? { totp: digits } : { recovery: typed.trim() };
};

/** @param {Ways} ways @param {HTMLElement} page */
async function passkeyIn(ways, page) {
	try {
		const asked = await post('/login/passkey/begin');
		const credential = await showPasskey(asked);
		await onward(ways, await post('/login/passkey/finish', { ceremony: asked.ceremony, credential }));
	} catch (error) {
		failed(page, error);
	}
}

/** @param {Ways} ways */
export function enrol(ways) {
	const page = door('Protect your account',
		el('p', {}, 'A password alone can be guessed or seen. Add something only you have; from then on you need both.'),
		el('div', 'stack',
			button('Use an authenticator app', () => app(ways, page), { class: 'main wide' }),
			passkeysHere() && button('Use a passkey of this device', () => {
				addPasskey().then(answer => replace(page, codes(ways, answer.recovery_codes)), error => failed(page, error));
			}, { class: 'wide' }),
			leave(ways)));
	return page;
}

/** @param {Ways} ways @param {HTMLElement} page */
async function app(ways, page) {
	try {
		const { secret, qr_svg: qr } = await post('/factors/totp/begin');
		const code = digitsField('Six digits that the app shows');
		replace(page, door('Authenticator app',
			el('ol', 'steps',
				el('li', {}, 'Open an authenticator app on your phone.'),
				el('li', {}, 'Scan this picture with it, or type the key below it.'),
				el('li', {}, 'Type the six digits it shows.')),
			qr && picture(qr, 'QR code for the authenticator app'),
			el('p', 'secret', (String(secret).match(/.{1,4}/g) ?? []).join(' ')),
			form('Go on', [code.box], async () => {
				const answer = await post('/factors/totp/finish', { totp: digitsOf(code.input.value) });
				setProof(answer.proof);
				replace(document.querySelector('main') ?? page, codes(ways, answer.recovery_codes));
			}, el('div', 'other', leave(ways)))));
	} catch (error) {
		failed(page, error);
	}
}

/** @param {Ways} ways @param {string[]} list */
function codes(ways, list) {
	return door('Ten recovery codes',
		el('p', {}, 'Each lets you in once without your phone. Write them on paper and keep it where you keep your keys: they are shown only now.'),
		codeList(list),
		button('I have written them down', () => ways.ready(), { class: 'main wide' }));
}

/** @param {string[]} list */
export const codeList = list => el('ol', 'codes', ...list.map(one => el('li', {}, el('code', {}, one))));

// The locked screen: nothing of the conversations is in the page.
/** @param {Ways} ways @param {string} name */
export function locked(ways, name) {
	const password = passwordField();
	return door('Locked',
		el('p', 'person', icon('lock'), named(name, 'name')),
		el('input', { type: 'hidden', autocomplete: 'username', value: visible(name) }),
		form('Unlock', [password.box], async () => {
			const secret = password.input.value;
			// A login that has ended meanwhile begins anew.
			const answer = await post('/unlock', { password: secret }).catch(error => {
				if (!['login_required', 'login_ended', 'not_found'].includes(error.code)) throw error;
				return post('/login', { name, password: secret });
			});
			password.input.value = '';
			await onward(ways, answer);
		}),
		el('div', 'other', leave(ways, 'Somebody else: sign out and switch')));
}

/** @param {Ways} ways @param {string} [label] */
const leave = (ways, label = 'Stop and sign in as somebody else') => quiet(label, () => {
	post('/logout').catch(() => undefined).finally(() => ways.again());
});

/** @param {string} words */
const notice = words => el('p', 'notice', icon('warn'), saying('span', {}, sentence(words)));

/** @param {() => void} again */
export function away(again) {
	return door('No answer',
		notice('This office’s node does not answer.'),
		el('p', {}, 'Is it switched on, and is this PC on the office’s network? The Internet is not needed. This page tries again by itself.'),
		button('Try now', again, { class: 'main wide' }));
}

/** @param {Element} old @param {HTMLElement} page */
function replace(old, page) {
	old.replaceWith(page);
	focusFirst(page);
}

// Whoever comes to a door can type at once.
/** @param {Element} page */
export function focusFirst(page) {
	const target = page.querySelector('input:not([type=hidden])') ?? page.querySelector('button');
	if (target instanceof HTMLElement) target.focus();
}

/** @param {HTMLElement} page @param {unknown} error */
function failed(page, error) {
	page.querySelector('.problem.loose')?.remove();
	const wrong = el('div', { class: 'problem loose', role: 'alert' });
	explain(wrong, error);
	fill(page.firstElementChild ?? page, wrong);
}
