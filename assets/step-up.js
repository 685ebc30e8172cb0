// Before what lets somebody in for good, the node asks once more who is there.

import { post, setProof } from './api.js';
import { el, field, openDialog } from './dom.js';
import { passkeysHere, showPasskey } from './passkey.js';
import { form, passwordField, secondFactor } from './sign-in.js';
import { known } from './state.js';

/** @returns {Promise<boolean>} */
export function stepUp() {
	return new Promise(done => {
		let shown = false;
		const password = passwordField('Your password');
		const code = field('Second factor', { autocomplete: 'one-time-code', required: true, maxlength: '64' }, 'Six digits from the app, or a recovery code.');
		/** @param {unknown} body */
		const prove = async body => {
			setProof((await post('/step-up', body)).proof);
			shown = true;
			dialog.close();
		};
		const passkey = form('Use a passkey', [], async () => prove({ passkey: await showPasskey(await post('/factors/passkey/ask')) }));
		const dialog = openDialog('Is it you?', { closed: () => done(shown) },
			el('p', {}, 'This changes who can sign in as you.'),
			passkeysHere() && known.me?.factors?.includes('passkey') && passkey,
			form('Go on', [password.box, code.box], () => prove({ password: password.input.value, ...secondFactor(code.input.value) })));
		password.input.focus();
	});
}
