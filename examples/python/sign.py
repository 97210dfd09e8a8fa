"""A signed request to Bybit by the time that the service tells: Python 3.8 or newer, nothing to install.

    CONNECTOR_STATE_URL=http://127.0.0.1:7077 CONNECTOR_STATE_KEY=cs_... \
      BYBIT_API_KEY=... BYBIT_API_SECRET=... python3 sign.py

The arithmetic is that of docs/api.md#signing-from-any-language. Times are milliseconds.
"""
import hashlib
import hmac
import json
import os
import time
import urllib.request
import uuid

WINDOW_MS, EARLY_MS = 5000, 1000  # Bybit's, from docs/exchanges.md
ASSUMED_PPM = 50  # how fast two clocks may part, where nothing is known of it


def own_ms():
    """A clock that nobody sets and that goes on while the machine sleeps: only its differences matter."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.monotonic() if boot is None else time.clock_gettime(boot)) * 1000


def link_of(reference, sent_ms, received_ms):
    """Reference minus own clock: (offset, uncertainty, own time). However long the answer took, it lies within."""
    low = reference["sentAtMs"] - reference["uncertaintyMs"] - received_ms
    high = reference["receivedAtMs"] + reference["uncertaintyMs"] - sent_ms
    return (low + high) / 2, max(0.0, (high - low) / 2), received_ms


def exchange_time(state, link, now_ms):
    """The exchange's time now: (time, uncertainty)."""
    offset, uncertainty, linked_ms = link
    reference_ms = now_ms + offset
    age_ms = reference_ms - state["measuredAtMs"]
    return (
        reference_ms + state["offsetMs"] + age_ms * state["ratePpm"] / 1e6,
        uncertainty
        + state["uncertaintyMs"]
        + abs(age_ms) * state["rateBoundPpm"] / 1e6
        + abs(now_ms - linked_ms) * ASSUMED_PPM / 1e6,
    )


def timestamp(state, link, now_ms):
    """What to sign: never too early for the exchange, wherever within its bounds the time is; None: not known well enough."""
    at_ms, uncertainty = exchange_time(state, link, now_ms)
    placed = at_ms - max(0.0, uncertainty - EARLY_MS)
    if at_ms + uncertainty - placed > WINDOW_MS / 2:  # the other half is left for the request's way
        return None
    return int(placed)


class Service:
    def __init__(self, url, key):
        self.url, self.key = url.rstrip("/"), key

    def call(self, method, path, body=None):
        headers = {"content-type": "application/json"} if body is not None else {}
        if self.key:
            headers["authorization"] = "Bearer " + self.key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def clock(self, connector):
        """A state of the connector, or of its exchange's clock, and the link to what it is relative to; None: nothing is known."""
        nonce = uuid.uuid4().hex
        path = "/v1/connectors/{exchange}/{environment}/{userId}/{credentialId}/state".format(
            **{name: urllib.request.quote(value, safe="") for name, value in connector.items()}
        )
        sent_ms = own_ms()
        answer = self.call("GET", path + "?nonce=" + nonce)
        received_ms = own_ms()
        state, reference = answer.get("state", answer.get("exchangeClock")), answer.get("reference")
        # Another's nonce: a cache answered, and its times are not those of this request.
        if not state or not reference or answer.get("nonce") != nonce:
            return None
        if state["referenceClock"] != reference["clock"]:
            return None
        return state, link_of(reference, sent_ms, received_ms)

    def warm_up(self, connector):
        self.call("POST", "/v1/warm-ups", {"connectors": [connector]})


def signed_get(base, path, query, key, secret, stamp):
    text = "{}{}{}{}".format(stamp, key, WINDOW_MS, query)
    headers = {
        "X-BAPI-API-KEY": key,
        "X-BAPI-TIMESTAMP": str(stamp),
        "X-BAPI-RECV-WINDOW": str(WINDOW_MS),
        "X-BAPI-SIGN": hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
    }
    url = base + path + ("?" + query if query else "")
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return json.load(answer)


def main():
    service = Service(os.environ["CONNECTOR_STATE_URL"], os.environ.get("CONNECTOR_STATE_KEY"))
    connector = {"exchange": "BYBIT", "environment": "MAINNET", "userId": "alice", "credentialId": "bybit-main"}
    known = service.clock(connector)
    if known is None:
        service.warm_up(connector)
    for _ in range(50):  # what was measured is seen a moment later
        known = known or service.clock(connector)
        if known:
            break
        time.sleep(0.1)
    stamp = known and timestamp(*known, own_ms())
    if stamp is None:
        raise SystemExit("the exchange's time is not known well enough: ask again")
    key, secret = os.environ["BYBIT_API_KEY"], os.environ["BYBIT_API_SECRET"]
    base = os.environ.get("BYBIT_BASE_URL", "https://api.bybit.com")
    answer = signed_get(base, "/v5/user/query-api", "", key, secret, stamp)
    print(json.dumps({"retCode": answer["retCode"], "retMsg": answer["retMsg"]}))


if __name__ == "__main__":
    main()
