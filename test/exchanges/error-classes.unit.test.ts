import { describe, expect, it } from '@jest/globals';
import { MEANINGS, REFUSAL_REASONS } from '../../src/exchanges/refusal-reason.js';
import { reasonOf } from '../../src/exchanges/refusal-rules.js';
import { profileOf } from '../../src/exchanges/registry.js';

const meant = (exchange: string, code: string | number | undefined, message: string, status: number) =>
  reasonOf(profileOf(exchange), code === undefined ? undefined : String(code), message, status);

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
    [10020, 'your account is not a unified margin account', 200, 'account-mode'],
    [100028, 'The API cannot be accessed by unified account users.', 200, 'account-mode'],
    [10032, 'not in demo trading', 200, 'other-environment'],
    [10006, 'Too many visits!', 200, 'rate-limit'],
    [10018, 'Exceeded the IP rate limit', 200, 'rate-limit'],
    [10403, 'Exceed IP rate limit. 3000 requests per second per IP', 200, 'rate-limit'],
    [10429, 'System level frequency protection', 200, 'rate-limit'],
    [20003, 'Too frequent requests under the same session', 200, 'rate-limit'],
    [10019, 'ws trade service is restarting', 200, 'maintenance'],
    [403, 'Forbidden', 200, 'rate-limit'],
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
    expect(meant('BYBIT', code, message, status)).toBe(reason);
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
    [100410, 'The current system is busy, please try again later', 200, 'maintenance'],
    [401, 'Unauthorized', 200, 'key-unknown'],
    [403, 'Forbidden', 200, 'permission'],
    [404, 'api is not exist', 200, 'unknown'],
    [418, '', 200, 'banned'],
    [429, 'Too many requests', 200, 'rate-limit'],
    [503, 'Service Unavailable', 200, 'maintenance'],
    [429, 'Too many requests', 503, 'maintenance'],
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
    expect(meant('BINGX', code, message, status)).toBe(reason);
  });
});

describe('what the others mean by', () => {
  it.each<[string, string | undefined, string, number, string]>([
    ['BINANCE', '-1021', 'Timestamp for this request is outside of the recvWindow.', 400, 'timestamp'],
    ['BINANCE', '-1022', 'Signature for this request is not valid.', 400, 'signature'],
    ['BINANCE', '-2015', 'Invalid API-key, IP, or permissions for action.', 401, 'key-unknown'],
    ['BINANCE', '-1003', 'Way too much request weight used; IP banned until 1760000000000.', 418, 'banned'],
    ['BINANCE', '-1003', 'Too much request weight used', 429, 'rate-limit'],
    ['BINANCE', '-1007', 'Timeout waiting for response from backend server.', 408, 'maintenance'],
    ['BINANCE', '0', 'Service unavailable from a restricted location', 451, 'region'],
    ['OKX', '50102', 'Timestamp request expired', 401, 'timestamp'],
    ['OKX', '50112', 'Invalid OK-ACCESS-TIMESTAMP', 401, 'unknown'],
    ['OKX', '50113', 'Invalid Sign', 401, 'signature'],
    ['OKX', '50101', 'APIKey does not match current environment.', 401, 'other-environment'],
    ['OKX', '50011', 'Too Many Requests', 429, 'rate-limit'],
    ['OKX', '50004', 'API endpoint request timeout', 400, 'maintenance'],
    ['BITGET', '40008', 'Request timestamp expired', 400, 'timestamp'],
    ['BITGET', '40008', 'Request timestamp expired', 200, 'timestamp'],
    ['BITGET', '40005', 'Invalid ACCESS_TIMESTAMP', 400, 'unknown'],
    ['BITGET', '40010', 'Request timed out', 400, 'maintenance'],
    ['BITGET', '40012', 'apikey/password is incorrect', 400, 'signature'],
    ['KUCOIN', '400002', 'Invalid KC-API-TIMESTAMP', 400, 'timestamp'],
    ['KUCOIN', '400005', 'Invalid KC-API-SIGN', 401, 'signature'],
    ['KUCOIN', '429000', 'Too Many Requests', 429, 'rate-limit'],
    ['KUCOIN', undefined, '<html>', 503, 'maintenance'],
    ['KUCOIN', '429', 'Too Many Requests', 200, 'rate-limit'],
    ['BITGET', '500', 'System error', 200, 'maintenance'],
  ])('%s %p %p with HTTP %p: %s', (exchange, code, message, status, reason) => {
    expect(meant(exchange, code, message, status)).toBe(reason);
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
