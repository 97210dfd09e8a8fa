/**
 * Which failures to connect are the URL's: no such host, no such database, a login that is refused, a certificate
 * that does not verify. The same URL fails again however long one waits, and whoever wrote it wants to hear that at
 * once. Everything else (a server that is away, a resolver that does not answer: EAI_AGAIN) may pass.
 *
 * A host name that does not resolve may pass too, once it has resolved before; only who asks for the first time
 * may call it wrong.
 */
import { describeDatabaseError } from './describe-error.js';

/** @returns completes "the database …", with the remedy; `undefined` when the URL may be right */
export function faultOfUrl(error: unknown, setting: string): string | undefined {
  const { code = '', message } = describeDatabaseError(error);
  switch (code) {
    case 'ENOTFOUND':
      return `cannot be found (no such host): correct the host in ${setting}.`;
    case '28P01':
      return `refuses the login: check the user and the password in ${setting}.`;
    case '28000':
      return `refuses the login: check the user in ${setting}, and pg_hba.conf on the server.`;
    case '3D000':
      return `does not exist: create it, or correct the name in ${setting}.`;
  }
  if (CERTIFICATE.test(code)) {
    return `shows a certificate that does not verify (${code}): give the file of the authority that signed it as sslrootcert in ${setting}, and the host name it was made for.`;
  }
  if (NO_TLS.test(message)) {
    return `has no TLS: remove sslmode from ${setting}, or turn TLS on in the server.`;
  }
  const { syscall, path } = error as Partial<NodeJS.ErrnoException>;
  if (syscall === 'open') {
    return `cannot be used (${code} for the file ${path}): correct sslrootcert, sslcert or sslkey in ${setting}.`;
  }
  return undefined;
}

/** OpenSSL's reasons, as Node names them. */
const CERTIFICATE = /^(CERT_|ERR_TLS_CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_(GET_ISSUER|VERIFY_LEAF))/;
/** `pg` has no code for it. */
const NO_TLS = /does not support SSL connections/;
