/**
 * Wakering: operations of Linux's io_uring, awaited and cancelled from TypeScript.
 *
 * @module
 */

export { Lease } from './buffer.ts';
export type { CallOptions, Ops, Position } from './lane.ts';
export type { Capabilities, Feature, Metrics, SqpollState, Thresholds } from './metrics.ts';
export { LoadError } from './native.ts';
export { Op, type OpState } from './op.ts';
export type { OpenFile } from './open-file.ts';
export type { RuntimeOptions, SqpollOptions } from './options.ts';
export { defaultRuntime, Runtime } from './runtime.ts';
export type { Time } from './time/index.ts';
