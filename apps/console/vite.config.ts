import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** The page, built to files of its own beside the server's: `millrace console` serves them. */
export default defineConfig({
  root: 'page',
  plugins: [react()],
  build: {
    outDir: '../dist/page',
    emptyOutDir: true,
    // Scripts within the page would need a policy that lets scripts within pages run.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
});
