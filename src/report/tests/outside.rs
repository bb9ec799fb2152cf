//! Text from outside in every place where it can stand, through a renderer of GitHub's Markdown: no element comes of it, and
//! nothing that GitHub itself makes a link, a notification or a picture of.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use comrak::{Options, markdown_to_html};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use regex::Regex;

use super::super::comment::tests::{hostile, origin};
use super::super::{comment, markdown};

/// Texts that are tried.
const TEXTS: usize = 1_000;

/// What GitHub or its Markdown makes something of.
const PIECES: &[&str] = &[
    "<img src=x>",
    "https://x.test/",
    "http://x.test",
    "ftp://x.test",
    "www.x.test",
    "WWW.x.test",
    "mailto:a@x.test",
    "a@x.test",
    "@octocat",
    "@octo/team",
    "#12",
    "GH-12",
    "gh-12",
    "octo/wan#12",
    "octo@1f837a6c0ffee1f837a6c0ffee1f837a6c0ffee1",
    "1f837a6",
    "1f837a6c0ffee1f837a6c0ffee1f837a6c0ffee1f837a6c0ffee1",
    ":tada:",
    ":+1:",
    ":100:",
    "$x$",
    "$$x$$",
    "$`x`$",
    "`",
    "```",
    "~~~",
    "|",
    "\\",
    "\\\\",
    "\n",
    "\n\n",
    "\r\n",
    "\t",
    "    ",
    "- [ ] ",
    "- [x] ",
    "+ ",
    "1. ",
    "# h",
    "===",
    "---",
    "***",
    "> [!NOTE]",
    "</details>",
    "</summary>",
    "<details>",
    "<!--",
    "-->",
    "<a href=\"https://x.test\">",
    "<b>",
    "<script>",
    "<?x",
    "<!x",
    "]]>",
    "&lt;",
    "&#64;octocat",
    "&#8203;",
    "&amp;",
    "&",
    "<",
    ">",
    "\"",
    "'",
    "[x](https://x.test)",
    "![x](//x.test/i.png)",
    "[x]: //x.test",
    "[^1]",
    "[^1]: x",
    "**",
    "__",
    "_",
    "~~",
    "*",
    "\u{200b}",
    "\u{200f}",
    "\u{202e}",
    "\u{61c}",
    "\u{2028}",
    "\u{ad}",
    "\u{e0041}",
    "\u{1b}[31m",
    "\u{0}",
    "ü",
    "世界",
    "x",
    "word",
    " ",
    "<https://x.test>",
    "<a@x.test>",
    "::error::",
    "##[error]",
    "{{x}}",
    "://",
];

/// Elements in which a text from outside may be shown.
const SHOWING: &[&str] = &["code", "/code", "span", "/span"];

#[test]
fn no_text_from_outside_becomes_more_than_text() {
    let piece = prop_oneof![8 => proptest::sample::select(PIECES).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    let texts = proptest::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::deterministic();
    let own: Vec<BTreeSet<String>> = places("word").iter().map(|(_, rendered)| parsed(rendered).0).collect();
    for _ in 0..TEXTS {
        let text = texts.new_tree(&mut runner).unwrap().current();
        for ((place, rendered), own) in places(&text).iter().zip(&own) {
            let (elements, prose) = parsed(rendered);
            let foreign =
                elements.iter().find(|element| !own.contains(*element) && !SHOWING.contains(&element.as_str()));
            assert_eq!(foreign, None, "{place} of {text:?}:\n{rendered}");
            assert_eq!(linked(&prose), None, "{place} of {text:?}:\n{rendered}\n{prose}");
        }
    }
}

/// All that is rendered where every text from outside is `text`.
fn places(text: &str) -> Vec<(&'static str, String)> {
    let report = hostile(text).report();
    let reports = [report.clone(), report.clone()];
    vec![
        ("comment", comment::render(&reports[..1], &origin(), 65_536)),
        ("comment on two machines", comment::render(&reports, &origin(), 65_536)),
        ("shortened comment", comment::render(&reports, &origin(), 6_000)),
        ("shortest comment", comment::render(&reports, &origin(), 0)),
        ("comment without results", comment::without_results(text, text, &origin())),
        ("report", markdown::render(&report)),
    ]
}

/// The elements of `markdown` without their brackets, and its text outside of code and of links.
fn parsed(markdown: &str) -> (BTreeSet<String>, String) {
    let mut options = Options::default();
    options.extension.autolink = true;
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    options.extension.math_dollars = true;
    options.extension.math_code = true;
    options.render.r#unsafe = true;
    let html = markdown_to_html(markdown, &options);
    let (mut elements, mut prose) = (BTreeSet::new(), String::new());
    let mut silent = 0;
    let mut parts = html.split('<');
    prose.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (element, text) = part.split_once('>').unwrap_or((part, ""));
        let name = element.split(' ').next().unwrap_or_default();
        match name {
            "code" | "a" => silent += 1,
            "/code" | "/a" => silent -= 1,
            _ => {}
        }
        elements.insert(element.to_owned());
        // What stands in two elements is not one word.
        prose.push(if matches!(name, "strong" | "/strong") { '\u{200b}' } else { '\n' });
        if silent == 0 {
            prose.push_str(text);
        }
    }
    (elements, prose.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
}

/// What GitHub would make a link, a notification, a picture or nothing visible of.
fn linked(prose: &str) -> Option<String> {
    static LINKED: LazyLock<Regex> = LazyLock::new(|| {
        let patterns = [
            r"@\w",
            r"#\d",
            r"(?i:\bgh)-\d",
            r"\b(?i:[0-9a-f]){7,64}\b",
            r":[\w+-]*(?i:[a-z+-])[\w+-]*:|:100:|:1234:",
            r"(?i:https?|ftp)://",
            r"(?i:\bwww)\.",
            r"[\x00-\x08\x0b-\x1f\x7f\u{ad}\u{61c}\u{200c}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{e0000}-\u{e0fff}]",
        ];
        Regex::new(&patterns.join("|")).unwrap()
    });
    LINKED.find(prose).map(|found| found.as_str().to_owned())
}
