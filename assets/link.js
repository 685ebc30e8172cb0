// Whether the node answers, and what it tells. Losing it is said at once; it is looked for again at
// growing intervals, and when it is back everything is looked at afresh.

import { get, hints, Problem } from './api.js';
import { known, loadClinic, loadConversations, loadPresence, loadStatus, setMe, tell } from './state.js';
import { settle } from './dom.js';

/** Waits between tries in ms; the last one goes on. A node restarts in about two seconds. */
const WAITS = [300, 700, 1500, 3000, 5000];

/** @type {AbortController | null} */
let running = null;
let tries = 0;
/** @type {() => void} */
let hurry = () => undefined;

/** Begins to listen; ends what listened before. */
export function listen() {
	hush();
	const stop = new AbortController();
	running = stop;
	void keepListening(stop.signal);
}

/** Stops listening. */
export function hush() {
	running?.abort();
	running = null;
	hurry();
}

/** Something just showed that the node is out of reach. */
export function lost() {
	if (known.link === 'lost') return;
	known.link = 'lost';
	tell('link');
}

/** Tries again without waiting. */
export function tryNow() {
	tries = 0;
	hurry();
}

/** @param {AbortSignal} signal */
async function keepListening(signal) {
	tries = 0;
	while (!signal.aborted) {
		try {
			await hints(hint => { if (!signal.aborted) hear(hint); }, signal);
		} catch (error) {
			if (signal.aborted) return;
			if (error instanceof Problem && /^login_|locked$/.test(error.code)) return tell(error.code === 'locked' ? 'locked' : 'gone', error);
		}
		if (signal.aborted) return;
		lost();
		await new Promise(done => {
			hurry = () => done(undefined);
			setTimeout(done, WAITS[Math.min(tries++, WAITS.length - 1)]);
		});
	}
}

/** @param {() => Promise<void>} load @param {number} wait */
const soon = (load, wait) => settle(() => { load().catch(() => undefined); }, wait);
const conversationsSoon = soon(loadConversations, 120);
const statusSoon = soon(loadStatus, 150);
// Hearing nobody is no event.
setInterval(() => { if (running) statusSoon(); }, 300_000);
const presenceSoon = soon(loadPresence, 300);
const clinicSoon = soon(loadClinic, 200);

/** The stream is open (again): whatever was missed is looked at. */
async function joined() {
	tries = 0;
	try {
		const me = await get('/me', { background: true });
		// Somebody else has signed in meanwhile, on another page of this browser.
		if (me.staff !== known.me?.staff) return tell('gone', null);
		setMe(me);
		if (me.state !== 'ready') return;
		known.link = 'open';
		await Promise.all([loadClinic(), loadStatus(), loadConversations()]);
		presenceSoon();
		tell('link', 'back');
		tell('messages', { everything: true });
	} catch {
		// Whoever watches the calls has said so, and the next try comes.
	}
}

/** @param {Hint} hint */
function hear(hint) {
	switch (hint.kind) {
		case 'open':
			void joined();
			break;
		case 'everything':
		case 'purged':
			conversationsSoon();
			statusSoon();
			tell('messages', { everything: true });
			break;
		case 'conversation':
		case 'stored':
			conversationsSoon();
			tell('messages', { conversation: hint.conversation });
			break;
		case 'receipts':
		case 'opened':
			tell('receipts', { conversation: hint.conversation });
			break;
		case 'connected':
		case 'disconnected':
			statusSoon();
			tell('receipts', {});
			break;
		case 'record':
			clinicSoon();
			conversationsSoon();
			break;
		case 'typing':
			typing(hint);
			break;
		case 'presence':
			presenceSoon();
			break;
		case 'login_ended':
			tell('gone', null);
			break;
		case 'revoked':
			statusSoon();
			break;
		default:
	}
}

/** How long a sign of typing is shown; whoever goes on typing gives another within this. */
const TYPING = 6000;

/** @param {Hint} hint */
function typing(hint) {
	const who = hint.by ?? hint.staff;
	if (!hint.conversation || !who) return;
	const people = known.typing.get(hint.conversation) ?? new Map();
	people.set(who, Date.now() + TYPING);
	known.typing.set(hint.conversation, people);
	tell('typing');
	setTimeout(() => tell('typing'), TYPING + 50);
}
