/**
 * An option, described once as data. From its description come the flag of the command line and its help, the check of
 * the library that takes it, the axes of a comparison, and the tables in docs.
 */
export type Option = Kind & {
  /** One line of help, without a full stop. The default is told behind it. */
  readonly help: string;
  /** Further sentences of help. */
  readonly more?: string;
  /** The heading that it stands under. */
  readonly group?: string;
  /** The name of its value in help; a name that suits the kind unless given. */
  readonly placeholder?: string;
  /** The letter of the short flag. */
  readonly short?: string;
  /** Other names that the command line takes for it. */
  readonly aliases?: readonly string[];
  /** The name in the library, where it is not the flag's in camel case. */
  readonly key?: string;
  readonly required?: boolean;
  /** What a library takes where it is not given. */
  readonly default?: number | string | boolean | readonly number[] | readonly string[];
  /** The same in words, where the default depends on the model or on other options. */
  readonly otherwise?: string;
  /**
   * Whether it takes several values, and how the command line separates them: by commas, as words behind one flag, or
   * by giving the flag again.
   */
  readonly list?: 'commas' | 'words' | 'again';
  /** Options that it needs, by name, with the value that they must have, or true for any. */
  readonly needs?: Readonly<Record<string, string | true>>;
  /** Options that cannot be given beside it, by name. */
  readonly excludes?: readonly string[];
  /** Options, itself among them, of which exactly one must be given. */
  readonly oneOf?: readonly string[];
  /** The option is an axis of comparisons; what a layout must have for it to mean anything. */
  readonly axis?: AxisNeeds;
};

/** What a layout must have for an axis to mean anything. */
export type AxisNeeds = 'any layout' | 'cycles' | 'head and tail' | 'zero tokens';

/** What values an option takes. */
export type Kind =
  | ({
      readonly kind: 'whole';
      /** Whether it takes the word `auto` as well. */ readonly auto?: boolean;
    } & WholeRange)
  | ({readonly kind: 'real'} & RealRange)
  | {
      readonly kind: 'choice';
      readonly choices: readonly string[];
      /** Earlier names of choices, and what they are called now. */
      readonly renamed?: Readonly<Record<string, string>>;
    }
  /** On or off; `deniable` if the command line takes `--no-NAME` for off. */
  | {readonly kind: 'switch'; readonly deniable?: boolean}
  /** Text that is not empty. */
  | {readonly kind: 'text'}
  /** A number of bytes, which the command line takes as `5GB`, `512MiB` and the like. */
  | {readonly kind: 'bytes'}
  /** A share from 0 and below 1, which the command line takes in points as well: `1pt`. */
  | {readonly kind: 'points'}
  /** A slot's index and its threshold, which the command line takes as `9=0.3`. */
  | {readonly kind: 'slot threshold'};

/** A whole number from `min` to `max`. */
export interface WholeRange {
  readonly min: number;
  readonly max: number;
}

/** A number above or from, and at most or below; one bound of each pair, if any. */
export interface RealRange {
  readonly above?: number;
  readonly from?: number;
  readonly max?: number;
  readonly below?: number;
  /** A word on what the bounds mean. */
  readonly hint?: string;
}

/** Options by the names of their flags. */
export type OptionTable = Readonly<Record<string, Option>>;

/** `zero-init` as `zeroInit`. */
type Camel<Name extends string> = Name extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<Camel<Rest>>}`
  : Name;

/** An option's name in the library. */
type Key<Name, O> = O extends {readonly key: infer K extends string} ? K : Camel<Name & string>;

/** One value of an option. */
type Single<O> = O extends {readonly kind: 'choice'; readonly choices: readonly (infer C)[]}
  ? C
  : O extends {readonly kind: 'switch'}
    ? boolean
    : O extends {readonly kind: 'text'}
      ? string
      : O extends {readonly kind: 'slot threshold'}
        ? readonly [slot: number, threshold: number]
        : O extends {readonly auto: true}
          ? number | 'auto'
          : number;

/** What the command line gives for an option: one value, or several. */
export type ParsedOf<O> = O extends {readonly list: string} ? Single<O>[] : Single<O>;

/** What a library takes for an option: of slots and their thresholds, the thresholds by slot. */
export type ValueOf<O> = O extends {readonly kind: 'slot threshold'}
  ? Readonly<Record<number, number>>
  : O extends {readonly list: string}
    ? readonly Single<O>[]
    : Single<O>;

/** The options of a table, by the library's names. */
export type OptionsOf<T extends OptionTable> = {
  [Name in keyof T as Key<Name, T[Name]>]?: ValueOf<T[Name]>;
};

/** The same with the defaults that a table knows filled in. */
export type SettingsOf<T extends OptionTable> = {
  [Name in keyof T as T[Name] extends {readonly default: unknown} ? Key<Name, T[Name]> : never]: ValueOf<
    T[Name]
  >;
} & {
  [Name in keyof T as T[Name] extends {readonly default: unknown} ? never : Key<Name, T[Name]>]?: ValueOf<
    T[Name]
  >;
};

/** An option's name in the library: `zeroInit` of `zero-init`. */
export const keyOf = (name: string, option?: Option): string =>
  option?.key ?? name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** What an earlier word of a choice is called now; undefined for a word that it never had. */
export const todaysWord = (
  {renamed = {}}: {readonly renamed?: Readonly<Record<string, string>>},
  word: string,
): string | undefined => (Object.hasOwn(renamed, word) ? renamed[word] : undefined);
