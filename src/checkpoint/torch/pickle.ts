import {isUtf8} from 'node:buffer';
import {FormatError, quoted, UnsupportedError} from '../../errors.js';
import {Op, opName} from './pickle-opcodes.js';

/** The longest pickle that is read; the largest OPT's has a hundredth of it. */
export const MAX_PICKLE_BYTES = 16 << 20;

/** The most operations carried out, which bounds the objects that they make; the largest OPT takes 70,000. */
const MAX_OPERATIONS = 500_000;

/** What the pickles of one format may name, and what those names do here. */
export interface PickleRules {
  /** Whether a global (`module.name`) may occur at all. */
  knows(global: string): boolean;
  /** What calling a global with these arguments gives. @throws FormatError where they do not fit */
  call(global: string, args: readonly unknown[]): unknown;
  /** What a persistent id stands for. @throws FormatError where it is of no known form */
  persistent(id: unknown): unknown;
}

/** A function or class of Python, which is never more than its name here. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}

/** A list of Python; a tuple is an array here. */
export class PickleList {
  readonly items: unknown[] = [];
}

/** A pickle that goes on past the bytes that were given. */
export class PickleEndError extends FormatError {}

/** A value, and where the bytes after its pickle begin. */
export interface Unpickled {
  value: unknown;
  end: number;
}

/**
 * Reads one pickle of protocol 2 to 5, with the operations that dicts, lists, tuples, strings and numbers need and
 * no others. It names Python's functions but none is there to be called: `rules` says which names may occur and
 * what stands in for them. Dicts become Maps, tuples arrays, whole numbers beyond 2^53 bigints.
 * @param where - what is read, for error messages
 * @throws UnsupportedError for an operation or name that is not known, FormatError for a broken pickle and its
 *   subclass PickleEndError for one that is cut off
 */
export function unpickle(bytes: Buffer, start: number, rules: PickleRules, where: string): Unpickled {
  return new Unpickler(bytes, start, rules, where).run();
}

/** The sentence for what a pickle may not hold. */
const refused = (what: string): string =>
  `${what}, which no model's weights need; the file may try to run code. Nothing of it was executed; take the weights from a source you trust, as safetensors if there are any`;

class Unpickler {
  /** The stack, cut at its marks: the last part is the one above the topmost mark. */
  private readonly parts: unknown[][] = [[]];
  private readonly memo = new Map<number, unknown>();

  constructor(
    private readonly bytes: Buffer,
    private at: number,
    private readonly rules: PickleRules,
    private readonly where: string,
  ) {}

  run(): Unpickled {
    const protocol = this.byte() === Op.PROTO ? this.byte() : 0;
    if (protocol < 2 || protocol > 5) throw this.broken('it does not begin as a pickle of protocol 2 to 5');
    for (let operations = 0; ; operations++) {
      if (operations === MAX_OPERATIONS) throw this.broken(`it has more than ${MAX_OPERATIONS} operations`);
      const op = this.byte();
      if (op === Op.STOP) break;
      this.execute(op);
    }
    const [stack, ...above] = this.parts;
    if (above.length > 0 || stack!.length !== 1) throw this.broken('it ends with no single value');
    return {value: stack![0], end: this.at};
  }

  private execute(op: number): void {
    switch (op) {
      case Op.FRAME:
        // Frames only help to read ahead.
        return void this.uint64();
      case Op.NONE:
        return this.push(null);
      case Op.NEWTRUE:
        return this.push(true);
      case Op.NEWFALSE:
        return this.push(false);
      case Op.BININT:
        return this.push(this.take(4).readInt32LE());
      case Op.BININT1:
        return this.push(this.byte());
      case Op.BININT2:
        return this.push(this.take(2).readUInt16LE());
      case Op.LONG1:
        return this.push(this.long());
      case Op.BINFLOAT:
        return this.push(this.take(8).readDoubleBE());
      case Op.SHORT_BINUNICODE:
      case Op.SHORT_BINSTRING:
        return this.push(this.text(this.byte()));
      case Op.BINUNICODE:
        return this.push(this.text(this.take(4).readUInt32LE()));
      case Op.BINUNICODE8:
        return this.push(this.text(this.uint64()));
      case Op.EMPTY_DICT:
        return this.push(new Map<unknown, unknown>());
      case Op.EMPTY_LIST:
        return this.push(new PickleList());
      case Op.EMPTY_TUPLE:
        return this.push([]);
      case Op.TUPLE1:
        return this.push(this.popLast(1));
      case Op.TUPLE2:
        return this.push(this.popLast(2));
      case Op.TUPLE3:
        return this.push(this.popLast(3));
      case Op.TUPLE:
        return this.push(this.popToMark());
      case Op.MARK:
        return void this.parts.push([]);
      case Op.APPEND:
        return this.append(this.popLast(1));
      case Op.APPENDS:
        return this.append(this.popToMark());
      case Op.SETITEM:
        return this.setItems(this.popLast(2));
      case Op.SETITEMS:
        return this.setItems(this.popToMark());
      case Op.BINPUT:
        return void this.memo.set(this.byte(), this.top());
      case Op.LONG_BINPUT:
        return void this.memo.set(this.take(4).readUInt32LE(), this.top());
      case Op.MEMOIZE:
        return void this.memo.set(this.memo.size, this.top());
      case Op.BINGET:
        return this.push(this.recall(this.byte()));
      case Op.LONG_BINGET:
        return this.push(this.recall(this.take(4).readUInt32LE()));
      case Op.GLOBAL:
        return this.push(this.global(this.line(), this.line()));
      case Op.STACK_GLOBAL: {
        const [module, name] = this.popLast(2);
        return this.push(this.global(module, name));
      }
      case Op.BINPERSID:
        return this.push(this.rules.persistent(this.popLast(1)[0]));
      case Op.REDUCE:
        return this.reduce();
      case Op.BUILD:
        return this.build();
      default:
        throw new UnsupportedError(
          `${this.where}: ${refused(`the pickle uses the operation ${opName(op)}`)}.`,
        );
    }
  }

  private global(module: unknown, name: unknown): PickleGlobal {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.broken('a global has no name');
    const global = `${module}.${name}`;
    if (this.rules.knows(global)) return new PickleGlobal(global);
    throw new UnsupportedError(`${this.where}: ${refused(`the pickle asks for ${quoted(global)}`)}.`);
  }

  private reduce(): void {
    const [callable, args] = this.popLast(2);
    if (!(callable instanceof PickleGlobal && Array.isArray(args))) {
      throw this.broken('it calls what is no function');
    }
    this.push(this.rules.call(callable.name, args));
  }

  /** Attributes of an object. Only a state dict has some, its `_metadata`, which says nothing of the tensors. */
  private build(): void {
    const [state] = this.popLast(1);
    if (!(state instanceof Map && this.top() instanceof Map)) {
      throw this.broken('it sets attributes of what is no state dict');
    }
  }

  private append(values: unknown[]): void {
    const list = this.top();
    if (!(list instanceof PickleList)) throw this.broken('it appends to what is no list');
    for (const value of values) list.items.push(value);
  }

  private setItems(pairs: unknown[]): void {
    const dict = this.top();
    if (!(dict instanceof Map) || pairs.length % 2 !== 0)
      throw this.broken('it sets items of what is no dict');
    for (let i = 0; i < pairs.length; i += 2) dict.set(pairs[i], pairs[i + 1]);
  }

  private push(value: unknown): void {
    this.parts.at(-1)!.push(value);
  }

  private top(): unknown {
    const stack = this.parts.at(-1)!;
    if (stack.length === 0) throw this.broken('it takes from an empty stack');
    return stack.at(-1);
  }

  private popLast(count: number): unknown[] {
    const stack = this.parts.at(-1)!;
    if (stack.length < count) throw this.broken('it takes from an empty stack');
    return stack.splice(-count);
  }

  private popToMark(): unknown[] {
    if (this.parts.length === 1) throw this.broken('it looks for a mark that is not there');
    return this.parts.pop()!;
  }

  private recall(index: number): unknown {
    if (!this.memo.has(index)) throw this.broken(`it recalls value ${index}, which it never kept`);
    return this.memo.get(index);
  }

  private byte(): number {
    return this.take(1)[0]!;
  }

  private take(length: number): Buffer {
    if (length > this.bytes.length - this.at) {
      throw new PickleEndError(`${this.where}: the pickle is cut off; fetch the file again.`);
    }
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  private uint64(): number {
    return Number(this.take(8).readBigUInt64LE());
  }

  /** A little-endian two's complement number of up to 255 bytes. */
  private long(): number | bigint {
    const bytes = this.take(this.byte());
    const digits = Buffer.from(bytes).reverse().toString('hex');
    const value = BigInt.asIntN(8 * bytes.length, BigInt(`0x${digits || '0'}`));
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  private text(length: number): string {
    const bytes = this.take(length);
    if (!isUtf8(bytes)) throw this.broken('a string is no UTF-8');
    return bytes.toString('utf8');
  }

  private line(): string {
    const end = this.bytes.indexOf('\n', this.at);
    const text = this.text((end < 0 ? this.bytes.length : end) - this.at);
    this.take(1);
    return text;
  }

  private broken(why: string): FormatError {
    return new FormatError(`${this.where}: the pickle is broken: ${why} (near byte ${this.at}).`);
  }
}
