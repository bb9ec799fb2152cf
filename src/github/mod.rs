//! GitHub: what is posted there, once, and what of that which comes from there is believed.
//!
//! Posting never affects the verdict.

pub mod artifact;
mod caps;
pub mod check_run;
pub mod client;
pub mod comment;
pub mod download;
mod error;
pub mod event;
pub mod identity;
mod plausible;
pub mod webhook;

use std::fmt;
use std::str::FromStr;

pub use caps::Caps;
pub use error::ApiError;

/// A repository, `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// User or organization.
    pub owner: String,
    /// Its name there.
    pub name: String,
}

impl fmt::Display for Repository {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.owner, self.name)
    }
}

impl FromStr for Repository {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What GitHub allows in a name; nothing of it has a meaning in a URL.
        let is_name = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
        };
        match text.split_once('/') {
            Some((owner, name)) if is_name(owner) && is_name(name) => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!("`{text}` is not OWNER/NAME")),
        }
    }
}

/// What tells wanbench's own comments and check runs from all others, and those of one configuration from another's.
///
/// A hidden line of the comment; of harmless letters only, whatever the configuration is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker(String);

impl Marker {
    /// Of the configuration `name`, such as a suite.
    pub fn new(name: &str) -> Self {
        let harmless =
            |letter: char| if letter.is_ascii_alphanumeric() || "._+".contains(letter) { letter } else { '-' };
        // Two hyphens in a row would end an HTML comment.
        let parts: String = name.chars().map(harmless).collect();
        Self(parts.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-"))
    }

    /// The configuration's name in harmless letters.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The comment's first line.
    pub fn line(&self) -> String {
        format!("<!-- wanbench:{} -->", self.0)
    }

    /// Whether `body` is a comment of wanbench's, of whichever configuration.
    pub fn begins_any(body: &str) -> bool {
        body.starts_with("<!-- wanbench:")
    }

    /// Whether `body` is of this configuration. A quotation has the line elsewhere than at the very beginning.
    pub fn begins(&self, body: &str) -> bool {
        body.lines().next().is_some_and(|line| line.trim_end() == self.line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        assert_eq!("a-b/c.d_e".parse::<Repository>().unwrap().to_string(), "a-b/c.d_e");
        for text in ["", "a", "a/", "/b", "a/b/c", "a/..", "a/b?x", "a b/c", "a/%2e"] {
            assert!(text.parse::<Repository>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_marker_cannot_end_its_comment() {
        let marker = Marker::new("smoke --> <b> | ü--x");
        assert_eq!(marker.line(), "<!-- wanbench:smoke-b-x -->");
        assert!(marker.begins("<!-- wanbench:smoke-b-x -->\r\nbody"));
        assert!(!marker.begins("> <!-- wanbench:smoke-b-x -->"));
        assert!(!Marker::new("smoke").begins("<!-- wanbench:smoke-b-x -->"));
    }
}
