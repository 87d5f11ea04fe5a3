// Loaded into a server started with --expose-gc: collects garbage on SIGWINCH, for the second memory figure.
process.on('SIGWINCH', () => {
  globalThis.gc();
  globalThis.gc();
});
