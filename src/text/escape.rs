//! Makes text from outside (machine names, reasons, a worker's stderr) harmless where it is shown.
//!
//! Nothing that a worker prints can break a table, add markup, notify a user on GitHub or move a terminal's cursor.

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

/// `text` on one line, without control characters (a terminal would obey them).
pub fn one_line(text: &str) -> String {
    text.split(['\n', '\r', '\t']).map(printable).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The first `length` characters of `text`, with an ellipsis for the rest.
pub fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// Drops control and invisible reordering characters, and with an escape character the sequence it begins.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' && characters.next_if_eq(&'[').is_some() {
            // A control sequence ends with its first letter or another character from @ to ~.
            characters.by_ref().find(|end| ('@'..='~').contains(end));
        } else if !character.is_control() && !is_reordering(character) {
            shown.push(character);
        }
    }
    shown
}

fn is_reordering(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
    fn a_terminal_has_nothing_to_obey() {
        assert_eq!(one_line("\u{1b}[31mred\u{1b}[0m\u{7}\u{202e}x"), "redx");
        assert_eq!(cut("longer text", 6), "longer…");
        assert_eq!(cut("short", 5), "short");
    }
}
