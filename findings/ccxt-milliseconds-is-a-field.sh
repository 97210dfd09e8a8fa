#!/usr/bin/env bash
# ccxt 4.5.84, Node 20: `milliseconds` and `seconds` of an exchange are fields of each instance, not methods of its class.
#
# A subclass that defines a method of that name, to put another clock under the exchange (websocket logins take their time
# from it: Bybit's from `milliseconds`, OKX's and Bitget's from `seconds`, and neither goes by the other), is shadowed in
# silence: the constructor of the base class assigns its own function to the instance. The method next to it that REST
# signatures go by, `nonce`, is an ordinary method and can be overridden. An own clock has to be assigned in the subclass's
# constructor, or be a field of the subclass.
#
# Output seen (2026-11):
#   milliseconds(): overridden as a method false, as a field true
#   seconds(): overridden as a method false
#   nonce(): overridden as a method true
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ccxt@4.5.84
cat >run.mjs <<'JS'
import ccxt from 'ccxt';

class AsMethods extends ccxt.bybit {
  milliseconds() {
    return 1;
  }
  seconds() {
    return 2;
  }
  nonce() {
    return 3;
  }
}
class AsField extends ccxt.bybit {
  milliseconds = () => 1;
}
const methods = new AsMethods();
const seen = {
  milliseconds: methods.milliseconds() === 1,
  field: new AsField().milliseconds() === 1,
  seconds: methods.seconds() === 2,
  nonce: methods.nonce() === 3,
};
console.log(`milliseconds(): overridden as a method ${seen.milliseconds}, as a field ${seen.field}`);
console.log(`seconds(): overridden as a method ${seen.seconds}`);
console.log(`nonce(): overridden as a method ${seen.nonce}`);
process.exit(!seen.milliseconds && seen.field && !seen.seconds && seen.nonce ? 0 : 1);
JS
node run.mjs
