#!/usr/bin/env node
// `npm create tablecast my-app` is `tablecast init my-app`.
process.argv.splice(2, 0, 'init');
await import('tablecast/cli');
