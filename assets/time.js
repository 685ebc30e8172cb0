// Times as people say them. Making a formatter costs more than using it.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const SHORT = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: 'short' });

const DAY_MS = 86_400_000;

/** @param {number} ms */
export const clock = ms => CLOCK.format(ms);

/** @param {number} ms */
export const exactly = ms => FULL.format(ms);

// The number of a day where this screen stands.
/** @param {number} ms */
export function day(ms) {
	return Math.floor((ms - new Date(ms).getTimezoneOffset() * 60_000) / DAY_MS);
}

/** @param {number} ms */
export const dayName = ms => ['Today', 'Yesterday'][day(Date.now()) - day(ms)] ?? DAY.format(ms);

/** @param {number} ms */
export function brief(ms) {
	const ago = day(Date.now()) - day(ms);
	if (ago === 0) return clock(ms);
	if (ago === 1) return 'Yesterday';
	return ago < 7 && ago > 0 ? WEEKDAY.format(ms) : SHORT.format(ms);
}
