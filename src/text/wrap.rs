//! Lines of prose for a terminal.

use crate::text::escape::one_line;

/// Columns of a line of prose; a table may be wider.
const WIDTH: usize = 100;

/// Breaks `text` into lines of at most [`WIDTH`] columns; what is in backticks stays whole, to be copied.
pub fn wrap(text: &str, first: &str, rest: &str) -> String {
    wrap_to(text, first, rest, WIDTH)
}

/// The same in `width` columns.
pub fn wrap_to(text: &str, first: &str, rest: &str, width: usize) -> String {
    let mut lines = vec![first.to_owned()];
    let mut is_start = true;
    for word in words(&one_line(text)) {
        let line = lines.last_mut().expect("there is a first line");
        if !is_start && line.chars().count() + 1 + word.chars().count() > width {
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
        let text = wrap(&format!("{} `wanbench baseline update --from results.json`.", "word ".repeat(18)), "→ ", "  ");
        assert_eq!(text.lines().last(), Some("  `wanbench baseline update --from results.json`."));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    }
}
