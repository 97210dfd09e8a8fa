/** One class of a client is attached to one connector, once: two would measure, heal and send again each. */
import { InvalidInputError } from '../base/errors.js';
import { kindOf } from '../base/shown.js';

// biome-ignore lint/suspicious/noExplicitAny: any class at all.
type AnyClass = abstract new (...args: any[]) => object;

interface Attachment {
  /** For the message. */
  readonly what: string;
  /** The methods by which the class is known. */
  readonly needs: readonly string[];
}

const attachedTo = new WeakMap<object, WeakRef<object>>();
const subclassesOf = new WeakMap<object, WeakMap<object, object>>();

/**
 * @returns the subclass; the same one each time
 * @throws InvalidInputError
 */
export function attachOnce<C extends AnyClass>(
  connector: object,
  Client: C,
  { what, needs, extend }: Attachment & { readonly extend: () => C },
): C {
  checkClass(Client, what, needs);
  for (let each: object | null = Client; typeof each === 'function'; each = Object.getPrototypeOf(each)) {
    const owner = attachedTo.get(each)?.deref();
    if (owner === connector) return Client;
    if (attachedTo.has(each)) {
      throw new InvalidInputError(
        'attach() got a class that is attached to another connector already: attach the class of the SDK to each, and make a client of each',
      );
    }
  }
  let subclasses = subclassesOf.get(connector);
  if (!subclasses) {
    subclasses = new WeakMap();
    subclassesOf.set(connector, subclasses);
  }
  const known = subclasses.get(Client);
  if (known) return known as C;
  const made = extend();
  subclasses.set(Client, made);
  attachedTo.set(made, new WeakRef(connector));
  return made;
}

function checkClass(Client: unknown, what: string, needs: readonly string[]): void {
  const prototype = typeof Client === 'function' ? (Client.prototype as unknown) : undefined;
  const isFit = needs.every(
    name => typeof (prototype as Record<string, unknown> | undefined)?.[name] === 'function',
  );
  if (isFit) return;
  const got = typeof Client === 'function' ? `the class ${Client.name || 'without a name'}` : kindOf(Client);
  const hint = typeof Client === 'object' && Client !== null ? ', not a client made of it' : '';
  throw new InvalidInputError(`attach() needs the class ${what}${hint}; got ${got}`);
}
