/**
 * Answers are checked against their schema before they are sent, which also keeps anything out of them that the schema
 * does not name. On the way of lookups that check cost as much as the lookup; their answers are built field by field from
 * checked states, and a test holds them to the schema.
 */
import type { FastifySerializerCompiler } from 'fastify/types/schema.js';

export const plainJson: FastifySerializerCompiler<unknown> = () => data => JSON.stringify(data);
