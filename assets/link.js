// Whether the node answers, and what it tells. Losing it is said at once; when it is back everything is
// looked at afresh.

import { hints, peek, Problem } from './api.js';
import { known, loadAll, loadConversations, loadPresence, loadStatus, setMe, tell } from './state.js';
import { settle } from './dom.js';

/** Waits between tries in ms; the last one goes on. */
const WAITS = [300, 700, 1500, 3000, 5000];

/** How often the node's state is looked at in ms: hearing nobody is no event. */
const LOOK = 5 * 60 * 1000;

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
	keepListening(stop.signal);
}

export function hush() {
	running?.abort();
	running = null;
	hurry();
}

export function lost() {
	if (known.link === 'lost') return;
	known.link = 'lost';
	tell('link');
}

export function tryNow() {
	tries = 0;
	hurry();
}

/** @param {AbortSignal} signal */
async function keepListening(signal) {
	tries = 0;
	while (!signal.aborted) {
		try {
			await hints(hint => { if (!signal.aborted) HEARD[hint.kind]?.(hint); }, signal);
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

/** @param {() => Promise<unknown>} load @param {number} wait */
const soon = (load, wait) => settle(() => { load().catch(() => undefined); }, wait);
const conversationsSoon = soon(loadConversations, 120);
const statusSoon = soon(loadStatus, 150);
setInterval(() => { if (running) statusSoon(); }, LOOK);
const presenceSoon = soon(loadPresence, 300);

/** Looks at who is signed in, what they may do, and all that they see. */
async function look() {
	const { me: before } = known;
	const me = running && await peek('/me');
	// Locked or left meanwhile.
	if (!me || known.me !== before) return false;
	// Somebody else has signed in on another page.
	if (me.staff !== before?.staff) tell('gone', null);
	else setMe(me);
	if (known.me !== me || me.state !== 'ready') return false;
	known.link = 'open';
	await loadAll();
	return true;
}

/** The stream is open (again): whatever was missed is looked at. */
async function joined() {
	tries = 0;
	try {
		if (!await look()) return;
		presenceSoon();
		tell('link', 'back');
		tell('messages', { everything: true });
	} catch {
		// It has been said, and the next try comes.
	}
}

function everything() {
	conversationsSoon();
	statusSoon();
	tell('messages', { everything: true });
}

/** @param {Hint} hint */
function messages({ conversation }) {
	conversationsSoon();
	tell('messages', { conversation });
}

/** @param {Hint} hint */
const receipts = ({ conversation }) => tell('receipts', { conversation });

function offices() {
	statusSoon();
	tell('receipts', {});
}

/** @type {Record<string, (hint: Hint) => void>} what each kind of hint leads to */
const HEARD = {
	open: joined,
	everything,
	purged: everything,
	conversation: messages,
	stored: messages,
	receipts,
	connected: offices,
	disconnected: offices,
	record: soon(look, 200),
	typing,
	presence: presenceSoon,
	login_ended: () => tell('gone', null),
	revoked: statusSoon,
};

/** How long a sign of typing is shown, in ms; the next comes within it. */
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
