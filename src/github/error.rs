//! Why GitHub's API did not do what it was asked, and what the user can do about it.

use std::error::Error;

use jiff::Timestamp;
use octocrab::GitHubError;

/// Why GitHub's API did not do what it was asked. The text of each is one line and ends in the way out.
///
/// Texts of the server are cut to one harmless line; the token is in none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The address of the API is none. It is not shown: there may be a password in it.
    #[error("the address of GitHub's API is not valid: pass --api-url as https://HOST or https://HOST/api/v3")]
    Address,
    /// The token has characters that no token has.
    #[error("the token has characters that no token has: check GITHUB_TOKEN or --token")]
    Token,
    /// 401.
    #[error("GitHub does not accept the token (401): pass a valid one in GITHUB_TOKEN or --token")]
    Unauthorized,
    /// 403 for other reasons than a rate limit.
    #[error(
        "the token lacks a permission (403: {message}): give the job `permissions:` `pull-requests: write`, for a \
         check run `checks: write`; the token of a fork's pull request is always read-only: post from a second \
         workflow on `workflow_run`, as .github/workflows/bench-comment.yml does"
    )]
    Forbidden {
        /// The server's reason.
        message: String,
    },
    /// 404.
    #[error(
        "GitHub finds no such repository, pull request or commit for this token (404): check --repository, \
         --pull-request, --sha and the token's read permissions"
    )]
    NotFound,
    /// 410.
    #[error("the pull request or its conversation is deleted (410): there is nothing to post to")]
    Gone,
    /// 3xx. It is not followed: the new address may be another host's.
    #[error("GitHub answers that this has moved ({status}): pass its present name as --repository or --api-url")]
    Moved {
        /// HTTP status.
        status: u16,
    },
    /// 422.
    #[error("GitHub finds the request invalid (422: {message}): check the pull request's number and the commit")]
    Unprocessable {
        /// The server's reason.
        message: String,
    },
    /// A rate limit that lasts longer than there is time.
    #[error("GitHub's rate limit is used up for the next {seconds} s: run the job again after that")]
    RateLimited {
        /// How long the server says to wait.
        seconds: u64,
    },
    /// Another 4xx.
    #[error("GitHub refuses the request ({status}: {message}): check --api-url and --repository")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The server's reason.
        message: String,
    },
    /// 5xx.
    #[error("GitHub has an internal error ({status}): run the job again later")]
    Server {
        /// HTTP status.
        status: u16,
    },
    /// No whole answer in time.
    #[error("GitHub did not answer in time: run the job again later")]
    TimedOut,
    /// No connection, or one that broke.
    #[error("GitHub's API cannot be reached ({reason}): check the network and --api-url")]
    Unreachable {
        /// What the network says.
        reason: String,
    },
    /// An answer of another form than GitHub documents.
    #[error("the response is not from GitHub ({reason}): check --api-url")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}

impl ApiError {
    /// The one that `error` tells; `safe` makes text of the server harmless.
    pub(super) fn new(error: &octocrab::Error, safe: impl Fn(&str) -> String) -> Self {
        match error {
            octocrab::Error::GitHub { source, .. } => Self::of_answer(source, safe),
            octocrab::Error::Json { source, .. } => Self::Malformed { reason: safe(&source.to_string()) },
            other => Self::Unreachable { reason: safe(&innermost(other).to_string()) },
        }
    }

    fn of_answer(answer: &GitHubError, safe: impl Fn(&str) -> String) -> Self {
        if let Some(seconds) = rate_limit_seconds(answer) {
            return Self::RateLimited { seconds };
        }
        let message = safe(&message(answer));
        match answer.status_code.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Forbidden { message },
            404 => Self::NotFound,
            410 => Self::Gone,
            422 => Self::Unprocessable { message },
            status @ 300..=399 => Self::Moved { status },
            status @ 500.. => Self::Server { status },
            status => Self::Refused { status, message },
        }
    }

    /// Whether the server may have done all the same what it was asked.
    pub(super) fn is_uncertain(&self) -> bool {
        matches!(self, Self::Server { .. } | Self::TimedOut | Self::Unreachable { .. } | Self::Malformed { .. })
    }
}

/// How long to wait if `answer` is that of a rate limit. The server has not acted then.
///
/// By GitHub's "Rate limits for the REST API": `retry-after`, else `x-ratelimit-reset` where nothing remains, else a
/// minute.
fn rate_limit_seconds(answer: &GitHubError) -> Option<u64> {
    let status = answer.status_code.as_u16();
    if !matches!(status, 403 | 429) {
        return None;
    }
    let header = |name| answer.headers.as_ref()?.get(name)?.to_str().ok()?.parse::<u64>().ok();
    let until_reset = || {
        let now = u64::try_from(Timestamp::now().as_second()).ok()?;
        // The limit ends with that second, not before it.
        (header("x-ratelimit-remaining") == Some(0)).then_some((header("x-ratelimit-reset")? + 1).saturating_sub(now))
    };
    let is_limit = || status == 429 || answer.message.to_ascii_lowercase().contains("rate limit");
    header("retry-after").or_else(until_reset).or_else(|| is_limit().then_some(60))
}

/// The reason and its details, of which a 422 has most.
fn message(answer: &GitHubError) -> String {
    let details = answer.errors.iter().flatten().map(|detail| match detail["message"].as_str().or(detail.as_str()) {
        Some(text) => text.to_owned(),
        None => detail.to_string(),
    });
    std::iter::once(answer.message.clone()).chain(details).collect::<Vec<_>>().join("; ")
}

/// What `error` comes from in the end: the layers above it only say that a service failed.
fn innermost(error: &dyn Error) -> &dyn Error {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}
