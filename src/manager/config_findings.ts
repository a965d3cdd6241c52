// SPDX-License-Identifier: MulanPSL-2.0
/** What is found to be wrong while a configuration is read. */
import { ConfigError, type Place, placeText } from "../core/errors.ts";
import type { Position } from "../core/setting_tree.ts";

/** All that is wrong with a configuration, each with its place. */
export class ConfigProblems extends AggregateError {
  override readonly name = "ConfigProblems";
  declare readonly errors: ConfigError[];

  constructor(errors: readonly ConfigError[]) {
    super(errors, errors.map((error) => error.message).join("\n"));
  }
}

/** More would only scroll away the first ones. */
const MAX_PROBLEMS = 50;

/** Collects problems and warnings, so that one run shows all of them. */
export class Findings {
  readonly problems: ConfigError[] = [];
  readonly warnings: string[] = [];
  #unnamed = 0;

  constructor(readonly file: string) {}

  placeOf(position: Position): Place {
    return { file: this.file, line: position.line, column: position.column };
  }

  add(problem: string, place: Place, allowed?: string): void {
    if (this.problems.length < MAX_PROBLEMS) {
      this.problems.push(new ConfigError(problem, place, allowed));
    } else this.#unnamed++;
  }

  warn(place: Place, text: string): void {
    this.warnings.push(`${placeText(place)}: ${text}`);
  }

  throwIfAny(): void {
    if (this.problems.length === 0) return;
    const rest = new ConfigError(`${this.#unnamed} more problems`, { file: this.file });
    throw new ConfigProblems(this.#unnamed > 0 ? [...this.problems, rest] : this.problems);
  }
}
