// Tests are compiled first (`npm test` does it); ava runs the JavaScript, one process per file,
// because an addon that owns kernel rings wants a process of its own.
export default {
  files: ['.build/__test__/**/*.test.js'],
  workerThreads: false,
  // Timing tests share the machine with at most one other file.
  concurrency: 2,
  timeout: '5m',
  failWithoutAssertions: true,
  // Some tests collect buffers in mid-flight.
  nodeArguments: ['--expose-gc'],
};
