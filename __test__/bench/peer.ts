/** The program of a child that peers.ts starts. It imports nothing of Wakering. */

import { createInterface } from 'node:readline';
import { here } from './here.ts';
import { nodeKit } from './kits-node.ts';
import type { Contender } from './measure.ts';
import type { Answer, Order } from './peers.ts';
import { WrongContent } from './place.ts';

const name = process.argv[2] ?? 'peer';
const contenders = new Map<number, Contender>();

for await (const line of createInterface({ input: process.stdin })) {
  const answer: Answer = await obey(JSON.parse(line) as Order).catch(failure);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

async function obey(order: Order): Promise<Answer> {
  const { id } = order;
  if (order.order === 'prepare') {
    contenders.set(id, await here(order.work, nodeKit(name), order.place, order.depth));
    return {};
  }
  const contender = contenders.get(id);
  if (contender === undefined) throw new Error(`nothing was prepared as ${id}`);
  if (order.order === 'measure') return contender.measure(order.operations);
  contenders.delete(id);
  await contender.close();
  return {};
}

function failure(error: Error): Answer {
  return { error: error.message, isWrong: error instanceof WrongContent };
}
