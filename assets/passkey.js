// Passkeys: the node's words go to the browser as they are, and back.

import { post, Problem, setProof } from './api.js';

/** With parts that the compiler's library does not know. */
const passkeys = /** @type {any} */ (window.PublicKeyCredential);
const device = /** @type {any} */ (navigator);

export const passkeysHere = () => Boolean(passkeys?.parseRequestOptionsFromJSON);

/** @param {Asked} asked */
export const showPasskey = asked => ask('get', passkeys.parseRequestOptionsFromJSON(asked.public_key));

export async function addPasskey() {
	const asked = await post('/factors/passkey/begin');
	const credential = await ask('create', passkeys.parseCreationOptionsFromJSON(asked.public_key));
	const answer = await post('/factors/passkey/finish', { name: device.userAgentData?.platform || 'Passkey', credential });
	setProof(answer.proof);
	return answer;
}

/** @param {'get' | 'create'} what @param {unknown} publicKey */
async function ask(what, publicKey) {
	try {
		return (await device.credentials[what]({ publicKey })).toJSON();
	} catch {
		throw new Problem({ code: 'refused', message: 'the passkey was not used', remedy: 'try again, or use another way' });
	}
}
