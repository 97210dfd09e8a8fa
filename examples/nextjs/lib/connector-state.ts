import { type ConnectorState, createConnectorState } from 'connector-state';

let opened: Promise<ConnectorState> | undefined;

/**
 * One for the whole process: a warm function finds its memory tier and its connections again.
 * Settings come from the environment; DATABASE_URL is the one that production needs.
 */
export function connectorState(): Promise<ConnectorState> {
  opened ??= open();
  return opened;
}

async function open(): Promise<ConnectorState> {
  try {
    return await createConnectorState({ poolSize: 2 });
  } catch (error) {
    // Invalid settings, or no embedded database: the next request tries again.
    opened = undefined;
    throw error;
  }
}
