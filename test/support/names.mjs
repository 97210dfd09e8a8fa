/**
 * `node --import ./test/support/names.mjs`: what the resolver answers, as no machine that runs tests can be made to. The
 * file that TEST_NAMES names holds JSON, by host name an address or the resolver's error code; it is read at every
 * question, so that a name can go and come back. Other names are resolved as ever.
 */
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { lookup, promises } = dns;
const lookupPromised = promises.lookup;

/** @returns an address, an error, or undefined for a name that is not ours */
function answerTo(host) {
  const said = JSON.parse(readFileSync(process.env.TEST_NAMES, 'utf8'))[host];
  if (said === undefined || said.includes('.')) return said;
  const error = new Error(`getaddrinfo ${said} ${host}`);
  return Object.assign(error, { code: said, errno: -3_008, syscall: 'getaddrinfo', hostname: host });
}

dns.lookup = (host, options, callback = options) => {
  const answer = answerTo(host);
  if (answer === undefined) return lookup(host, options, callback);
  if (answer instanceof Error) return process.nextTick(callback, answer);
  if (options?.all) return process.nextTick(callback, null, [{ address: answer, family: 4 }]);
  return process.nextTick(callback, null, answer, 4);
};

promises.lookup = async (host, options) => {
  const answer = answerTo(host);
  if (answer === undefined) return lookupPromised(host, options);
  if (answer instanceof Error) throw answer;
  return options?.all ? [{ address: answer, family: 4 }] : { address: answer, family: 4 };
};

syncBuiltinESMExports();
