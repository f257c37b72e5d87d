/** Lets work run side by side and yields results as they come, in no particular order. */

/**
 * Starts `work` on each item as it arrives, at most `width` at a time, and yields what comes of each. When the caller
 * stops, or the items fail, the signal that `work` was given aborts and all work is waited for.
 */
export async function* inAnyOrder<Item, Result>(
  items: AsyncIterable<Item>,
  width: number,
  work: (item: Item, signal: AbortSignal) => Promise<Result>,
  outer: AbortSignal,
): AsyncGenerator<Result, void, void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  const source = items[Symbol.asyncIterator]();
  type Arrival =
    { readonly item: IteratorResult<Item, unknown> } | { readonly result: Result; readonly of: symbol };
  const running = new Map<symbol, Promise<Arrival>>();
  let incoming: Promise<Arrival> | undefined;
  let open = true;
  try {
    for (;;) {
      if (open && running.size < width) incoming ??= source.next().then((item) => ({ item }));
      const racing = [...running.values(), ...(incoming === undefined ? [] : [incoming])];
      if (racing.length === 0) return;
      const arrival = await Promise.race(racing);
      if ('item' in arrival) {
        incoming = undefined;
        if (arrival.item.done === true) open = false;
        else {
          const of = Symbol('work');
          running.set(
            of,
            work(arrival.item.value, signal).then((result) => ({ result, of })),
          );
        }
      } else {
        running.delete(arrival.of);
        yield arrival.result;
      }
    }
  } finally {
    stop.abort();
    await Promise.allSettled(running.values());
  }
}
