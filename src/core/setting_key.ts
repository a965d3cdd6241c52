// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What one key of the configuration may hold, be it of a section or a setting that a probe declares: its kinds, the
 * check of a value, the words for it.
 */

interface Described {
  /** One sentence. */
  readonly help: string;
  readonly unit?: string;
  /** Set for a key that is read but changes nothing: why. */
  readonly note?: string;
  /** Environment variables that override it; the first one that is set counts. */
  readonly env?: readonly string[];
}

export interface TextKey extends Described {
  readonly kind: "text";
  readonly default: string;
  readonly required?: true;
  readonly format?: TextFormat;
}

export interface TextFormat {
  readonly accepts: (text: string) => boolean;
  readonly allowed: string;
}

export interface NumberKey extends Described {
  readonly kind: "integer" | "number";
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

export interface BooleanKey extends Described {
  readonly kind: "boolean";
  readonly default: boolean;
  /** Whether 1 and 0 are taken for true and false. */
  readonly bits?: boolean;
}

export interface ChoiceKey<Choice extends string = string> extends Described {
  readonly kind: "choice";
  readonly default: Choice;
  readonly choices: readonly Choice[];
  /** Spellings of the original that stand for a choice. */
  readonly aliases?: Readonly<Record<string, Choice>>;
}

/** A value of a free map, or a text that may look like a number. */
export interface AnyKey extends Described {
  readonly kind: "any";
  readonly default: string;
  readonly format?: TextFormat;
}

/** A group with names of the user's own. */
export interface MapKey<Value extends Scalar = Scalar> extends Described {
  readonly kind: "map";
  readonly default: Readonly<Record<string, Value>>;
  readonly values: SimpleKey;
}

export type Scalar = string | number | boolean;
export type SimpleKey = TextKey | NumberKey | BooleanKey | ChoiceKey | AnyKey;
export type Key = SimpleKey | MapKey;
export type Keys = Readonly<Record<string, Key>>;

/** The values of a table of keys, with the type of each. */
export type ValuesOf<Table extends Keys> = {
  readonly [Name in keyof Table]: Table[Name]["default"];
};

export const MAX_TEXT_CHARACTERS = 4096;

export function textKey(value: string, help: string, more: Partial<TextKey> = {}): TextKey {
  return { kind: "text", default: value, help, ...more };
}

/** A whole number, if `more` does not say otherwise. */
export function numberKey(
  value: number,
  [min, max]: readonly [number, number],
  help: string,
  more: Partial<NumberKey> = {},
): NumberKey {
  return { kind: "integer", default: value, min, max, help, ...more };
}

export function booleanKey(
  value: boolean,
  help: string,
  more: Partial<BooleanKey> = {},
): BooleanKey {
  return { kind: "boolean", default: value, help, ...more };
}

/** A setting that is off unless it is switched on; the original's 1 and 0 are taken too. */
export function flagKey(help: string): BooleanKey {
  return booleanKey(false, help, { bits: true });
}

export function choiceKey<const Choice extends string>(
  choices: readonly Choice[],
  value: NoInfer<Choice>,
  help: string,
  more: Partial<ChoiceKey<NoInfer<Choice>>> = {},
): ChoiceKey<Choice> {
  return { kind: "choice", choices, default: value, help, ...more };
}

/** Parts that stand between commas; a number stands for itself. */
export function listKey(
  part: TextFormat,
  help: string,
  { value = "", most = 4096 }: { value?: string; most?: number } = {},
): AnyKey {
  const accepts = (text: string) => {
    const parts = partsOf(text);
    return parts.length <= most && parts.every(part.accepts);
  };
  const allowed = `up to ${most} ${part.allowed}, with "," between`;
  return { kind: "any", default: value, help, format: { accepts, allowed } };
}

/** The parts of such a text, without the blanks around them. */
export function partsOf(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

// deno-lint-ignore no-control-regex -- control characters are what must not get into logs and paths
const CONTROL_REGEXP = /[\0-\x08\x0b-\x1f\x7f]/;

/** The value to use, or undefined if the key does not accept this one. */
export function acceptValue(key: SimpleKey, value: unknown): Scalar | undefined {
  switch (key.kind) {
    case "boolean":
      if (typeof value === "boolean") return value;
      return key.bits && (value === 0 || value === 1) ? value === 1 : undefined;
    case "integer":
    case "number":
      if (typeof value !== "number" || !(value >= key.min && value <= key.max)) return undefined;
      return key.kind === "number" || Number.isInteger(value) ? value : undefined;
    case "choice":
      if (typeof value !== "string") return undefined;
      if (key.choices.includes(value)) return value;
      return Object.entries(key.aliases ?? {}).find(([alias]) => alias === value)?.[1];
    case "text":
      return typeof value === "string" && isText(value) && (key.format?.accepts(value) ?? true)
        ? value
        : undefined;
    case "any": {
      const isScalar = typeof value === "string"
        ? isText(value)
        : typeof value === "boolean" || Number.isFinite(value);
      const accepts = key.format?.accepts ?? (() => true);
      return isScalar && accepts(String(value)) ? value as Scalar : undefined;
    }
  }
}

function isText(value: string): boolean {
  return value.length <= MAX_TEXT_CHARACTERS && !CONTROL_REGEXP.test(value);
}

/** What a key accepts, as a phrase for messages and for the comments of the default file. */
export function describeAllowed(key: Key): string {
  switch (key.kind) {
    case "boolean":
      return "true or false";
    case "integer":
      return `a whole number from ${key.min} to ${key.max}`;
    case "number":
      return `a number from ${key.min} to ${key.max}`;
    case "choice":
      return joinChoices(key.choices.map((choice) => choice === "" ? '""' : choice));
    case "text":
      return key.format?.allowed ?? `a text of up to ${MAX_TEXT_CHARACTERS} characters`;
    case "any":
      return key.format?.allowed ?? "a text, a number, true or false";
    case "map":
      return `a group of names, each ${describeAllowed(key.values)}`;
  }
}

export function joinChoices(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
