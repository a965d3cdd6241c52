// SPDX-License-Identifier: MulanPSL-2.0
/** Third-party probes to start from, one a language: each prints the host's load, takes an interval, and ends with its input. */
import { PROBE_FILE } from "./probe_folder.ts";

export interface ProbeTemplate {
  /** Text by file name; a program is executable. */
  readonly files: Readonly<Record<string, { readonly text: string; readonly executable?: true }>>;
  /** What is to be done before it runs. */
  readonly build?: string;
}

type Template = (name: string) => ProbeTemplate;

const shell: Template = (name) => ({
  files: {
    [`${name}.sh`]: {
      executable: true,
      text: `#!/bin/sh
# Prints a row about the load of this host every few seconds, in the order of ${name}.meta.

host=$(uname -n)

rows() {
	while :; do
		read -r load _ _ tasks _ </proc/loadavg
		echo "|${name}|$host|$load|\${tasks#*/}|"
		sleep "$1"
	done
}

# Each line of the input has the parameters: {"probe":"${name}","params":{"interval":5}}. Its end says: go.
pid=
while read -r line; do
	[ -n "$pid" ] && kill "$pid"
	interval=$(printf '%s' "$line" | sed -n 's/.*"interval":\\([0-9][0-9]*\\).*/\\1/p')
	rows "\${interval:-5}" &
	pid=$!
done
[ -n "$pid" ] && kill "$pid"
exit 0
`,
    },
  },
});

const python: Template = (name) => ({
  files: {
    [`${name}.py`]: {
      executable: true,
      text: `#!/usr/bin/env python3
"""Prints a row about the load of this host every few seconds, in the order of ${name}.meta."""
import json
import select
import socket

# Without a buffer: select() must see every line that has come.
STDIN = open(0, "rb", buffering=0)


def main():
    interval = 5
    host = socket.gethostname()
    while True:
        with open("/proc/loadavg") as file:
            load, _, _, tasks, _ = file.read().split()
        print(f"|${name}|{host}|{load}|{tasks.split('/')[1]}|", flush=True)
        if select.select([STDIN], [], [], interval)[0]:
            # {"probe":"${name}","params":{"interval":5}}; the end of the input says: go.
            line = STDIN.readline()
            if not line:
                return
            interval = json.loads(line)["params"].get("interval", interval)


main()
`,
    },
  },
});

const java: Template = (name) => ({
  build: `javac ${name}.java`,
  files: {
    [`${name}.java`]: {
      text: `import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Prints a row about the load of this host every few seconds, in the order of ${name}.meta. */
public class ${name} {
    private static final Pattern INTERVAL = Pattern.compile("\\"interval\\":(\\\\d+)");
    private static volatile long interval = 5;

    public static void main(String[] args) throws Exception {
        Thread reader = new Thread(${name}::readParameters);
        reader.setDaemon(true);
        reader.start();
        String host = InetAddress.getLocalHost().getHostName();
        while (true) {
            String[] fields = new String(Files.readAllBytes(Paths.get("/proc/loadavg"))).split(" ");
            System.out.println("|${name}|" + host + "|" + fields[0] + "|" + fields[3].split("/")[1] + "|");
            Thread.sleep(interval * 1000);
        }
    }

    /** Each line is {"probe":"${name}","params":{"interval":5}}; the end of the input says: go. */
    private static void readParameters() {
        try (BufferedReader input = new BufferedReader(new InputStreamReader(System.in))) {
            for (String line; (line = input.readLine()) != null;) {
                Matcher found = INTERVAL.matcher(line);
                if (found.find()) {
                    interval = Long.parseLong(found.group(1));
                }
            }
        } catch (java.io.IOException error) {
            System.err.println("[ERROR] " + error);
        }
        System.exit(0);
    }
}
`,
    },
    [PROBE_FILE]: {
      text: `# A small and quick JVM: it shares a part of one core with all other probes.
command: java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx32m -cp . ${name}
meta: ${name}.meta
`,
    },
  },
});

const go: Template = (name) => ({
  build: `go build -o ${name} ${name}.go`,
  files: {
    [`${name}.go`]: {
      text:
        `// Prints a row about the load of this host every few seconds, in the order of ${name}.meta.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// One line of the input: {"probe":"${name}","params":{"interval":5}}.
type message struct {
	Params struct {
		Interval int
	}
}

func readParameters(intervals chan<- time.Duration) {
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		line := message{}
		if json.Unmarshal(input.Bytes(), &line) == nil && line.Params.Interval > 0 {
			intervals <- time.Duration(line.Params.Interval) * time.Second
		}
	}
	os.Exit(0) // the end of the input says: go
}

func main() {
	intervals := make(chan time.Duration)
	go readParameters(intervals)
	interval := 5 * time.Second
	host, _ := os.Hostname()
	for {
		text, err := os.ReadFile("/proc/loadavg")
		if err != nil {
			fmt.Fprintln(os.Stderr, "[ERROR]", err)
			os.Exit(1)
		}
		fields := strings.Fields(string(text))
		tasks := strings.SplitN(fields[3], "/", 2)
		fmt.Printf("|${name}|%s|%s|%s|\\n", host, fields[0], tasks[1])
		select {
		case interval = <-intervals:
		case <-time.After(interval):
		}
	}
}
`,
    },
  },
});

const c: Template = (name) => ({
  build: `cc -O2 -o ${name} ${name}.c`,
  files: {
    [`${name}.c`]: {
      text:
        `/* Prints a row about the load of this host every few seconds, in the order of ${name}.meta. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each line is {"probe":"${name}","params":{"interval":5}}; the end of the input says: go. */
static int read_interval(int interval)
{
	char line[4096];
	const char *found;
	ssize_t size = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (size <= 0)
		exit(0);
	line[size] = 0;
	found = strstr(line, "\\"interval\\":");
	return found && atoi(found + 11) > 0 ? atoi(found + 11) : interval;
}

int main(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char host[256] = "", load[32];
	int interval = 5, tasks;

	gethostname(host, sizeof(host) - 1);
	for (;;) {
		FILE *file = fopen("/proc/loadavg", "r");

		if (!file || fscanf(file, "%31s %*s %*s %*d/%d", load, &tasks) != 2) {
			fprintf(stderr, "[ERROR] cannot read /proc/loadavg\\n");
			return 1;
		}
		fclose(file);
		printf("|${name}|%s|%s|%d|\\n", host, load, tasks);
		fflush(stdout);
		if (poll(&input, 1, interval * 1000) > 0)
			interval = read_interval(interval);
	}
}
`,
    },
  },
});

export const LANGUAGES: Readonly<Record<string, Template>> = { sh: shell, python, java, go, c };

const META = (name: string) =>
  `# What the fields of a line |${name}|...| mean, in order.
version = "1.0.0"

measurements:
(
    {
        table_name: "${name}",
        entity_name: "${name}",
        fields:
        (
            {
                description: "Name of the host",
                type: "key",
                name: "host",
            },
            {
                description: "Processes that run or wait for a CPU or a disk, on average over a minute",
                type: "gauge",
                name: "load",
            },
            {
                description: "Threads that exist",
                type: "gauge",
                name: "threads",
            }
        )
    }
)
`;

/** All files of a new probe. The name must do for a table and for a class. */
export function newProbe(name: string, language: keyof typeof LANGUAGES): ProbeTemplate {
  const template = LANGUAGES[language]!(name);
  return { ...template, files: { ...template.files, [`${name}.meta`]: { text: META(name) } } };
}
