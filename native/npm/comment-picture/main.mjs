// Draws a comment in Markdown as GitHub shows it, in light and in dark: `comment-picture FILE.md PREFIX` writes
// PREFIX-light.png and PREFIX-dark.png. Needs Chromium, as `chromium` or what CHROMIUM names.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { marked } from "marked";

const WIDTH = 1000;

const [markdown, prefix] = process.argv.slice(2);
if (!prefix) {
  console.error("comment-picture: usage: comment-picture FILE.md PREFIX");
  process.exit(2);
}
const body = marked.parse(readFileSync(markdown, "utf8"), { gfm: true });
const folder = mkdtempSync(join(tmpdir(), "comment-picture-"));
try {
  for (const theme of ["light", "dark"]) draw(theme);
} finally {
  rmSync(folder, { recursive: true });
}

function draw(theme) {
  const page = join(folder, `${theme}.html`);
  const style = readFileSync(
    fileURLToPath(import.meta.resolve(`github-markdown-css/github-markdown-${theme}.css`)),
    "utf8",
  );
  const background = theme === "dark" ? "#0d1117" : "#ffffff";
  const frame = theme === "dark" ? "#3d444d" : "#d1d9e0";
  writeFileSync(
    page,
    `<!doctype html><meta charset="utf-8"><style>${style}
    html, body { margin: 0; background: ${background}; }
    article { margin: 16px; padding: 16px; border: 1px solid ${frame}; border-radius: 6px; }
    .markdown-body { font-size: 14px; } .markdown-body table { font-size: 12px; }
    </style><article class="markdown-body">${body}</article>`,
  );
  const height = Number(chromium("--dump-dom", measuring(page)).match(/data-height="(\d+)"/)[1]);
  const size = `--window-size=${WIDTH},${height}`;
  chromium(size, "--force-device-scale-factor=1.5", `--screenshot=${prefix}-${theme}.png`, page);
}

// The page's height is known only once it is laid out.
function measuring(page) {
  const script = "document.body.dataset.height = document.documentElement.scrollHeight";
  const measured = `${page}.measured.html`;
  writeFileSync(measured, `${readFileSync(page, "utf8")}<script>${script}</script>`);
  return measured;
}

function chromium(...flags) {
  const program = process.env.CHROMIUM ?? "chromium";
  const common = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", `--window-size=${WIDTH},400`];
  return execFileSync(program, [...common, ...flags], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}
