/** What a user's bundler makes of connector-state/edge. It fails where something of Node is needed. */
import { build } from 'esbuild';

/** @param entry source of a module; `edge` in it stands for the package's entry point */
export async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: process.cwd(), loader: 'ts' },
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    alias: { edge: './src/edge/index.ts' },
    logLevel: 'silent',
  });
  return outputFiles[0]?.text ?? '';
}
