/**
 * How the dashboard is built: `src/dashboard/app` into `dist/dashboard`, as files with names made of their contents.
 *
 * Addresses inside the page are relative, so it works under any prefix. Pages other than the first, and the plot
 * library with them, are files of their own that are loaded when they are opened.
 */
import { defineConfig } from 'vite';

export default defineConfig({
  root: new URL('app', import.meta.url).pathname,
  base: './',
  publicDir: false,
  build: {
    outDir: new URL('../../dist/dashboard', import.meta.url).pathname,
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    // Nothing as a data: address, which the page's policy would refuse.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    // Of what is bundled: their authors ask that it goes along.
    license: { fileName: 'licenses.md' },
    rolldownOptions: { checks: { pluginTimings: false } },
  },
});
