/** Calls the handler of the example twice, as Lambda does: once cold, once after the environment was frozen for an hour. */
import { handler } from '../../examples/aws-lambda/handler.mjs';

const say = answer => process.stdout.write(`${JSON.stringify(answer)}\n`);
say(await handler({}));
// A freeze stops the monotonic clock, and not the wall clock.
const wall = Date.now;
Date.now = () => wall() + 3_600_000;
say(await handler({}));
// Lambda does not end a process that is idle, it stops it.
process.exit(0);
