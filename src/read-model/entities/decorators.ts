/**
 * The one place that loads TypeORM. By `require`: it is an optional peer, and an import that fails at the head of a module can
 * be explained by nobody. Its ES module hands out what this one does, so that a class is one class for who imports it.
 */
import { createRequire } from 'node:module';
import type * as TypeOrm from 'typeorm';
import { requireOptional } from '../../base/optional-package.js';

// At the top and under this name: so the file tracers of serverless platforms recognise what is required below.
const require = createRequire(import.meta.url);

export const { Check, Column, Entity, Index, PrimaryColumn, PrimaryGeneratedColumn, Unique } =
  requireOptional('connector-state/typeorm', () => require('typeorm') as typeof TypeOrm);
