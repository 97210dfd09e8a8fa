import { describe, expect, it } from '@jest/globals';
import { classifyBingx } from '../../src/exchanges/bingx/error-classes.js';
import { classifyBybit } from '../../src/exchanges/bybit/error-classes.js';

const WINDOW =
  'invalid request, please check your server timestamp or recv_window param. req_timestamp[1],server_timestamp[2],recv_window[5000]';

describe('what Bybit means by', () => {
  it.each([
    [10002, WINDOW, 200, 'timestamp', 'refused'],
    [-1, 'request expired: o@0, now[] diff[]', 200, 'timestamp', 'refused'],
    [-1, 'something else', 200, 'unknown', 'refused'],
    [10003, 'API key is invalid.', 200, 'credentials', 'refused'],
    [33004, 'Your api key has expired.', 200, 'credentials', 'refused'],
    [10004, 'error sign! origin_string[1760000000000timestamp]', 200, 'credentials', 'refused'],
    [10005, 'Permission denied', 200, 'permission', 'refused'],
    [10010, 'Unmatched IP', 200, 'permission', 'refused'],
    [10006, 'Too many visits!', 200, 'rate-limit', 'rate-limit'],
    [10018, 'Exceeded the IP rate limit', 200, 'rate-limit', 'rate-limit'],
    [10016, 'Server error', 200, 'unknown', 'maintenance'],
    [10000, 'Server Timeout', 200, 'unknown', 'maintenance'],
    [10001, 'params error: timestamp invalid', 200, 'unknown', 'refused'],
    [170001, 'new since this was written', 200, 'unknown', 'refused'],
    [undefined, '', 401, 'credentials', 'refused'],
    [undefined, 'access too frequent', 403, 'rate-limit', 'rate-limit'],
    [undefined, '<html>configured to block access from your country</html>', 403, 'permission', 'refused'],
    [undefined, '', 404, 'unknown', 'refused'],
    [undefined, '', 429, 'rate-limit', 'rate-limit'],
    [undefined, '<html>', 500, 'unknown', 'maintenance'],
    [undefined, '<html>', 503, 'unknown', 'maintenance'],
    [0, 'OK', 503, 'unknown', 'maintenance'],
    [10002, WINDOW, 403, 'timestamp', 'refused'],
  ])('%p %p with HTTP %p: %s, %s', (code, message, status, authClass, syncClass) => {
    expect(classifyBybit(code, message, status)).toEqual({ authClass, syncClass });
  });
});

describe('what BingX means by', () => {
  it.each([
    [100421, 'Null timestamp or timestamp mismatch, please check', 200, 'timestamp', 'refused'],
    [100421, 'This pair is currently restricted from API trading', 200, 'permission', 'refused'],
    [100421, 'Cannot be done for business reasons', 200, 'unknown', 'refused'],
    [80014, 'Invalid parameters, err:timestamp is invalid', 200, 'timestamp', 'refused'],
    [80014, 'Invalid parameters, err:symbol is invalid', 200, 'unknown', 'refused'],
    [109400, 'timestamp is invalid', 200, 'timestamp', 'refused'],
    [109400, 'Invalid parameters, recvWindow must be from 1 to 5000', 200, 'unknown', 'refused'],
    [100001, 'Signature verification failed, timestamp=1', 200, 'credentials', 'refused'],
    [100413, 'Incorrect apiKey', 200, 'credentials', 'refused'],
    [100412, 'Null signature', 200, 'credentials', 'refused'],
    [100419, 'your current request IP does not match IP whitelist', 200, 'permission', 'refused'],
    [100410, 'will be unblocked after 1760000000000', 200, 'rate-limit', 'rate-limit'],
    [100410, 'will be unblocked after 1760000000000', 429, 'rate-limit', 'rate-limit'],
    [100500, 'system busy', 200, 'unknown', 'maintenance'],
    [80012, 'service unavailable', 200, 'unknown', 'maintenance'],
    [999999, 'new since this was written', 200, 'unknown', 'refused'],
    [undefined, '', 401, 'credentials', 'refused'],
    [undefined, '', 403, 'permission', 'refused'],
    [undefined, '', 418, 'rate-limit', 'rate-limit'],
    [undefined, '', 429, 'rate-limit', 'rate-limit'],
    [undefined, '', 504, 'unknown', 'maintenance'],
  ])('%p %p with HTTP %p: %s, %s', (code, message, status, authClass, syncClass) => {
    expect(classifyBingx(code, message, status)).toEqual({ authClass, syncClass });
  });
});
