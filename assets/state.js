// What the page knows while somebody is signed in, and who hears when it changes. In memory only:
// nothing that was written or read stays in the browser after the page is closed.

import { peek, setProof } from './api.js';

/** @type {Known} */
export const known = {
	me: null,
	clinic: null,
	status: null,
	conversations: [],
	open: null,
	link: 'joining',
	typing: new Map(),
	presence: new Set(),
};

/** @type {Map<Topic, Set<(data?: any) => void>>} */
const ears = new Map();

// Hears of a topic until the returned function is called.
/** @param {Topic} topic @param {(data?: any) => void} hear */
export function on(topic, hear) {
	const set = ears.get(topic) ?? new Set();
	ears.set(topic, set.add(hear));
	return () => { set.delete(hear); };
}

/** @param {Topic} topic @param {any} [data] */
export function tell(topic, data) {
	for (const hear of [...ears.get(topic) ?? []]) hear(data);
}

/** @param {Me | null} me */
export function setMe(me) {
	known.me = me;
	setProof(me?.proof);
}

export function forget() {
	setMe(null);
	known.clinic = null;
	document.body.classList.remove('prints');
	known.status = null;
	known.conversations = [];
	known.open = null;
	known.typing.clear();
	known.presence.clear();
	tell('messages', { everything: true });
}

/** @param {string} id */
export const conversation = id => known.conversations.find(one => one.id === id);

export const unreadTotal = () => known.conversations.reduce((sum, one) => sum + (one.unread ?? 0), 0);

let asked = 0, shown = 0;

export async function loadConversations() {
	const number = ++asked;
	const answer = await peek('/conversations');
	// An answer may be overtaken by a later one.
	if (number < shown) return;
	shown = number;
	/** @type {Conversation[]} */
	const fresh = answer.conversations;
	// One that was begun here is the page's alone until somebody writes in it.
	const begun = known.conversations.filter(one => one.begun && !fresh.some(two => two.id === one.id));
	known.conversations = [...begun, ...fresh];
	tell('conversations');
}

async function loadClinic() {
	known.clinic = await peek('/clinic');
	document.body.classList.toggle('prints', known.clinic?.policy.printing);
	tell('clinic');
}

/** Who did something at any office within the last minutes. */
export async function loadPresence() {
	const { here } = await peek('/presence');
	known.presence = new Set(here);
	tell('clinic');
}

export async function loadStatus() {
	known.status = await peek('/status');
	tell('link');
}

export const loadAll = () => Promise.all([loadConversations(), loadClinic(), loadStatus()]);

/** @param {string} id */
export function staffName(id) {
	return known.clinic?.staff.find(one => one.id === id)?.name ?? id.slice(0, 8);
}

/** @param {string} name */
export const staffCalled = name => known.clinic?.staff.find(one => one.name === name);

/** @param {Staff | undefined} one */
export const isHere = one => one !== undefined && known.presence.has(one.id);

/** @param {string} id */
export function writers(id) {
	const now = Date.now();
	return [...known.typing.get(id) ?? []].filter(([name, until]) => until > now && name !== known.me?.name).map(([name]) => name);
}
