/** Finds the contenders of a row, and makes them ready. */

import { here } from './here.ts';
import { fioCandidates, fioObstacle } from './fio.ts';
import { nodeKit } from './kits-node.ts';
import { wakeringKits } from './kits-wakering.ts';
import type { Driver, WakeringKit } from './kits-wakering.ts';
import { fastest } from './measure.ts';
import type { Contender } from './measure.ts';
import { findPeer, PeerProcess } from './peers.ts';
import type { Found, PeerName } from './peers.ts';
import { WrongContent } from './place.ts';
import type { Place } from './place.ts';
import type { ContenderName, Family } from './rows.ts';

/** Somebody who does not take part in a row, and why. */
export interface Absent {
  readonly contender: string;
  readonly why: string;
}

/** Milliseconds for each try, where the best of several settings is looked for. */
const TRY_MS = 60;

/** Everybody who may take part in a run. */
export class Contenders {
  readonly #driver: Driver;
  /** The driver that `auto` turned out to be. */
  readonly #actual: string;
  readonly #place: Place;
  readonly #found = new Map<PeerName, Found>();
  readonly #children = new Map<PeerName, PeerProcess>();
  #fioObstacle: string | undefined | null = null;

  constructor(driver: Driver, actual: string, place: Place) {
    this.#driver = driver;
    this.#actual = actual;
    this.#place = place;
  }

  /** Where a peer is. */
  peer(name: PeerName): Found {
    const found = this.#found.get(name) ?? findPeer(name);
    this.#found.set(name, found);
    return found;
  }

  /** Why fio cannot run here. */
  fioObstacle(): string | undefined {
    if (this.#fioObstacle === null) this.#fioObstacle = fioObstacle();
    return this.#fioObstacle;
  }

  /** Makes one ready, or says why not. */
  async make(name: ContenderName, family: Family, depth: number): Promise<Contender | Absent> {
    const why = this.#obstacle(name);
    if (why !== undefined) return { contender: name, why };
    const candidates: Contender[] = [];
    try {
      const depths = family.best === true ? family.depths : [depth];
      for (const depth of depths) candidates.push(...(await this.#at(name, family, depth)));
      if (candidates.length > 1) return await fastest(candidates, TRY_MS);
      const [only] = candidates;
      if (only === undefined) throw new Error('it has no settings');
      // The first operation says whether it can be done at all.
      await only.measure(1);
      return only;
    } catch (error) {
      if (error instanceof WrongContent) throw error;
      for (const candidate of candidates) await candidate.close();
      return { contender: name, why: (error as Error).message };
    }
  }

  #obstacle(name: ContenderName): string | undefined {
    if (name === 'fio') return this.fioObstacle();
    if (name === 'bun' || name === 'node-newest') return this.peer(name).obstacle;
    const isRing = name === 'wakering-ring' || name === 'wakering-sqpoll';
    return isRing && this.#actual !== 'uring' ? `the driver is ${this.#actual}` : undefined;
  }

  async #at(name: ContenderName, family: Family, depth: number): Promise<Contender[]> {
    const { work } = family;
    const place = this.#place;
    if (name === 'fio') return fioCandidates(place, depth, work === 'readDirect');
    const one =
      name === 'bun' || name === 'node-newest'
        ? await this.#child(name).contender(work, place, depth)
        : await this.#here(name, family, depth);
    return [family.best === true ? { ...one, settings: `${depth} at a time` } : one];
  }

  #here(name: ContenderName, { work }: Family, depth: number): Promise<Contender> {
    const place = this.#place;
    if (name === 'node') return here(work, nodeKit(name), place, depth);
    if (name === 'node-callback') return here('readCallback', nodeKit(name), place, depth);
    return here(work, wakeringKits[name as WakeringKit](this.#driver), place, depth);
  }

  #child(name: PeerName): PeerProcess {
    const { path = name } = this.peer(name);
    const child = this.#children.get(name) ?? new PeerProcess(name, path);
    this.#children.set(name, child);
    return child;
  }

  /** Ends the children. */
  end(): void {
    for (const child of this.#children.values()) child.end();
  }
}
