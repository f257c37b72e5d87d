/** Running means and maxima of named figures, in float64. */
export class Means {
  private readonly figures = new Map<string, { sum: number; count: number; largest: number }>();

  add(name: string, value: number): void {
    const figure = this.figures.get(name);
    if (figure === undefined) this.figures.set(name, { sum: value, count: 1, largest: value });
    else {
      figure.sum += value;
      figure.count += 1;
      figure.largest = Math.max(figure.largest, value);
    }
  }

  /** Mean of each figure under its name; figures that were never added are not there. */
  means(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.figures].map(([name, { sum, count }]) => [name, sum / count]));
  }

  /** Largest value of a figure; absent when it was never added. */
  largest(name: string): number | undefined {
    return this.figures.get(name)?.largest;
  }
}
