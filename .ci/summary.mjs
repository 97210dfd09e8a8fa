/**
 * Reads jest's own report and says what it counted: the skipped tests with their reasons (each stands in its
 * test's name), and as the last line the totals. Exits 1 when something failed or nothing ran.
 */
import { readFileSync } from 'node:fs';

const text = readFileSync(process.argv[2], 'utf8');
const report =
  text === ''
    ? {
        numPassedTests: 0,
        numFailedTests: 0,
        numPendingTests: 0,
        numTodoTests: 0,
        success: false,
        testResults: [],
      }
    : JSON.parse(text);

const tests = report.testResults.flatMap(file => file.assertionResults);
const skipped = tests.filter(test => test.status === 'pending' || test.status === 'todo');
const brokenFiles = report.testResults.filter(
  file => file.status === 'failed' && file.assertionResults.every(test => test.status !== 'failed'),
);

const say = line => process.stdout.write(`${line}\n`);

for (const test of skipped) say(`skipped: ${test.fullName}`);
for (const file of brokenFiles) say(`did not run: ${file.name}`);
say(
  `tests: ${report.numPassedTests} passed, ${report.numFailedTests} failed, ` +
    `${report.numPendingTests + report.numTodoTests} skipped`,
);
process.exitCode = report.success && report.numPassedTests > 0 ? 0 : 1;
