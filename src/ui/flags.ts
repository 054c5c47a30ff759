import {Args, Flags, type Interfaces} from '@oclif/core';
import type {ModelSource} from '../hub/index.js';
import {
  helpOf,
  keyOf,
  parseValue,
  placeholderOf,
  type Option,
  type OptionsOf,
  type OptionTable,
  thresholdsBySlot,
  type ParsedOf,
} from '../options/index.js';

/** The flag of an option; its value is undefined where it is not given. */
type FlagOf<O> = O extends {readonly kind: 'switch'}
  ? Interfaces.BooleanFlag<boolean>
  : Interfaces.OptionFlag<O extends {readonly required: true} ? ParsedOf<O> : ParsedOf<O> | undefined>;

/** The flags of a table, by name. */
export type FlagsOf<T extends OptionTable> = {[Name in keyof T]: FlagOf<T[Name]>};

/** The command line's flags for the options of a library. */
export const flagsOf = <const T extends OptionTable>(table: T): FlagsOf<T> =>
  Object.fromEntries(
    Object.entries(table).map(([name, option]) => [name, flagOf(name, option)]),
  ) as FlagsOf<T>;

/** The values of a table's flags, by the library's names. */
export const optionsOf = <T extends OptionTable>(
  table: T,
  flags: Readonly<{[Name in keyof T]?: unknown}>,
): OptionsOf<T> =>
  Object.fromEntries(
    Object.entries(table).map(([name, option]) => [keyOf(name, option), valueOf(name, option, flags[name])]),
  ) as OptionsOf<T>;

/** A flag's value as the library takes it. */
function valueOf(name: string, {kind}: Option, value: unknown): unknown {
  if (kind !== 'slot threshold' || value === undefined) return value;
  return thresholdsBySlot(`--${name}`, value as [number, number][]);
}

function flagOf(name: string, option: Option): Interfaces.Flag<unknown> {
  const common = {
    name,
    description: helpOf(option),
    helpGroup: option.group,
    char: option.short as Interfaces.AlphabetLowercase | undefined,
    aliases: option.aliases && [...option.aliases],
    required: option.required,
    exclusive: option.excludes && [...option.excludes],
    exactlyOne: option.oneOf && [...option.oneOf],
  };
  if (option.kind === 'switch') {
    const off = option.deniable && {allowNo: true, default: option.default === true};
    return Flags.boolean<unknown>({...common, ...off});
  }
  return {
    ...common,
    type: 'option',
    input: [],
    ...wordsOf(option),
    multiple: option.list !== undefined,
    multipleNonGreedy: option.list !== 'words',
    delimiter: option.list === 'commas' ? ',' : undefined,
    parse: (input) => Promise.resolve(parseValue(`--${name}`, option, input)),
  };
}

/** What help shows in place of the value, and the words among which oclif lets one choose. */
function wordsOf(option: Option) {
  if (option.kind !== 'choice') return {helpValue: placeholderOf(option) ?? undefined};
  if (!option.renamed) return {options: [...option.choices]};
  // oclif would refuse the earlier words; the parser says what there are.
  return {helpValue: option.choices.join('|')};
}

/**
 * An argument that names a model: a path, or a repo of the Hub, perhaps at a revision. It is resolved once, here: what
 * can be neither is refused, and `BaseCommand.fetchModel` brings the other here.
 */
export const modelArg = Args.custom<ModelSource>({
  ignoreStdin: true,
  async parse(input) {
    const {findModel} = await import('../hub/index.js');
    return findModel(input);
  },
});
