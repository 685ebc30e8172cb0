// Where everything begins: who is signed in decides which page is on the screen.

import { cure, peek, post, Problem, watchCalls } from './api.js';
import { closeDialogs, hushAnnouncements, refill, settleOn, sleep } from './dom.js';
import { Desk } from './desk.js';
import { openHelp } from './help.js';
import { watchIdle } from './idle.js';
import { hush, listen, lost, tryNow } from './link.js';
import { flush, leaveDrafts, storeDrafts, unkept } from './outbox.js';
import { openBegin } from './people.js';
import { openSearch } from './search.js';
import { applyTheme, notesOn, openSettings } from './settings.js';
import { away, door, enrol, factor, focusFirst, locked, nodeLocked, signIn } from './sign-in.js';
import { stepUp } from './step-up.js';
import { forget, known, loadAll, on, setMe, tell, unreadTotal } from './state.js';

const app = /** @type {HTMLElement} */ (document.getElementById('app'));

/** @type {Desk | null} */
let desk = null;

/** @type {Ways} */
const ways = {
	ready: boot,
	settled: arrive,
	again: leave,
};

/** @param {HTMLElement} page */
function show(page) {
	closeDialogs();
	desk?.end();
	desk = null;
	refill(app, page);
	hushAnnouncements();
	if (page.matches('.door')) focusFirst(page);
}

async function boot() {
	const before = desk;
	try {
		arrive(await peek('/me'));
	} catch (error) {
		// Another answer said it before, and somebody may be typing.
		if (before && !desk) return;
		if (error instanceof Problem) {
			if (error.code === 'login_required') leave();
			else gone(error);
			return;
		}
		show(away(boot));
		setTimeout(() => { if (!desk && document.title.startsWith('No answer')) boot(); }, 2000);
	}
}

// The other windows of this browser.
const others = new BroadcastChannel('clinic-mesh');
others.onmessage = () => { if (known.me?.state === 'locked') goOn(); };

/** @param {Me} me @param {Promise<unknown>} [kept] once the node has the drafts */
function arrive(me, kept) {
	const before = known.me?.state ?? 'ready';
	// Somebody else has signed in on another page.
	if (known.me && known.me.staff !== me.staff) {
		if (desk) return leave(ENDED);
		forget();
	}
	setMe(me);
	if (before !== me.state && me.state === 'ready') others.postMessage('');
	if (me.state === 'factor') show(factor(ways, me));
	else if (me.state === 'enrol') show(enrol(ways));
	else if (me.state === 'locked') return shut(me, kept);
	else if (!desk) begin();
}

async function begin() {
	known.link = 'joining';
	const loaded = loadAll();
	const fresh = new Desk({
		lock,
		out,
		help: openHelp,
		search,
		settings: () => openSettings(() => { if (desk) leave('You ended this login.'); }),
		begin: () => openBegin(id => desk?.open(id)),
		retry: tryNow,
	});
	show(fresh.node);
	desk = fresh;
	// First what somebody waits for; what comes meanwhile is found later.
	await loaded.then(() => desk === fresh ? fresh.start() : undefined, () => undefined);
	if (desk === fresh) listen();
}

/** @param {string} [why] */
function leave(why, page = signIn(ways, why)) {
	hush();
	// What the node has not got stays in memory for its owner.
	leaveDrafts();
	show(page);
	forget();
}

/** Goes on with another page's token, if it is the same person's. */
async function goOn() {
	const { me: before } = known;
	const me = await peek('/me').catch(() => null);
	if (!me || !before || known.me?.staff !== me.staff) return false;
	arrive(me);
	return me.state === before.state;
}

// The node has ended the login, or is itself locked since it was started.
/** @param {Problem | null} why */
function gone(why) {
	if (why?.code === 'node_locked') waitLocked();
	else leave(why ? reason(why) : ENDED);
}

async function waitLocked() {
	const page = nodeLocked();
	leave(undefined, page);
	let waits = true;
	while (page.isConnected && waits) {
		await sleep(700);
		// No answer: its doors change hands, and it is asked again.
		waits = await peek('/me').then(() => false, error => !(error instanceof Problem) || error.code === 'node_locked');
	}
	if (page.isConnected) boot();
}

/**
 * Signs out. The screen is empty at once; the form for the next person comes once, when the node has
 * answered: nothing typed into it is taken away.
 */
async function out() {
	await keepAll();
	hush();
	show(door('Signing out'));
	const lost = await post('/logout').catch(error => !(error instanceof Problem) && error);
	leave(lost instanceof Error ? 'The node did not answer. Reload this page when it is back, and sign out again if you are still signed in.' : undefined);
}

/** Locks at once; the node hears of it as soon as it can. */
async function lock() {
	const { me } = known;
	if (!me || me.state !== 'ready') return;
	await arrive({ ...me, state: 'locked' }, keepAll());
	// Until the node knows, whoever loads the page anew finds it open.
	while (known.me?.state === 'locked' && !await post('/lock').catch(error => error instanceof Problem && post('/logout')).catch(() => false)) {
		await sleep(1000);
	}
}

// Only who was here stays known while the screen is locked.
/** @param {Me} me @param {Promise<unknown>} [kept] */
async function shut(me, kept) {
	hush();
	show(locked(ways, me.name));
	await kept;
	leaveDrafts();
	if (known.me?.state !== 'locked') return;
	forget();
	setMe(me);
}

async function keepAll() {
	desk?.leave();
	await Promise.race([storeDrafts(), sleep(1500)]);
}

function search() {
	openSearch((conversation, message, words) => desk?.open(conversation, { message, words }));
}

const ENDED = 'Your login has ended. Drafts are kept; sign in again to go on.';

/** @param {Problem} problem */
const reason = ({ code, whole }) => ({ login_ended: ENDED, login_required: 'Sign in again to go on. Drafts are kept.' }[code] ?? whole);

function unreachable() {
	if (!desk || known.link === 'lost') return;
	lost();
	listen();
}

watchCalls(error => {
	if (!(error instanceof Problem)) unreachable();
	else if (known.me && desk && /^login_(ended|required|withdrawn)|^node_locked/.test(error.code)) gone(error);
	else if (error.code === 'locked') tell('locked');
});

on('gone', async error => {
	if (!desk) return;
	if (!error && await goOn()) listen();
	else if (desk) gone(error);
});
on('locked', () => { if (known.me && desk) arrive({ ...known.me, state: 'locked' }); });
on('link', back => {
	if (back !== 'back' || !desk) return;
	if (!known.open) desk.start();
	flush().then(storeDrafts);
});

// Either grows: a late message may be older than others, and one may be opened as another comes.
let [told, toldOf] = [Infinity, Infinity];
on('conversations', () => {
	const count = unreadTotal();
	const newest = Math.max(0, ...known.conversations.map(one => one.newest_unread?.ms ?? 0));
	if ((count > told || newest > toldOf) && !document.hasFocus() && notesOn()) {
		// Never what or from whom: anybody may see it.
		const note = new Notification('clinic-mesh', { body: count === 1 ? 'One message is unread' : `${count} messages are unread`, tag: 'clinic-mesh', renotify: true });
		note.addEventListener('click', () => {
			window.focus();
			note.close();
		});
	}
	[told, toldOf] = [count, newest];
});

/** @param {EventTarget | null} target */
const writes = target => target instanceof HTMLElement && target.matches('input:not([type=checkbox],[type=radio]), textarea');

/** @param {KeyboardEvent} event */
function key(event) {
	const name = event.key.toLowerCase();
	const command = event.ctrlKey || event.metaKey;
	if (command && !event.altKey && !event.shiftKey && name === 'l' && (desk || known.me?.state === 'locked')) lock();
	else if (!desk || document.querySelector('dialog[open]')) return;
	else if (command && name === 'k') search();
	else if (event.altKey && event.key === 'ArrowUp') desk.step(-1);
	else if (event.altKey && event.key === 'ArrowDown') desk.step(1);
	else if (event.altKey && name === 'u') desk.nextUnread();
	else if (command || event.altKey) return;
	else if (event.key === 'Escape') {
		if (event.target instanceof HTMLElement && event.target.closest('.timeline')) desk.composer?.focus();
		else if (matchMedia('(max-width: 44rem)').matches && known.open) desk.close();
		else return;
	} else if (event.key === 'ArrowUp' && event.target instanceof HTMLTextAreaElement && event.target.value === '') {
		const { timeline } = desk;
		if (!timeline || timeline.items.length === 0) return;
		settleOn(timeline.scroll.reveal(timeline.items.length - 1));
	} else if (writes(event.target)) return;
	else if (event.key === '?') openHelp();
	else if (event.key === '/') search();
	else if (name === 'n') openBegin(id => desk?.open(id));
	else if (name === 'c') desk.composer?.focus();
	else return;
	event.preventDefault();
}

document.addEventListener('keydown', key);
addEventListener('online', tryNow);
addEventListener('offline', unreachable);
addEventListener('beforeunload', event => { if (unkept()) event.preventDefault(); });
addEventListener('pagehide', storeDrafts);
cure('step_up_required', stepUp);
cure('stale_proof', goOn);
watchIdle(boot, lock);
applyTheme();
boot();
