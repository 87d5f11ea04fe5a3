import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const server = `http://127.0.0.1:${process.env.PORT ?? 9996}`;

export default defineConfig({
  plugins: [react()],
  // The server serves the build at /{{app_id}}/, and any other host can serve it elsewhere.
  base: './',
  // The Content-Security-Policy of the server allows no data: scripts, and files are cached.
  build: { outDir: 'web', assetsInlineLimit: 0 },
  server: {
    host: '127.0.0.1',
    // The application has the same address in development as behind the server.
    proxy: { '/{{app_id}}': { target: server, ws: true } },
  },
});
