/** JSON.parse that refuses what it would take silently: keys that come twice; and nesting deeper than `depth`. */
export function strictJson(text: string, depth: number): unknown {
  const open: (Set<string> | undefined)[] = []; // the keys of each object, undefined for lists
  let key = false; // the next string is a key
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "{" || c === "[") {
      if (open.length >= depth) throw new SyntaxError(`nested deeper than ${depth}`);
      open.push(c === "{" ? new Set() : undefined);
      key = c === "{";
    } else if (c === "}" || c === "]") {
      open.pop();
      key = false;
    } else if (c === ",") key = open.at(-1) !== undefined;
    else if (c === '"') {
      const from = i++;
      let escaped = false;
      for (; i < text.length && text[i] !== '"'; i++)
        if (text[i] === "\\") {
          escaped = true;
          i++;
        }
      if (!key) continue;
      key = false;
      const word = text.slice(from, i + 1);
      const name = escaped ? (JSON.parse(word) as string) : word.slice(1, -1);
      if (open.at(-1)?.has(name)) throw new SyntaxError(`the key ${word.slice(0, 80)} comes twice`);
      open.at(-1)?.add(name);
    }
  }
  return JSON.parse(text);
}
