//! Makes text from outside (machine names, reasons, a worker's stderr) harmless where it is shown.
//!
//! Nothing that a worker prints can break a table, add markup, notify a user on GitHub, move a terminal's cursor or flood it.

use std::borrow::Cow;
use std::fmt::Write;

/// Characters of a line that are shown: more than any of wanbench's own has.
const LONGEST_LINE: usize = 10_000;

/// Lines of a message that are shown.
const MOST_LINES: usize = 200;

/// Columns that a line of a message is indented by.
const MOST_INDENT: usize = 40;

/// Stands between `@` or `#` and a name, so that GitHub neither notifies nor links: escapes do not stop it from that.
const NO_LINK: &str = "&#8203;";

/// Characters that mean something inside a Markdown line.
const SPECIAL: &str = "\\`*_{}[]<>|~&#$";

/// `text` as one line of Markdown that shows it literally, in a table's cell too.
pub fn markdown(text: &str) -> String {
    let text = one_line(text);
    let mut escaped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if SPECIAL.contains(character) && !is_inside_word(&escaped, character, characters.peek()) {
            escaped.push('\\');
        }
        escaped.push(character);
        if is_link(character, characters.peek()) {
            escaped.push_str(NO_LINK);
        }
    }
    escaped
}

/// The text that [`markdown`] escaped.
pub fn unescape(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    let without_links = markdown.replace(NO_LINK, "");
    let mut characters = without_links.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(next) if character == '\\' && SPECIAL.contains(*next) => text.extend(characters.next()),
            _ => text.push(character),
        }
    }
    text
}

/// `text` on one line of HTML, inside an element. There a backslash escapes nothing.
pub fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let text = one_line(text);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
        if is_link(character, characters.peek()) {
            escaped.push_str(NO_LINK);
        }
    }
    escaped
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
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether GitHub may take `character` and `next` for the beginning of a user's or an issue's name.
fn is_link(character: char, next: Option<&char>) -> bool {
    matches!(character, '@' | '#') && next.is_some_and(|next| next.is_alphanumeric())
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
            ("a|b `c` <img>", r"a\|b \`c\` \<img\>"),
            ("by @octocat, fixes #12", r"by @&#8203;octocat, fixes \#&#8203;12"),
            ("Xeon(R) CPU @ 2.20GHz", "Xeon(R) CPU @ 2.20GHz"),
            ("step_seconds _x_", r"step_seconds \_x\_"),
            ("two\nlines\r\n\tand a tab", "two lines and a tab"),
        ] {
            assert_eq!(markdown(raw), escaped);
        }
        let raw = r"a|b `c` <img> @octocat \ #12";
        assert_eq!(unescape(&markdown(raw)), raw);
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
