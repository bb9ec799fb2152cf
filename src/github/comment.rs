//! One comment per configuration and pull request: created once, then updated in place.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::client::{Client, Requests};
use super::{ApiError, Marker, Repository};

/// Who comments with the token that Actions gives a job.
pub const ACTIONS_BOT: &str = "github-actions[bot]";

/// What became of a comment, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// There was none.
    Created {
        /// Its page.
        url: String,
    },
    /// It had another text.
    Updated {
        /// Its page.
        url: String,
    },
    /// It had this very text.
    Unchanged {
        /// Its page.
        url: String,
    },
}

impl fmt::Display for Posted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { url } => write!(out, "new comment {url}"),
            Self::Updated { url } => write!(out, "comment updated: {url}"),
            Self::Unchanged { url } => write!(out, "the comment is up to date: {url}"),
        }
    }
}

/// Whose comment it is, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// How GitHub is asked.
    pub client: &'a Client,
    /// The repository of the pull request.
    pub repository: &'a Repository,
    /// Its number.
    pub pull_request: u64,
    /// How the comment begins.
    pub marker: &'a Marker,
    /// Login of its author, see [`author`].
    pub author: &'a str,
}

impl<'a> Place<'a> {
    /// Makes `body` the text of the one comment here that begins with the marker and is by the author.
    ///
    /// `body` gets the marker's line before it unless it begins with that. A comment of the same beginning by another user is
    /// never touched. If two jobs comment at once, the older comment stays and gets the later text.
    ///
    /// # Errors
    /// Where no comment with this text is sure to be there.
    pub async fn post(&self, body: &str) -> Result<Posted, ApiError> {
        let conversation = self.conversation(body);
        match conversation.oldest(self.author).await? {
            Some(oldest) => conversation.update(oldest).await,
            None => conversation.create(self.author).await,
        }
    }

    /// [`Self::post`], but only where there is such a comment already; `None` where there is none.
    ///
    /// # Errors
    /// Where one that is there is not sure to have this text.
    pub async fn update(&self, body: &str) -> Result<Option<Posted>, ApiError> {
        let conversation = self.conversation(body);
        match conversation.oldest(self.author).await? {
            Some(oldest) => conversation.update(oldest).await.map(Some),
            None => Ok(None),
        }
    }

    /// Marks the author's comments of other configurations in their first lines where they are not about `commit`: what they say
    /// is of an older one. One of `withdrawn`, which was posted before there were results, is deleted.
    ///
    /// # Errors
    /// Where one that should be marked or deleted is not sure to be.
    pub async fn mark_older(&self, commit: &str, withdrawn: Option<&Marker>) -> Result<(), ApiError> {
        let conversation = self.conversation("");
        for comment in conversation.all_own(self.author).await? {
            let body = comment.body.as_deref().unwrap_or_default();
            if withdrawn.is_some_and(|marker| marker.begins(body)) {
                conversation.requests.delete(&conversation.route(comment.id)).await?;
                continue;
            }
            let Some((line, rest)) = body.split_once('\n').filter(|_| !self.marker.begins(body)) else { continue };
            let is_about = |line: &str| commit.get(..SHORT).is_some_and(|commit| line.contains(commit));
            if rest.starts_with(OLDER) || rest.lines().take(1).any(is_about) {
                continue;
            }
            let text = format!("{line}\n{OLDER}\n\n{rest}");
            let _: Comment =
                conversation.requests.patch(&conversation.route(comment.id), &Text { body: &text }).await?;
        }
        Ok(())
    }

    /// In which `body` shall stand, behind the marker's line.
    fn conversation(&self, body: &str) -> Conversation<'a> {
        let Self { client, repository, pull_request, marker, .. } = *self;
        let body = if marker.begins(body) { body.to_owned() } else { format!("{}\n{body}", marker.line()) };
        Conversation { requests: client.requests(), repository, pull_request, marker, body }
    }
}

/// What is said of an older commit.
const OLDER: &str = "**Of an older commit**: the newest one has no such result yet.";

/// Digits of a commit in a comment's first line.
const SHORT: usize = 12;

/// The login of the token's owner, by which [`Place::post`] knows its own comments.
///
/// An Actions token may not ask for its owner: it is [`ACTIONS_BOT`].
pub async fn author(client: &Client) -> Result<String, ApiError> {
    match client.get::<User>("/user").await {
        Ok(user) => Ok(user.login),
        Err(ApiError::Forbidden { .. }) => Ok(ACTIONS_BOT.to_owned()),
        Err(error) => Err(error),
    }
}

/// The conversation of a pull request, and what shall stand there.
struct Conversation<'a> {
    requests: Requests<'a>,
    repository: &'a Repository,
    pull_request: u64,
    marker: &'a Marker,
    body: String,
}

/// Only what is used of a comment, so that nothing else in it can make a page unreadable.
#[derive(Debug, Deserialize)]
struct Comment {
    id: u64,
    html_url: String,
    body: Option<String>,
    /// `None` for a deleted account.
    user: Option<User>,
}

#[derive(Debug, Deserialize)]
struct User {
    login: String,
}

#[derive(Serialize)]
struct Text<'a> {
    body: &'a str,
}

impl Conversation<'_> {
    /// The comment of this configuration by `author` that stays.
    async fn oldest(&self, author: &str) -> Result<Option<Comment>, ApiError> {
        Ok(self.own(author).await?.into_iter().next())
    }

    /// The comments of this configuration by `author`, the oldest first.
    async fn own(&self, author: &str) -> Result<Vec<Comment>, ApiError> {
        let mut comments = self.all_own(author).await?;
        comments.retain(|comment| comment.body.as_ref().is_some_and(|body| self.marker.begins(body)));
        Ok(comments)
    }

    /// The comments of all configurations by `author`, the oldest first.
    async fn all_own(&self, author: &str) -> Result<Vec<Comment>, ApiError> {
        let mut comments: Vec<Comment> = self.requests.get_all(&self.conversation()).await?;
        comments.retain(|comment| {
            comment.body.as_ref().is_some_and(|body| Marker::begins_any(body))
                && comment.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(author))
        });
        comments.sort_by_key(|comment| comment.id);
        Ok(comments)
    }

    async fn update(&self, comment: Comment) -> Result<Posted, ApiError> {
        if self.is_text_of(&comment) {
            return Ok(Posted::Unchanged { url: comment.html_url });
        }
        let updated: Comment = self.requests.patch(&self.route(comment.id), &self.text()).await?;
        Ok(Posted::Updated { url: updated.html_url })
    }

    /// Posts a comment, and gives way to an older one that another job made at the same time.
    async fn create(&self, author: &str) -> Result<Posted, ApiError> {
        let made = self.requests.create(&self.conversation(), &self.text(), async || self.made(author).await).await?;
        // The token's owner may be another than was thought, and then so were the comments looked at.
        let author = made.user.as_ref().map_or(author, |user| &user.login);
        // It is posted, whatever becomes of this look.
        let own = self.own(author).await.unwrap_or_default();
        match own.into_iter().next() {
            Some(oldest) if oldest.id < made.id => {
                let posted = self.update(oldest).await?;
                self.requests.delete(&self.route(made.id)).await?;
                Ok(posted)
            }
            _ => match self.update(made).await? {
                Posted::Unchanged { url } => Ok(Posted::Created { url }),
                posted => Ok(posted),
            },
        }
    }

    /// The comment that a POST without an answer made: one with its text; otherwise another job's, which does as well.
    async fn made(&self, author: &str) -> Result<Option<Comment>, ApiError> {
        let mut own = self.own(author).await?;
        let made = own.iter().rposition(|comment| self.is_text_of(comment)).unwrap_or(0);
        Ok((made < own.len()).then(|| own.swap_remove(made)))
    }

    fn is_text_of(&self, comment: &Comment) -> bool {
        // GitHub may hand out other line ends than it was given.
        let has = |body: &String| body.lines().eq(self.body.lines());
        comment.body.as_ref().is_some_and(has)
    }

    fn text(&self) -> Text<'_> {
        Text { body: &self.body }
    }

    fn conversation(&self) -> String {
        format!("/repos/{}/issues/{}/comments", self.repository, self.pull_request)
    }

    fn route(&self, comment: u64) -> String {
        format!("/repos/{}/issues/comments/{comment}", self.repository)
    }
}
