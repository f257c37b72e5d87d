/** The containers of a judge that have a reason to be there, those that are just being made among them. */
export class Register {
  private readonly ids = new Set<string>();
  private readonly making = new Set<Promise<unknown>>();

  /** Makes a container, which is known as soon as anybody can see it. */
  async make<Container extends { readonly id: string }>(
    create: () => Promise<Container>,
  ): Promise<Container> {
    const made = create().then((container) => {
      this.ids.add(container.id);
      return container;
    });
    const settled = made.catch(() => undefined);
    this.making.add(settled);
    try {
      return await made;
    } finally {
      this.making.delete(settled);
    }
  }

  /** Says that it is gone. */
  forget(id: string): void {
    this.ids.delete(id);
  }

  /** Which of the ids that `list` finds were known neither before it looked nor after. */
  async strangers(list: () => Promise<readonly string[]>): Promise<readonly string[]> {
    const before = new Set(this.ids);
    const found = await list();
    await Promise.all(this.making);
    return [...new Set(found)].filter((id) => !before.has(id) && !this.ids.has(id));
  }
}
