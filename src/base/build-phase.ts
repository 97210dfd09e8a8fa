/**
 * Whether `next build` runs us. It executes code of an app to find out what can be made in advance, on a machine that may
 * be no machine of the deployment's; nothing is to be opened, migrated or started there.
 */
import { ConnectorStateError } from './errors.js';

/** Set by Next.js in its build, and in every worker of it. */
export const isBuildPhase = (env: NodeJS.ProcessEnv = process.env): boolean =>
  env.NEXT_PHASE === 'phase-production-build';

export const buildPhaseError = (): ConnectorStateError =>
  new ConnectorStateError(
    'BUILD_PHASE',
    'connector-state is not opened while `next build` runs: open it in a request, by `await sharedConnectorState()` of connector-state/next inside of a route handler, a page or an action, which are not made in advance then; not at the head of a module, and not in what is forced to be static',
  );
