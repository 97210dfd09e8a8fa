import { describe, expect, it } from '@jest/globals';
import { classifyBingx } from '../../src/exchanges/bingx/error-classes.js';
import { classifyBybit } from '../../src/exchanges/bybit/error-classes.js';
import { MEANINGS, REFUSAL_REASONS } from '../../src/exchanges/refusal-reason.js';

const WINDOW =
  'invalid request, please check your server timestamp or recv_window param. req_timestamp[1],server_timestamp[2],recv_window[5000]';

describe('what Bybit means by', () => {
  it.each([
    [10002, WINDOW, 200, 'timestamp'],
    [10002, WINDOW, 403, 'timestamp'],
    [-1, 'request expired: o@0, now[] diff[]', 200, 'timestamp'],
    [-1, 'something else', 200, 'unknown'],
    [-2015, 'key expired', 200, 'key-expired'],
    [10003, 'API key is invalid.', 200, 'key-unknown'],
    [33004, 'Your api key has expired.', 200, 'key-expired'],
    [10004, 'error sign! origin_string[1760000000000timestamp]', 200, 'signature'],
    [10007, 'User authentication failed', 200, 'signature'],
    [10005, 'Permission denied', 200, 'permission'],
    [10008, 'banned', 200, 'account-suspended'],
    [10009, 'address banned', 200, 'banned'],
    [10010, 'Unmatched IP', 200, 'ip-whitelist'],
    [10024, 'compliance rules', 200, 'region'],
    [10028, 'unified account users only', 200, 'account-mode'],
    [10032, 'not in demo trading', 200, 'other-environment'],
    [10006, 'Too many visits!', 200, 'rate-limit'],
    [10018, 'Exceeded the IP rate limit', 200, 'rate-limit'],
    [429, 'high load', 200, 'maintenance'],
    [10016, 'Server error', 200, 'maintenance'],
    [10000, 'Server Timeout', 200, 'maintenance'],
    [10001, 'params error: timestamp invalid', 200, 'unknown'],
    [170001, 'new since this was written', 200, 'unknown'],
    [undefined, '', 401, 'key-unknown'],
    [undefined, 'access too frequent', 403, 'banned'],
    [undefined, '<html>configured to block access from your country</html>', 403, 'region'],
    [undefined, '<html><h1>403 Forbidden</h1></html>', 403, 'region'],
    [undefined, '', 403, 'permission'],
    [undefined, '', 451, 'region'],
    [undefined, '', 404, 'unknown'],
    [undefined, '', 429, 'rate-limit'],
    [undefined, '<html>', 500, 'maintenance'],
    [undefined, '<html>', 503, 'maintenance'],
    [0, 'OK', 503, 'maintenance'],
  ])('%p %p with HTTP %p: %s', (code, message, status, reason) => {
    expect(classifyBybit(code, message, status)).toBe(reason);
  });
});

describe('what BingX means by', () => {
  it.each([
    [100421, 'Null timestamp or timestamp mismatch, please check', 200, 'timestamp'],
    [100421, 'This pair is currently restricted from API trading', 200, 'permission'],
    [100421, 'Cannot be done for business reasons', 200, 'unknown'],
    [80014, 'Invalid parameters, err:timestamp is invalid', 200, 'timestamp'],
    [80014, 'Invalid parameters, err:symbol is invalid', 200, 'unknown'],
    [109400, 'timestamp is invalid', 200, 'timestamp'],
    [109400, 'Invalid parameters, recvWindow must be from 1 to 5000', 200, 'unknown'],
    [100001, 'Signature verification failed, timestamp=1', 200, 'signature'],
    [100413, 'Incorrect apiKey', 200, 'key-unknown'],
    [100412, 'Null signature', 200, 'signature'],
    [100414, 'abnormal account', 200, 'account-suspended'],
    [100419, 'your current request IP does not match IP whitelist', 200, 'ip-whitelist'],
    [100410, 'will be unblocked after 1760000000000', 200, 'rate-limit'],
    [100410, 'will be unblocked after 1760000000000', 429, 'rate-limit'],
    [109429, 'Too many requests', 200, 'rate-limit'],
    [100202, 'Insufficient balance', 200, 'unknown'],
    [100500, 'system busy', 200, 'maintenance'],
    [80012, 'service unavailable', 200, 'maintenance'],
    [999999, 'new since this was written', 200, 'unknown'],
    [undefined, '', 401, 'key-unknown'],
    [undefined, '', 403, 'permission'],
    [undefined, '<html>not available in your country</html>', 403, 'region'],
    [undefined, '', 418, 'banned'],
    [undefined, '', 429, 'rate-limit'],
    [undefined, '', 504, 'maintenance'],
  ])('%p %p with HTTP %p: %s', (code, message, status, reason) => {
    expect(classifyBingx(code, message, status)).toBe(reason);
  });
});

it('every reason has a class that events know, and a remedy', () => {
  for (const reason of REFUSAL_REASONS) {
    const { authClass, syncClass, remedy } = MEANINGS[reason];
    expect(['timestamp', 'credentials', 'permission', 'rate-limit', 'unknown']).toContain(authClass);
    expect(['refused', 'rate-limit', 'maintenance']).toContain(syncClass);
    expect(remedy.length).toBeGreaterThan(10);
  }
  // Only a clock may condemn a sync.
  expect(REFUSAL_REASONS.filter(reason => MEANINGS[reason].authClass === 'timestamp')).toEqual(['timestamp']);
});
