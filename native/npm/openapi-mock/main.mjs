// GitHub's REST API on a port of this machine: every request is validated by GitHub's own description of the API.
//
// Prism, the mock server behind @stoplight/prism-cli, refuses an invalid request with what is wrong about it (404 for a path that is not
// in the description, 422 for a wrong parameter or body) and answers a valid one with GitHub's own example. What Prism cannot do is
// remember, so that this program stands before it: each request goes to Prism as it came, and after an acceptance the comments and
// check runs are kept as they were posted, for a later list or update.
//
// Standard output has JSON lines: first `{"url"}`, then one `{"method", "path", "headers", "status", "problem"}` a request. It ends
// with its standard input, however the parent ended.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

import { createLogger } from "@stoplight/prism-core";
import { getHttpOperationsFromSpec } from "@stoplight/prism-http";
import { createServer as createPrism } from "@stoplight/prism-http-server";

const DESCRIPTION = fileURLToPath(import.meta.resolve("@octokit/openapi/generated/api.github.com.json"));
const HOST = "127.0.0.1";
const ANY_PORT = 0;

// What wanbench may ask for. All 700 paths would take Prism five times as long to read.
const REPOSITORY = "/repos/{owner}/{repo}";
const PATHS = [
  "/user",
  `${REPOSITORY}/issues/{issue_number}/comments`,
  `${REPOSITORY}/issues/comments/{comment_id}`,
  `${REPOSITORY}/commits/{ref}/check-runs`,
  `${REPOSITORY}/check-runs`,
  `${REPOSITORY}/check-runs/{check_run_id}`,
  `${REPOSITORY}/pulls`,
  `${REPOSITORY}/pulls/{pull_number}`,
  `${REPOSITORY}/actions/runs/{run_id}/artifacts`,
  // What the workflows ask by `gh api`.
  `${REPOSITORY}/collaborators/{username}/permission`,
  `${REPOSITORY}/actions/runs/{run_id}`,
];

// What is remembered: where one is made, all of a place are listed, and one is changed. A place is a pull request or a commit.
const KINDS = [
  {
    create: /\/issues\/(\d+)\/comments$/,
    place: ([, issue]) => issue,
    list: /\/issues\/(\d+)\/comments$/,
    page: (comments) => comments,
    one: /\/issues\/comments\/(\d+)$/,
    items: [],
  },
  {
    create: /\/check-runs$/,
    place: (_, body) => body.head_sha,
    list: /\/commits\/([^/]+)\/check-runs$/,
    page: (checkRuns) => ({ total_count: checkRuns.length, check_runs: checkRuns }),
    one: /\/check-runs\/(\d+)$/,
    items: [],
  },
];

process.stdin.resume().on("end", () => process.exit());

const prism = await startPrism();
const server = createServer((request, response) => answer(request, response).catch(fail)).listen(ANY_PORT, HOST);
await once(server, "listening");
say({ url: `http://${HOST}:${server.address().port}` });

// Answers are not validated: they are GitHub's own examples, and not all of those obey its own schemas.
async function startPrism() {
  const operations = await getHttpOperationsFromSpec(excerpt(JSON.parse(readFileSync(DESCRIPTION, "utf8"))));
  const config = { validateRequest: true, validateResponse: false, checkSecurity: true, errors: true, mock: { dynamic: false } };
  const logger = createLogger("prism", { level: "silent" });
  return createPrism(operations, { cors: false, config, components: { logger } }).listen(ANY_PORT, HOST);
}

// `description` with PATHS alone, word for word, and of the components those that they refer to.
function excerpt({ openapi, info, servers, paths, components }) {
  const kept = {};
  const keep = (part) => {
    for (const [key, value] of Object.entries(part)) {
      const [, , kind, name] = key === "$ref" ? value.split("/") : [];
      if (kind && !kept[kind]?.[name]) {
        (kept[kind] ??= {})[name] = components[kind][name];
        keep(kept[kind][name]);
      } else if (value !== null && typeof value === "object") {
        keep(value);
      }
    }
  };
  const used = Object.fromEntries(PATHS.map((path) => [path, paths[path]]));
  keep(used);
  return { openapi, info, servers, paths: used, components: kept };
}

async function answer(request, response) {
  const { method, url: path, headers } = request;
  const body = await text(request);
  const judged = await fetch(prism + path, { method, headers: forwarded(headers), body: body || undefined });
  const example = parsed(await judged.text());
  const violations = parsed(judged.headers.get("sl-violations") ?? "");
  const judgement = { status: judged.status, value: example };
  const { status, value } = judged.ok ? remembered(method, new URL(path, prism).pathname, parsed(body), judgement) : judgement;
  // Said before it is answered: who has the answer finds the line.
  say({ method, path, headers, status, problem: violations ?? (status < 400 ? null : value) });
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" });
  response.end(value === undefined ? "" : JSON.stringify(value));
}

// The answer to a valid request: `example`, with what was posted in place of the example's content.
function remembered(method, path, body, example) {
  for (const kind of KINDS) {
    const [create, list, one] = [kind.create, kind.list, kind.one].map((pattern) => path.match(pattern));
    if (method === "POST" && create) {
      const value = { ...example.value, ...body, id: kind.items.length + 1 };
      kind.items.push({ place: kind.place(create, body), value });
      return { ...example, value };
    }
    if (method === "GET" && list) {
      const listed = kind.items.filter(({ place }) => place === list[1]);
      return { ...example, value: kind.page(listed.map(({ value }) => value)) };
    }
    if (one) {
      return changed(method, kind.items, Number(one[1]), body, example);
    }
  }
  return example;
}

function changed(method, items, id, body, example) {
  const index = items.findIndex(({ value }) => value.id === id);
  if (index === -1) {
    return { status: 404, value: { message: "Not Found" } };
  }
  const [{ value }] = method === "DELETE" ? items.splice(index, 1) : [items[index]];
  return { ...example, value: example.value && Object.assign(value, body) };
}

// The description has `application/json` throughout; that GitHub's own media types get it too is said beside it, in prose.
function forwarded({ host, connection, "content-length": length, "transfer-encoding": encoding, accept, ...headers }) {
  return { ...headers, accept: accept?.replace(/application\/vnd\.github[\w.-]*\+json/g, "application/json") ?? "*/*" };
}

function parsed(json) {
  return json === "" ? undefined : JSON.parse(json);
}

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function fail(error) {
  console.error(error);
  process.exit(1);
}
