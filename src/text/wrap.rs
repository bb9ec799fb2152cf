//! Lines of prose for a terminal.

use crate::text::columns;
use crate::text::escape::one_line;

/// Breaks `text` into lines of at most `width` columns, the first one after `first` and the others after `rest`. What is in
/// backticks stays whole, to be copied, and so does a word that is wider than a line.
pub fn wrap(text: &str, first: &str, rest: &str, width: usize) -> String {
    let mut lines = vec![first.to_owned()];
    let mut is_start = true;
    for word in words(&one_line(text)) {
        let line = lines.last_mut().expect("there is a first line");
        if !is_start && columns::width(line) + 1 + columns::width(&word) > width {
            lines.push(format!("{rest}{word}"));
        } else {
            if !is_start {
                line.push(' ');
            }
            line.push_str(&word);
        }
        is_start = false;
    }
    lines.join("\n") + "\n"
}

/// Words between blanks, a part in backticks counting as one.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match words.last_mut() {
            Some(last) if last.matches('`').count() % 2 == 1 => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_never_broken() {
        for (words, width) in [(9, 50), (14, 80), (18, 100)] {
            let prose = "word ".repeat(words) + "`wanbench baseline update --from results.json`.";
            let text = wrap(&prose, "→ ", "  ", width);
            assert_eq!(text.lines().last(), Some("  `wanbench baseline update --from results.json`."), "{text}");
            assert!(text.lines().all(|line| columns::width(line) <= width), "{width}: {text}");
        }
    }

    #[test]
    fn lines_are_as_wide_as_they_may_be() {
        assert_eq!(wrap("aaa bbb ccc", "- ", "  ", 9), "- aaa bbb\n  ccc\n");
        assert_eq!(wrap("aaa bbb ccc", "- ", "  ", 8), "- aaa\n  bbb\n  ccc\n");
        assert_eq!(wrap("視頻 模型", "", "", 8), "視頻\n模型\n", "a wide character takes two columns");
    }
}
