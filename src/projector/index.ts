export type { AdoptedLog, AdoptLogOptions } from './adopt-log.js';
export type { CatchUpOptions, CatchUpResult } from './catch-up.js';
export type { ProjectorCounters } from './context.js';
export type { DeadLetter, Letters } from './dead-letters.js';
export type { RebuildProgress } from './fold-beside.js';
export type { Lag, ProjectionLag } from './lag.js';
export { createProjector, type Projector, type ProjectorOptions, type ReplayResult } from './projector.js';
export type {
  RebuildOptions,
  RebuildResult,
  VerifyOptions,
  VerifyResult,
} from './rebuild.js';
