import { sharedConnectorState } from 'connector-state/next';

/**
 * The process's connector-state, the same for every page and route, and after an edit in `next dev`.
 * Settings come from the environment; DATABASE_URL is the one that production needs.
 */
export const connectorState = () => sharedConnectorState();
