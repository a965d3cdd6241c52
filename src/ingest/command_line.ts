// SPDX-License-Identifier: MulanPSL-2.0
/** An argument list from the command line in a configuration, and the program file that it names. */
import { resolve } from "node:path";
import { ConfigError, type Place, Unsupported } from "../core/errors.ts";

const BLANK_REGEXP = /\s/;
/** Mean something to a shell when they are not quoted. */
const SHELL_REGEXP = /[$`|&;<>()]/;
/** A backslash in double quotes is a plain character before all others. */
const ESCAPED_IN_QUOTES = '"\\$`';

const VARIABLE_REGEXP = /\$(?:(\w+)|\{(\w+)\})/y;

/**
 * Splits as a shell does with blanks, quotes and backslashes, but no shell runs. Of what a shell expands only $NAME is,
 * from `variables`, and its text is not split again. Text that would need more is refused: written `sh -c '...'` it
 * gets a shell.
 */
export function splitCommandLine(
  text: string,
  place: Place,
  variables?: Readonly<Record<string, string>>,
): string[] {
  if (text.includes("\0")) throw new ConfigError("NUL in the command", place, "text");
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (BLANK_REGEXP.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === "'" || character === '"') {
      const part = quoted(text, at, place, variables);
      word = (word ?? "") + part.text;
      at = part.end;
    } else if (character === "\\") {
      if (++at === text.length) throw new ConfigError("backslash at the end", place, "\\\\");
      word = (word ?? "") + text[at]!;
    } else if (character === "$" && variables !== undefined) {
      const part = variable(text, at, place, variables);
      word = (word ?? "") + part.text;
      at = part.end;
    } else {
      refuseShell(character, place);
      word = (word ?? "") + character;
    }
  }
  if (word !== undefined) words.push(word);
  if (words.length === 0) throw new ConfigError("empty command", place, "a program and arguments");
  return words;
}

/** The quoted part that starts at `start`, and where its closing quote stands. */
function quoted(
  text: string,
  start: number,
  place: Place,
  variables?: Readonly<Record<string, string>>,
): { text: string; end: number } {
  const quote = text[start]!;
  let part = "";
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at]!;
    if (character === quote) return { text: part, end: at };
    if (quote === '"') {
      if (character === "\\" && ESCAPED_IN_QUOTES.includes(text[at + 1] ?? " ")) {
        part += text[++at]!;
        continue;
      }
      if (character === "$" && variables !== undefined) {
        const found = variable(text, at, place, variables);
        part += found.text;
        at = found.end;
        continue;
      }
      if (character === "$" || character === "`") refuseShell(character, place);
    }
    part += character;
  }
  throw new ConfigError(`quote is not closed: ${text.slice(start, start + 40)}`, place, quote);
}

/** The value of the variable whose "$" stands at `start`, and where its name ends. */
function variable(
  text: string,
  start: number,
  place: Place,
  variables: Readonly<Record<string, string>>,
): { text: string; end: number } {
  VARIABLE_REGEXP.lastIndex = start;
  const [whole, plain, braced] = VARIABLE_REGEXP.exec(text) ?? [];
  if (whole === undefined) refuseShell("$", place);
  const name = plain ?? braced ?? "";
  if (!Object.hasOwn(variables, name)) {
    throw new Unsupported(
      `The command names $${name}, which is not set`,
      `set ${name}, or write its value`,
    );
  }
  return { text: variables[name]!, end: start + whole!.length - 1 };
}

function refuseShell(character: string, place: Place): void {
  if (!SHELL_REGEXP.test(character)) return;
  const problem = `"${character}" in the command, which runs without a shell`;
  throw new ConfigError(problem, place, `quotes around it, or sh -c '...'`);
}

/** Where the original keeps external probes. */
export const EXTEND_PROBES_FOLDER = "/opt/gala-gopher/extend_probes";

export interface CommandPlaces {
  /** Folder of the configuration file. */
  readonly configFolder: string;
  /** Folders of PATH, with `:` between them. */
  readonly path: string;
  readonly extendProbesFolder?: string;
}

/** Path of the program: as it is, else in the configuration's folder, the original's folder, and PATH. */
export async function resolveCommand(program: string, places: CommandPlaces): Promise<string> {
  const { configFolder, path, extendProbesFolder = EXTEND_PROBES_FOLDER } = places;
  const folders = [configFolder, extendProbesFolder];
  if (!program.includes("/")) folders.push(...path.split(":").filter((f) => f.startsWith("/")));
  const tried = program.startsWith("/")
    ? [program]
    : folders.map((folder) => resolve(folder, program));
  let unusable: string | undefined;
  for (const candidate of tried) {
    const verdict = await executable(candidate);
    if (verdict === "yes") return candidate;
    if (verdict !== "missing") unusable ??= `"${candidate}" is ${verdict}`;
  }
  if (unusable !== undefined) {
    throw new Unsupported(`Cannot run "${program}": ${unusable}`, `chmod +x, or correct "command"`);
  }
  const where = program.startsWith("/") ? "" : ` in ${[...new Set(folders)].join(", ")}`;
  const message = `Cannot run "${program}": there is no such file${where}`;
  throw new Unsupported(message, `install it, or correct "command"`);
}

const ANY_EXECUTE_BIT = 0o111;

async function executable(path: string): Promise<"yes" | "missing" | string> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    if (!isFile) return "no file";
    return ((mode ?? 0) & ANY_EXECUTE_BIT) === 0 ? "not executable" : "yes";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return "missing";
    }
    if (error instanceof Deno.errors.PermissionDenied) return "out of reach (permission denied)";
    throw error;
  }
}
