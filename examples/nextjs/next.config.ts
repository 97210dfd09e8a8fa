import { withConnectorState } from 'connector-state/next';
import type { NextConfig } from 'next';

const config: NextConfig = {};

// Keeps the packages out of the bundle, and lets all of their files be deployed.
export default withConnectorState(config);
