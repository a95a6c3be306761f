/** The candidate that begins with the word, or is within two edits of it, if any. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const distance = (a: string, b: string): number => {
    let row = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++)
        next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
      row = next;
    }
    return row[b.length]!;
  };
  const begun = candidates.find((name) => name.startsWith(word));
  if (begun) return begun;
  const [best] = candidates.map((name) => ({ name, d: distance(word, name) })).sort((a, b) => a.d - b.d);
  return best && best.d <= 2 ? best.name : undefined;
}
