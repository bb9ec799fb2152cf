//! Makes text from outside (machine names, reasons, a worker's stderr) harmless where it is shown.
//!
//! Nothing that a worker prints can break a table, add markup, notify a user on GitHub, move a terminal's cursor or flood it.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::RangeInclusive;

use serde::Serialize;

/// Characters of a line that are shown: more than any of wanbench's own has.
const LONGEST_LINE: usize = 10_000;

/// Lines of a message that are shown.
const MOST_LINES: usize = 200;

/// Columns that a line of a message is indented by.
const MOST_INDENT: usize = 40;

/// Stands where GitHub would else make a link, a notification or a picture of what is around it: of an address, a user, an
/// issue, a commit, an emoji. No escape of Markdown keeps it from that.
const BREAK: char = '\u{200b}';

/// Characters that mean something inside a line of Markdown, unless a backslash is before them.
const SPECIAL: &str = "\\`*_{}[]|~#";

/// What stands for characters that a backslash does not make harmless: it can become part of an address itself, and GitHub
/// takes what is between two dollar signs for a formula.
const ENTITIES: [(char, &str); 5] =
    [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('$', "<span>&#36;</span>"), (BREAK, "&#8203;")];

/// Digits of a commit's name, from the shortest abbreviation that GitHub links to SHA-256.
const COMMIT_DIGITS: RangeInclusive<usize> = 7..=64;

/// A commit's name stands between these: GitHub links none in code.
const CODE: [&str; 2] = ["<code>", "</code>"];

/// `text` as one line of Markdown that shows it literally, in a table's cell too.
pub fn markdown(text: &str) -> String {
    let text = unlinked(&narrow_ends(&one_line(text)));
    let block = block_mark(&text);
    let mut escaped = String::with_capacity(text.len());
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| next);
        if block == Some(at) || SPECIAL.contains(character) && !is_inside_word(&escaped, character, next) {
            escaped.push('\\');
        }
        push(&mut escaped, character);
    }
    commits_as_code(&escaped)
}

/// The text that [`markdown`] escaped, in whichever version.
pub fn unescape(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    let mut rest = markdown;
    while let Some(character) = rest.chars().next() {
        let entity = ENTITIES.iter().find(|(_, entity)| rest.starts_with(entity));
        let code = CODE.iter().find(|mark| rest.starts_with(**mark));
        let escaped = rest.strip_prefix('\\').and_then(|rest| rest.chars().next()).filter(char::is_ascii_punctuation);
        let (shown, length) = match (entity, code, escaped) {
            (Some((shown, entity)), _, _) => (*shown, entity.len()),
            (_, Some(mark), _) => (BREAK, mark.len()),
            (_, _, Some(shown)) => (shown, 2),
            _ => (character, character.len_utf8()),
        };
        text.extend((shown != BREAK).then_some(shown));
        rest = &rest[length..];
    }
    text
}

/// `text` on one line of HTML, inside an element. There a backslash escapes nothing.
pub fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in unlinked(&one_line(text)).chars() {
        match character {
            '"' => escaped.push_str("&quot;"),
            _ => push(&mut escaped, character),
        }
    }
    commits_as_code(&escaped)
}

/// `text` as at most `length` characters that mean something nowhere: letters and digits of ASCII, and `/._+-`. Whatever
/// else there is becomes a hyphen.
pub fn harmless(text: &str, length: usize) -> String {
    let is_harmless = |letter: char| letter.is_ascii_alphanumeric() || "/._+-".contains(letter);
    text.chars().take(length).map(|letter| if is_harmless(letter) { letter } else { '-' }).collect()
}

/// Whether `text` is of letters and digits of ASCII, `-`, `_` and `.` alone, as the parts of a case's name are.
pub fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

/// `lines` as a fenced block of `language` that no line of it can close.
pub fn fenced(language: &str, lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| one_line(line)).collect();
    let longest = lines.iter().flat_map(|line| line.split(|character| character != '`')).map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", lines.join("\n"))
}

/// `text` on one line, without control characters (a terminal would obey them), and cut where it is longer than anybody reads.
pub fn one_line(text: &str) -> String {
    // What is dropped makes it shorter again.
    let text = cut(text, 4 * LONGEST_LINE);
    let parts = text.split(['\n', '\r', '\t', '\u{2028}', '\u{2029}']);
    let line = parts.map(printable).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    cut(&line, LONGEST_LINE)
}

/// `text` with its lines as they are, each as [`one_line`] shows it but for what it is indented by, and not more of them than
/// anybody reads.
pub fn lines(text: &str) -> String {
    let mut all = text.lines();
    let mut shown: Vec<String> = all.by_ref().take(MOST_LINES).map(line).collect();
    let rest = all.count();
    if rest > 0 {
        shown.push(format!("… and {rest} more lines"));
    }
    shown.join("\n")
}

fn line(line: &str) -> String {
    let text = line.trim_start_matches(' ');
    let indent = (line.len() - text.len()).min(MOST_INDENT);
    " ".repeat(indent) + &one_line(text)
}

/// `text` without what a terminal would obey, except for line feeds and colours.
pub fn terminal(text: &str) -> Cow<'_, str> {
    let is_harmful = |character: char| is_invisible(character) && character != '\n';
    if !text.contains(is_harmful) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_harmful) {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        let colour = colour(rest);
        shown.push_str(&rest[..colour]);
        let dropped = rest.chars().next().map_or(0, char::len_utf8);
        rest = &rest[colour.max(dropped)..];
    }
    shown.push_str(rest);
    shown.into()
}

/// The length of the sequence that sets colours at the beginning of `text`, in bytes; 0 where there is none.
fn colour(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return 0 };
    let end = parameters.find(|character: char| !character.is_ascii_digit() && character != ';');
    end.filter(|end| parameters[*end..].starts_with('m')).map_or(0, |end| 2 + end + 1)
}

/// `value` as indented JSON, harmless to a terminal, with a line feed at its end.
///
/// # Panics
/// On a map whose keys are no strings. serde_json writes a number that is not finite as `null`.
pub fn json_document(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("the keys of a document are strings");
    json(&text).into_owned() + "\n"
}

/// The JSON `text` with escapes in place of what a terminal would obey: such characters stand in strings only.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_raw = |character: char| is_invisible(character) && !matches!(character, '\n' | '\r' | '\t');
    if !text.contains(is_raw) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match is_raw(character) {
            true => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(escaped, "\\u{unit:04x}");
            }),
            false => escaped.push(character),
        }
    }
    escaped.into()
}

/// The first `length` characters of `text`, with an ellipsis for the rest.
pub fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// Drops control and other invisible characters, and with an escape character the sequence it begins.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' && characters.next_if_eq(&'[').is_some() {
            // A control sequence ends with its first letter or another character from @ to ~.
            characters.by_ref().find(|end| ('@'..='~').contains(end));
        } else if !is_invisible(character) {
            shown.push(character);
        }
    }
    shown
}

/// Control characters, and those that reorder, break or hide what is around them.
///
/// Source: Unicode 16.0, Default_Ignorable_Code_Point and Bidi_Control, with the separators of lines and paragraphs and the
/// anchors of annotations.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}')
        || matches!(character, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}')
        || matches!(character, '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
        || matches!(character, '\u{e0000}'..='\u{e0fff}')
}

/// `text` with a [`BREAK`] in all that GitHub would make more of than text.
fn unlinked(text: &str) -> String {
    let mut unlinked = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let (before, rest) = (&text[..at], &text[at + character.len_utf8()..]);
        unlinked.extend(breaks_before(before, character, rest).then_some(BREAK));
        unlinked.push(character);
        unlinked.extend(breaks_after(character, rest).then_some(BREAK));
    }
    unlinked
}

/// Whether `character` belongs to the beginning of an address or of an issue's name.
fn breaks_before(before: &str, character: char, rest: &str) -> bool {
    let ends_with = |name: &str| {
        let end = before.len().checked_sub(name.len()).and_then(|start| before.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(name))
    };
    match character {
        '.' => ends_with("www"),
        '-' => ends_with("gh") && !rest.starts_with(|next: char| !next.is_ascii_digit()),
        _ => false,
    }
}

/// Whether `character` before `rest` is the middle of an address, or the beginning of a name of a user, an issue or an emoji.
/// What may come behind the end of `rest` counts as a part of it.
fn breaks_after(character: char, rest: &str) -> bool {
    match character {
        '@' => !rest.starts_with(char::is_whitespace),
        '#' => !rest.starts_with(|next: char| !next.is_alphanumeric()),
        ':' => rest.starts_with("//") || is_emoji(rest),
        _ => false,
    }
}

/// Whether `rest`, behind a colon, is an emoji's name, unless it is followed by something else than a colon. Two digits, as of
/// a time of day, are none.
fn is_emoji(rest: &str) -> bool {
    let name = rest.split(':').next().unwrap_or_default();
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte);
    let is_time = name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_digit());
    !name.is_empty() && name.bytes().all(is_of_name) && !is_time
}

/// `escaped`, which is Markdown or HTML, with what may be a commit's name as code.
fn commits_as_code(escaped: &str) -> String {
    let is_of_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut shown = String::with_capacity(escaped.len());
    for part in escaped.split_inclusive(|character| !is_of_word(character)) {
        let word = part.trim_end_matches(|character| !is_of_word(character));
        if COMMIT_DIGITS.contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            shown.extend([CODE[0], word, CODE[1], &part[word.len()..]]);
        } else {
            shown.push_str(part);
        }
    }
    shown
}

/// `line` with at most one space at either end: several would be code at its beginning, and a line's end at its own.
fn narrow_ends(line: &str) -> Cow<'_, str> {
    let text = line.trim_matches(' ');
    let has_space = |end: usize| if end > 0 { " " } else { "" };
    let before = line.len() - line.trim_start_matches(' ').len();
    if text.is_empty() {
        return has_space(before).into();
    }
    let after = line.len() - line.trim_end_matches(' ').len();
    if before.max(after) < 2 { line.into() } else { format!("{}{text}{}", has_space(before), has_space(after)).into() }
}

/// Where the mark is by which `text` would begin a list, a rule or a heading inside of a list's item.
fn block_mark(line: &str) -> Option<usize> {
    let text = line.trim_start();
    let number = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &text[number..];
    let is_alone = || rest[1..].is_empty() || rest[1..].starts_with(' ');
    let is_mark = match rest.chars().next()? {
        '.' | ')' => number > 0 && is_alone(),
        '-' => number == 0 && (is_alone() || rest.starts_with("--")),
        '+' => number == 0 && is_alone(),
        '=' => number == 0,
        _ => false,
    };
    // A dash alone is a table's empty cell.
    (is_mark && text != "-").then_some(line.len() - rest.len())
}

/// Adds `character` to Markdown or HTML.
fn push(escaped: &mut String, character: char) {
    match ENTITIES.iter().find(|(special, _)| *special == character) {
        Some((_, entity)) => escaped.push_str(entity),
        None => escaped.push(character),
    }
}

/// An underscore between letters is plain text on GitHub; escaping it would only hurt the raw text's readability.
fn is_inside_word(before: &str, character: char, next: Option<&char>) -> bool {
    character == '_'
        && before.chars().next_back().is_some_and(char::is_alphanumeric)
        && next.is_some_and(|next| next.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_mentions_and_references_are_shown_literally() {
        for (raw, escaped) in [
            ("a|b `c` <img>", r"a\|b \`c\` &lt;img&gt;"),
            ("by @octocat, fixes #12", r"by @&#8203;octocat, fixes \#&#8203;12"),
            ("Xeon(R) CPU @ 2.20GHz, 10:20:30", "Xeon(R) CPU @ 2.20GHz, 10:20:30"),
            ("step_seconds _x_", r"step_seconds \_x\_"),
            ("two\nlines\r\n\tand a tab", "two lines and a tab"),
            ("https://x.test WWW.x.test", "https:&#8203;//x.test WWW&#8203;.x.test"),
            ("GH-12, a gh-pages branch", "GH&#8203;-12, a gh-pages branch"),
            ("at 1f837a6c0ffe, cafe", "at <code>1f837a6c0ffe</code>, cafe"),
            (":tada: :100:", ":&#8203;tada: :&#8203;100:"),
            ("mlx:fp16 and :x", "mlx:fp16 and :&#8203;x"),
            ("a $x$", "a <span>&#36;</span>x<span>&#36;</span>"),
        ] {
            assert_eq!(markdown(raw), escaped);
        }
        let raw = r"a|b `c` <img> @octocat \ #12 &#8203; $x https://x.test 1f837a6";
        assert_eq!(unescape(&markdown(raw)), raw);
        assert_eq!(unescape(r"as before: \<mask\> \& \$"), "as before: <mask> & $");
    }

    #[test]
    fn what_would_begin_a_block_begins_none() {
        for (raw, escaped) in [
            ("- [ ] a task", r"\- \[ \] a task"),
            ("+ a", r"\+ a"),
            ("12. a", r"12\. a"),
            ("3)", r"3\)"),
            ("---", r"\---"),
            ("===", r"\==="),
            ("   - indented  ", r" \- indented "),
            ("-3.1% of 1.5 s", "-3.1% of 1.5 s"),
            ("+3.1%", "+3.1%"),
            ("-", "-"),
        ] {
            assert_eq!(markdown(raw), escaped);
        }
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fenced("text", &["````".to_owned()]), "`````text\n````\n`````\n");
        assert_eq!(fenced("bash", &[]), "```bash\n\n```\n");
    }

    #[test]
    fn html_has_no_element_and_no_mention_from_outside() {
        assert_eq!(
            html("a</summary>\n<b> \"&amp;\" @octocat"),
            "a&lt;/summary&gt; &lt;b&gt; &quot;&amp;amp;&quot; @&#8203;octocat"
        );
    }

    #[test]
    fn what_is_harmless_has_no_punctuation_but_a_names() {
        assert_eq!(harmless("mlx/41f/int8 \"`ü%%{x}", 20), "mlx/41f/int8-------x");
        assert_eq!(harmless("abc", 2), "ab");
    }

    #[test]
    fn what_nobody_can_read_is_cut() {
        let flood = "x".repeat(5_000_000);
        assert_eq!(one_line(&flood).chars().count(), LONGEST_LINE + 1);
        assert_eq!(markdown(&flood).chars().count(), LONGEST_LINE + 1);
        let shown = lines(&"  a\n".repeat(MOST_LINES + 7));
        assert_eq!(shown.lines().count(), MOST_LINES + 1);
        assert!(shown.starts_with("  a\n  a\n") && shown.ends_with("\n… and 7 more lines"));
        assert_eq!(lines("a \u{1b}[2J\n\n  b\u{7}"), "a \n\n  b");
    }

    #[test]
    fn what_is_printed_keeps_lines_and_colours_alone() {
        assert_eq!(terminal("\u{1b}[1;31mred\u{1b}[0m\nplain ü"), "\u{1b}[1;31mred\u{1b}[0m\nplain ü");
        assert_eq!(terminal("a\u{1b}[2Jb\u{1b}]0;title\u{7}c\u{202e}d\u{9b}e\r"), "a[2Jb]0;titlecde");
    }

    #[test]
    fn json_says_the_same_without_raw_control_characters() {
        let text = "{\n\t\"a\": \"\u{7f}\u{9b}\u{202e}\u{e0041}ü\"\n}";
        let escaped = json(text);
        assert_eq!(escaped, "{\n\t\"a\": \"\\u007f\\u009b\\u202e\\udb40\\udc41ü\"\n}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(text), value(&escaped));
    }

    #[test]
    fn a_terminal_has_nothing_to_obey() {
        assert_eq!(one_line("\u{1b}[31mred\u{1b}[0m\u{7}\u{202e}x"), "redx");
        assert_eq!(cut("longer text", 6), "longer…");
        assert_eq!(cut("short", 5), "short");
    }
}
