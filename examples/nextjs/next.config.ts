import type { NextConfig } from 'next';

const config: NextConfig = {
  // Loaded by Node as they are: bundled and minified they lose class names and files that they load by path.
  serverExternalPackages: ['connector-state', 'bingx-api', 'bybit-api', 'pg', 'typeorm'],
};

export default config;
