/** Several streams as one. */

/**
 * Yields whatever comes first. When a stream throws, or the caller leaves, the others are told to `stop` and waited for.
 */
export async function* merged<T>(
  streams: readonly AsyncGenerator<T, void, void>[],
  stop: () => void,
): AsyncGenerator<T, void, void> {
  const nextOf = async (stream: AsyncGenerator<T, void, void>) => ({ stream, step: await stream.next() });
  const steps = new Map(streams.map((stream) => [stream, nextOf(stream)]));
  try {
    while (steps.size > 0) {
      const { stream, step } = await Promise.race(steps.values());
      if (step.done === true) {
        steps.delete(stream);
        continue;
      }
      steps.set(stream, nextOf(stream));
      yield step.value;
    }
  } finally {
    stop();
    await Promise.allSettled([...steps].flatMap(([stream, step]) => [step, stream.return()]));
  }
}
