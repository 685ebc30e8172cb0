// The node's API: one function to call it, and the shapes of what it answers.

/** Longest wait for an answer: past that the node counts as lost. */
const PATIENCE = 15_000;

/** Header of requests that do not put off automatic logoff. */
const BACKGROUND = 'clinic-mesh-background';

/** What the node turned down, in its own words. */
export class Problem extends Error {
	/** @param {Refusal} body */
	constructor(body) {
		super(body.message);
		this.code = body.code;
		this.remedy = body.remedy ?? '';
		this.retryAfter = body.retry_after ?? 0;
		this.whole = [body.message, body.remedy].filter(Boolean).join('; ');
	}
}

let proof = '';

// Shows the node that a change comes from this page.
/** @param {string | undefined} value */
export function setProof(value) {
	proof = value ?? '';
}

/** @type {(error: unknown) => void} hears of every call that went wrong, before its caller does */
let watcher = () => undefined;

/** @param {(error: unknown) => void} hear */
export function watchCalls(hear) {
	watcher = hear;
}

/** @type {Record<string, () => Promise<boolean>>} what helps against a refusal, by its code; each says whether the same is worth another try */
const cures = {};

/** @param {string} code @param {() => Promise<boolean>} help */
export function cure(code, help) {
	cures[code] = help;
}

let lastActive = Date.now();

/** When the node last heard of something that a person did. */
export const lastActivity = () => lastActive;

/** @param {'GET' | 'POST'} method @param {string} path below /v1 @param {unknown} [body] @param {How} [how] @returns {Promise<any>} */
async function call(method, path, body, how = {}) {
	const stop = new AbortController();
	const timer = setTimeout(() => stop.abort(), PATIENCE);
	try {
		const response = await fetch(`/v1${path}`, {
			method,
			headers: {
				accept: 'application/json',
				...method === 'POST' ? { 'content-type': 'application/json', 'clinic-proof': proof } : {},
				...how.background ? { [BACKGROUND]: '1' } : {},
			},
			body: JSON.stringify(body),
			signal: stop.signal,
			cache: 'no-store',
		});
		if (!how.background && response.status < 500) lastActive = Date.now();
		return await answer(response);
	} catch (error) {
		if (error instanceof Problem && how.after !== error.code && await cures[error.code]?.()) return call(method, path, body, { ...how, after: error.code });
		watcher(error);
		throw error;
	} finally {
		clearTimeout(timer);
	}
}

/** @param {Response} response */
async function answer(response) {
	if (response.ok) return response.json();
	const body = await response.json().catch(() => null);
	if (body && typeof body.code === 'string') throw new Problem(body);
	// Not our node's words, or it is going down.
	if (response.status >= 500) throw new Error();
	throw new Problem({ code: 'malformed', message: `the node answered ${response.status}` });
}

/** @param {string} path @param {How} [how] */
export const get = (path, how) => call('GET', path, undefined, how);

// Asks without a person behind it.
/** @param {string} path */
export const peek = path => get(path, { background: true });

/** @param {string} path @param {unknown} [body] @param {How} [how] */
export const post = (path, body = {}, how) => call('POST', path, body, how);

/** @param {string} id */
export const at = id => `/conversations/${encodeURIComponent(id)}`;

/** More than two of the node's signs of life, which come every 15 s. */
const SILENCE = 35_000;

// Reads the stream of hints until it ends; throws when the node is out of reach.
/** @param {(hint: Hint) => void} hear @param {AbortSignal} signal */
export async function hints(hear, signal) {
	const stop = new AbortController();
	signal.addEventListener('abort', () => stop.abort());
	let timer = setTimeout(() => stop.abort(), PATIENCE);
	try {
		const response = await fetch('/v1/events', { headers: { accept: 'text/event-stream', [BACKGROUND]: '1' }, signal: stop.signal, cache: 'no-store' });
		if (!response.ok || !response.body) await answer(response);
		const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
		const decoder = new TextDecoder();
		let text = '';
		for (;;) {
			clearTimeout(timer);
			timer = setTimeout(() => stop.abort(), SILENCE);
			const { done, value } = await reader.read();
			if (done) return;
			text += decoder.decode(value, { stream: true });
			const lines = text.split(/\r?\n/);
			text = lines.pop() ?? '';
			for (const line of lines) if (line.startsWith('data:')) hear(JSON.parse(line.slice(5)));
		}
	} finally {
		clearTimeout(timer);
		stop.abort();
	}
}
