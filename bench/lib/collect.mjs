// Loaded into a server started with --expose-gc: collects garbage on SIGUSR2, for the second memory figure.
process.on('SIGUSR2', () => {
  globalThis.gc();
  globalThis.gc();
});
