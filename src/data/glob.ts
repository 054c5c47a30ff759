import {FormatError} from '../errors.js';

/** Steps that matching all paths of a dataset with all its patterns may take: about a second. */
const MAX_STEPS = 1e8;

/** A pattern's parts: a character itself, `?` for one within a folder, `*` for some there, `**` for some anywhere. */
type Part = string | typeof ONE | typeof SOME | typeof ANY;
const ONE = Symbol('?');
const SOME = Symbol('*');
const ANY = Symbol('**');

/**
 * Matches paths with the patterns of a README. A regular expression made of one could take for ever (`**a**a**a**b`), as
 * in picomatch too; here each character of a path costs at most as many steps as the pattern has parts, and all steps
 * are counted.
 */
export class GlobMatcher {
  private steps = 0;

  /** @param where - what the patterns stand in, for messages */
  constructor(private readonly where: string) {}

  /** The paths that a pattern matches as a whole. @throws FormatError once all matching takes too long */
  filter(paths: readonly string[], glob: string): string[] {
    const parts = partsOf(glob);
    return paths.filter((path) => this.matches(parts, path));
  }

  private matches(parts: readonly Part[], path: string): boolean {
    // The places in the pattern at which what was read so far may have arrived.
    let places = closed(parts, new Set([0]));
    for (const character of path) {
      this.steps += 1 + places.size;
      if (this.steps > MAX_STEPS) {
        throw new FormatError(`${this.where}: its patterns of data files take too long to match.`);
      }
      const next = new Set<number>();
      for (const place of places) {
        const part = parts[place];
        if (part === ANY || (part === SOME && character !== '/')) next.add(place);
        else if (part === character || (part === ONE && character !== '/')) next.add(place + 1);
      }
      if (next.size === 0) return false;
      places = closed(parts, next);
    }
    return places.has(parts.length);
  }
}

/** Places, and those behind stars that stand there, which may match nothing. */
function closed(parts: readonly Part[], places: Set<number>): Set<number> {
  // Sets are iterated up to what is added meanwhile.
  for (const place of places) if (parts[place] === ANY || parts[place] === SOME) places.add(place + 1);
  return places;
}

function partsOf(glob: string): Part[] {
  const parts: Part[] = [];
  for (const [text] of glob.matchAll(/\*{2,}\/?|[^]/gu)) {
    if (text.startsWith('**')) parts.push(ANY);
    else parts.push(text === '*' ? SOME : text === '?' ? ONE : text);
  }
  return parts;
}
