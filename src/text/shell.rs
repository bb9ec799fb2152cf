//! Commands to be pasted into a shell.

/// The words of a command as one line, each quoted where a shell would read it otherwise.
pub fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let harmless = |word: &str| super::escape::one_line(word).replace('\0', "");
    let words: Vec<String> = words.into_iter().map(harmless).collect();
    // Without a NUL there is nothing that it cannot quote.
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_back() {
        let words = ["wanbench", "check", "--config", "base lines/c'\"$(id).toml", "--filter", "mlx/41f/int8", ""];
        assert_eq!(shlex::split(&command(words)).unwrap(), words);
        assert_eq!(command(words[..2].iter().copied()), "wanbench check");
        assert_eq!(shlex::split(&command(["a\nb\0"])).unwrap(), ["a b"], "one line, without control characters");
    }
}
