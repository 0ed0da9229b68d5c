/** A queue: first in, first out, in an array that is read from a moving start. */

/** See the module's text. */
export class Fifo<T extends object> {
  #items: (T | undefined)[] = [];
  #start = 0;
  #size = 0;

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** Adds one at the end. */
  push(item: T): void {
    this.#items.push(item);
    this.#size += 1;
  }

  /** Takes the first, or `undefined` where nothing waits. */
  shift(): T | undefined {
    while (this.#start < this.#items.length) {
      const item = this.#items[this.#start];
      this.#items[this.#start] = undefined;
      this.#start += 1;
      if (item !== undefined) {
        this.#size -= 1;
        this.#compact();
        return item;
      }
    }
    this.#compact();
    return undefined;
  }

  /** Takes one out, wherever it stands. Whether it was there. */
  remove(item: T): boolean {
    const place = this.#items.indexOf(item, this.#start);
    if (place === -1) return false;
    this.#items[place] = undefined;
    this.#size -= 1;
    return true;
  }

  /** Forgets what was taken when it is the larger half: each item is moved once on average. */
  #compact(): void {
    if (this.#start > 64 && this.#start * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
  }
}
