/** docs/api.md out of the API's description. `npm run docs:api` writes it, and a test holds it to what the service says. */

const HEAD = `# The HTTP API

Made from the service's own description by \`npm run docs:api\`; a running service has it at \`/v1/openapi.json\`, and to look through at \`/docs\`. Who may do what, and what a stolen key gives: [security.md](security.md). The codes of problems: [errors.md](errors.md).

- Times are epoch milliseconds, offsets and durations milliseconds.
- \`Authorization: Bearer <API key or JWT>\`. A token that is bound to a user sees that user and nothing else: 404.
- Writes carry an id of the caller's and may be repeated. They answer 201 when they are stored, 202 when they wait safely for an event store that is away.
- A \`position\` that a write answered makes a read wait for it: \`?atLeast=\`.
- 429 and 503 say in \`Retry-After\` when to come again.
- Lists come in pages: \`next\` is the \`cursor\` of the following one.

\`connector-state/client\` speaks this API from Node, Deno, Bun, Workers and browsers; of these only from pages of its own origin, for the service sends no CORS headers. A test runs it in Node, in workerd and in Chromium; Deno 2.9.6 and Bun 1.4.5 were tried by hand. [examples/python/sign.py](../examples/python/sign.py) does it from Python, and a test runs it.

Bodies are JSON in UTF-8, not compressed, with \`Content-Type: application/json\`; \`null\` is a value, not a field that is left out.

## Signing, from any language

A state's offset is relative to a **reference clock**, the database's, and a caller has another. So each answer to \`GET …/state\` and \`POST /v1/states\` is a sample of that clock: \`reference\` says when the request came and when the answer left. Note your own clock's time before you send (\`sent\`) and when the answer is there (\`received\`); take a clock that nobody sets (\`CLOCK_BOOTTIME\`, \`time.monotonic()\`), for only its differences matter. Then

1. Send a new \`nonce\`. An answer that has another came out of a cache: its times are not those of your request.
2. \`reference.clock\` must be the state's \`referenceClock\`. Without a \`reference\` the database could not be asked: ask again.
3. Reference minus own clock lies between \`low = reference.sentAtMs − reference.uncertaintyMs − received\` and \`high = reference.receivedAtMs + reference.uncertaintyMs − sent\`; \`link = (low + high) / 2\`, off by at most \`(high − low) / 2\`. The round trip is in it: an answer that took 5 s has some ±2.5 s. Ask again rather than sign by that.
4. At your time \`now\`: \`age = now + link − measuredAtMs\`. The exchange's time is \`now + link + offsetMs + age × ratePpm / 10⁶\`, off by at most \`u = (high − low) / 2 + uncertaintyMs + |age| × rateBoundPpm / 10⁶ + (now − received) × 50 / 10⁶\`.
5. Sign for that time, less \`u −\` the [exchange's early limit](exchanges.md) where that is above 0. Then it is never too early, and late by at most \`2 u\` or \`u\` plus the limit, whichever is more than the way there: if that is half of the window and more, ask again first.
6. A link is kept and used again: it grows by the last term of 4. Ask for the state anew when \`now + link\` has come to \`expiresAtMs\`, or when the exchange refuses the timestamp (tell that to \`…/auth-failures\`, and condemn the \`syncId\` by \`…/invalidations\` if the clock, and not the way, was at fault).

A miss may carry \`exchangeClock\`, which is used in the same way. Where nothing is known, \`POST /v1/warm-ups\` has the clock measured. Who measures it himself and records it with \`…/syncs\` tells \`offsetMs\` relative to the reference clock too, and names that as \`referenceClock\`: what is relative to a clock of your own (\`host:…\`) is of no use to anybody else.

\`GET /v1/clock/…\` needs less arithmetic, and tells less: when its answer left, the exchange's clock was between \`now.earliestMs\` and \`now.latestMs\`. When you have it, it is between \`earliestMs\` and \`latestMs + (received − sent) − (server.sentAtMs − server.receivedAtMs)\`.
`;

/** @param {object} api OpenAPI 3.1 */
export function toMarkdown(api) {
  const byTag = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const [tag = 'other'] = operation.tags ?? [];
      byTag.set(tag, [...(byTag.get(tag) ?? []), { path, method: method.toUpperCase(), ...operation }]);
    }
  }
  const sections = [...byTag].map(([tag, operations]) => [
    `## ${tag[0].toUpperCase()}${tag.slice(1)}`,
    ...operations.map(operationText),
  ]);
  return `${[HEAD, ...sections.flat(), ...objectTexts(api)]
    .join('\n\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}

function operationText(operation) {
  const { method, path, summary, description, parameters = [], requestBody, responses = {} } = operation;
  const roles = (operation['x-roles'] ?? []).map(role => `\`${role}\``).join(', ');
  const body = Object.values(requestBody?.content ?? {})[0]?.schema;
  const answers = Object.entries(responses).filter(([status]) => !/xx$/i.test(status));
  return [
    `### ${method} ${path}`,
    `${summary ?? ''}${summary ? '. ' : ''}Roles: ${roles}.`,
    description,
    parameters.length > 0 &&
      tableOf(
        parameters.map(each => [
          each.name,
          each.in,
          each.schema,
          each.required,
          each.description ?? each.schema?.description,
        ]),
      ),
    body && `Body: ${typeOf(body)}${body.description ? `. ${body.description}` : ''}`,
    ...tablesOf(body),
    ...answers.map(([status, answer]) => answerText(status, answer)),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function answerText(status, { content = {} }) {
  const [type, { schema } = {}] = Object.entries(content)[0] ?? [];
  if (!schema) return `Answers ${status}${type ? `, \`${type}\`` : ''}.`;
  return [`Answers ${status}: ${typeOf(schema)}`, ...tablesOf(schema)].join('\n\n');
}

/** Of an object its fields; of what is one of several objects those of each. */
const tablesOf = (schema = {}) =>
  [schema, ...eitherOf(schema)].filter(({ properties }) => properties).map(fieldsOf);

const eitherOf = ({ oneOf, anyOf }) => oneOf ?? anyOf ?? [];

/** Objects inside of objects, each once, under all the names of fields that hold one. */
function objectTexts(api) {
  const found = new Map();
  const look = (schema = {}, name) => {
    for (const each of [schema.items, ...eitherOf(schema)]) if (each) look(each, name);
    const { properties } = schema;
    if (!properties) return;
    // Of a fact the envelope is told where it is recorded alone; its data are what differs.
    const type =
      properties.type?.const ?? (properties.type?.enum?.length === 1 ? properties.type.enum[0] : undefined);
    if (name !== undefined && type === undefined) {
      const key = JSON.stringify(properties);
      found.set(key, { schema, names: (found.get(key)?.names ?? new Set()).add(name) });
    }
    for (const [field, inner] of Object.entries(properties)) {
      look(inner, `\`${field}\`${type === undefined ? '' : ` of ${type}`}`);
    }
  };
  for (const operation of Object.values(api.paths).flatMap(methods => Object.values(methods))) {
    const parts = [operation.requestBody, ...Object.values(operation.responses ?? {})];
    for (const part of parts) look(Object.values(part?.content ?? {})[0]?.schema);
  }
  const texts = [...found.values()].map(
    ({ schema, names }) => `### ${[...names].join(', ')}\n\n${fieldsOf(schema)}`,
  );
  return texts.length > 0 ? ['## Objects in bodies and answers', ...texts] : [];
}

const fieldsOf = ({ properties, required = [] }) =>
  tableOf(
    Object.entries(properties).map(([name, schema]) => [
      name,
      undefined,
      schema,
      required.includes(name),
      schema.description,
    ]),
  );

function tableOf(rows) {
  const hasPlace = rows.some(([, place]) => place !== undefined);
  const head = ['name', ...(hasPlace ? ['in'] : []), 'type', 'needed', ''];
  const lines = rows.map(([name, place, schema, needed, description]) => [
    `\`${name}\``,
    ...(hasPlace ? [place] : []),
    typeOf(schema),
    needed ? 'yes' : '',
    cell(description ?? ''),
  ]);
  return [head, head.map(() => '---'), ...lines].map(line => `| ${line.join(' | ')} |`).join('\n');
}

const cell = text => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function typeOf(schema = {}) {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return schema.enum.map(each => `\`${each}\``).join(' ');
  const either = schema.oneOf ?? schema.anyOf;
  if (either) return [...new Set(either.map(typeOf))].join(' or ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items)}`;
  if (schema.type === 'object') {
    const fields = Object.keys(schema.properties ?? {});
    return fields.length > 0 ? `object: ${fields.map(name => `\`${name}\``).join(' ')}` : 'object';
  }
  if (schema.type === 'integer' || schema.type === 'number') return `${schema.type}${rangeOf(schema)}`;
  return String(schema.format ?? schema.type ?? 'any');
}

function rangeOf({ minimum, maximum, default: fallback }) {
  const isTold = value => value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER;
  const range =
    isTold(minimum) || isTold(maximum)
      ? ` ${isTold(minimum) ? minimum : ''}–${isTold(maximum) ? maximum : ''}`
      : '';
  return `${range}${fallback === undefined ? '' : `, ${fallback} unless given`}`;
}
