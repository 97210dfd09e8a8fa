/** docs/api.md out of the API's description. `npm run docs:api` writes it, and a test holds it to what the service says. */

const HEAD = `# The HTTP API

Made from the service's own description by \`npm run docs:api\`; a running service has it at \`/v1/openapi.json\`, and to look through at \`/docs\`. Who may do what, and what a stolen key gives: [security.md](security.md). The codes of problems: [errors.md](errors.md).

- Times are epoch milliseconds, offsets and durations milliseconds.
- \`Authorization: Bearer <API key or JWT>\`. A token that is bound to a user sees that user and nothing else: 404.
- Writes carry an id of the caller's and may be repeated. They answer 201 when they are stored, 202 when they wait safely for an event store that is away.
- A \`position\` that a write answered makes a read wait for it: \`?atLeast=\`.
- 429 and 503 say in \`Retry-After\` when to come again.
- Lists come in pages: \`next\` is the \`cursor\` of the following one.

\`connector-state/client\` speaks this API from Node, Deno, Bun, Workers and browsers; of these only from pages of its own origin, for the service sends no CORS headers. A test runs it in Node, in workerd and in Chromium; Deno 2.9.6 and Bun 1.4.5 were tried by hand.
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
  return `${[HEAD, ...sections.flat()]
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
    body?.properties && fieldsOf(body),
    ...answers.map(([status, answer]) => answerText(status, answer)),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function answerText(status, { content = {} }) {
  const [type, { schema } = {}] = Object.entries(content)[0] ?? [];
  if (!schema) return `Answers ${status}${type ? `, \`${type}\`` : ''}.`;
  return [`Answers ${status}: ${typeOf(schema)}`, schema.properties && fieldsOf(schema)]
    .filter(Boolean)
    .join('\n\n');
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
