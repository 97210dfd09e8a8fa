/** How long one import takes in a process that has loaded nothing, and what it leaves in memory. */
import { answer, readTask } from './task.js';

const { specifier } = readTask<{ readonly specifier: string }>();
const startedMs = performance.now();
await import(specifier);
const importMs = performance.now() - startedMs;
answer({ importMs, rssMb: process.memoryUsage.rss() / 1e6 });
