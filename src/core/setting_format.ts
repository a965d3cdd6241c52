// SPDX-License-Identifier: MulanPSL-2.0
/** Forms of text that the configuration accepts. */
import type { TextFormat } from "./setting_key.ts";

export const ABSOLUTE_PATH: TextFormat = {
  accepts: (text) => text.startsWith("/"),
  allowed: "an absolute path",
};

export const OPTIONAL_PATH: TextFormat = {
  accepts: (text) => text === "" || text.startsWith("/"),
  allowed: 'an absolute path, or ""',
};

export const FILE_NAME: TextFormat = {
  accepts: (text) => text.length <= 255 && !text.includes("/") && text !== "." && text !== "..",
  allowed: 'a file name without "/" of up to 255 characters, or ""',
};

const NAME_REGEXP = /^[A-Za-z_][\w.-]{0,63}$/;

export const NAME: TextFormat = {
  accepts: (text) => NAME_REGEXP.test(text),
  allowed: "a name of up to 64 letters, digits, _ . -, that starts with a letter or _",
};

export const NOT_EMPTY: TextFormat = {
  accepts: (text) => text.trim() !== "",
  allowed: "a text that is not empty",
};

// The names of Kafka topics, which it uses as file names.
const TOPIC_REGEXP = /^[\w.-]{1,249}$/;

export const TOPIC: TextFormat = {
  accepts: (text) => TOPIC_REGEXP.test(text) && text !== "." && text !== "..",
  allowed: "1 to 249 letters, digits, _ . -",
};

const IPV4_REGEXP = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const IPV6_REGEXP = /^[\da-f:.]*:[\da-f:.]*$/i;

export const ADDRESS: TextFormat = {
  accepts: (text) => IPV4_REGEXP.test(text) || isIpv6(text),
  allowed: "an IPv4 or IPv6 address",
};

function isIpv6(text: string): boolean {
  return IPV6_REGEXP.test(text) && URL.canParse(`http://[${text}]/`);
}

/** For the parts of a list: numbers of something, as "ports". */
export function wholeNumbers(max: number, what: string): TextFormat {
  return {
    accepts: (text) => /^[1-9]\d{0,15}$/.test(text) && Number(text) <= max,
    allowed: `${what} from 1 to ${max}`,
  };
}

/** The kernel's own bound. */
export const PIDS = wholeNumbers(4194304, "process ids");

const CONTAINER_REGEXP = /^[\da-f]{12,64}$/i;

export const CONTAINERS: TextFormat = {
  accepts: (text) => CONTAINER_REGEXP.test(text),
  allowed: "ids of containers, each of 12 to 64 hexadecimal digits",
};

export const PATTERN: TextFormat = { accepts: isPattern, allowed: "a regular expression" };

function isPattern(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}

const BROKER_REGEXP = /^(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i;

export const BROKERS: TextFormat = {
  accepts: (text) => text === "" || text.split(",").every(isBroker),
  allowed: 'host:port, several with "," between, or ""',
};

function isBroker(text: string): boolean {
  const [, host, port] = BROKER_REGEXP.exec(text) ?? [];
  if (host === undefined || (host.startsWith("[") && !isIpv6(host.slice(1, -1)))) return false;
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65535);
}

export const HTTP_URL: TextFormat = {
  accepts: (text) => /^https?:\/\//.test(text) && URL.canParse(text) && !/[?#]/.test(text),
  allowed: "http://host:port or https://host:port, with or without a path",
};

/** Names as HTTP allows them; values as a request's head does. */
const HEADER_REGEXP = /^[\w!#$%&'*+.^`|~-]+=[\x20-\x7e]*$/;

export const HEADERS: TextFormat = {
  accepts: (text) =>
    text === "" || text.split(",").every((pair) => HEADER_REGEXP.test(pair.trim())),
  allowed: 'name=value, several with "," between, or ""',
};
