//! GitHub's REST API through octocrab: no hidden retries, a time-out for everything, bounded waiting.

use std::fmt;
use std::time::Duration;

use octocrab::service::middleware::retry::RetryConfig;
use octocrab::{FromResponse, Octocrab};
use reqwest::redirect;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use super::ApiError;
use crate::text::escape::one_line;

/// The API of github.com.
pub const API_URL: &str = "https://api.github.com";

/// How often a request is sent at most. Waiting doubles from one to the next.
const TRIES: u32 = 4;

/// Entries a page, the most that GitHub gives.
const PAGE_LENGTH: u64 = 100;

/// Pages of one list. GitHub ends a conversation long before.
const PAGES: u64 = 100;

/// Characters kept of a text of the server.
const MESSAGE_LENGTH: usize = 200;

/// Where the API is, who asks, and how long that may take.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Such as `https://HOST/api/v3`; by default [`API_URL`].
    pub api_url: Option<String>,
    /// Without one, only what is public can be read. Spaces around it do not matter, and an empty one is none.
    pub token: Option<SecretString>,
    /// How long that may take.
    pub limits: Limits,
}

/// How long asking may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One request: connecting, sending it, and reading all of the answer. GitHub itself gives up after 10 s.
    pub request: Duration,
    /// All requests of one publishing, with the waiting between them. A longer rate limit is not waited for.
    pub total: Duration,
    /// The wait before the first repetition.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        // The total leaves room for a rate limit of a minute, the usual one.
        Self { request: Duration::from_secs(15), total: Duration::from_secs(90), pause: Duration::from_secs(1) }
    }
}

/// Asks one API, with one token.
#[derive(Clone)]
pub struct Client {
    octocrab: Octocrab,
    token: Option<SecretString>,
    limits: Limits,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that has not asked anything yet.
    ///
    /// # Errors
    /// [`ApiError::Address`] and [`ApiError::Token`].
    ///
    /// # Panics
    /// Outside a Tokio runtime, in which octocrab leaves a task.
    pub fn new(settings: Settings) -> Result<Self, ApiError> {
        let url = settings.api_url.as_deref().unwrap_or(API_URL);
        if !is_address(url) {
            return Err(ApiError::Address);
        }
        // Uploads get the token too: for nobody else than this host.
        let mut builder = Octocrab::builder()
            .add_retry_config(RetryConfig::None)
            .base_uri(url)
            .and_then(|builder| builder.upload_uri(url))
            .map_err(|_| ApiError::Address)?;
        let token = settings.token.map(|token| SecretString::from(token.expose_secret().trim()));
        let token = token.filter(|token| !token.expose_secret().is_empty());
        if let Some(token) = &token {
            if !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(ApiError::Token);
            }
            builder = builder.personal_token(token.clone());
        }
        let octocrab = builder
            .build_with_reqwest(transport(redirect::Policy::none())?)
            .map_err(|error| ApiError::new(&error, one_line))?;
        Ok(Self { octocrab, token, limits: settings.limits })
    }

    /// What GET of `route`, such as `/repos/OWNER/NAME`, answers.
    ///
    /// Asked again after a fault of the server's, a time-out or a rate limit, a few times within [`Limits::total`].
    pub async fn get<T: DeserializeOwned>(&self, route: &str) -> Result<T, ApiError> {
        self.requests().get(route).await
    }

    /// All entries of the list at `route`, whose query may have anything but `page` and `per_page`; see [`Self::get`].
    pub async fn get_all<T: DeserializeOwned>(&self, route: &str) -> Result<Vec<T>, ApiError> {
        self.requests().get_all(route).await
    }

    /// A publishing that begins now.
    pub(super) fn requests(&self) -> Requests<'_> {
        Requests { client: self, deadline: Instant::now() + self.limits.total }
    }

    /// `text` of the server as a short line without the token.
    fn safe(&self, text: &str) -> String {
        let text = match &self.token {
            Some(token) => text.replace(token.expose_secret(), "***"),
            None => text.to_owned(),
        };
        one_line(&text).chars().take(MESSAGE_LENGTH).collect()
    }
}

/// Whether `url` has a scheme, a host and perhaps a path, and no password.
pub fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['@', '?', '#']))
}

/// The requests of one publishing, all of them before its deadline.
pub(super) struct Requests<'a> {
    client: &'a Client,
    deadline: Instant,
}

impl Requests<'_> {
    /// See [`Client::get`].
    pub(super) async fn get<T: DeserializeOwned>(&self, route: &str) -> Result<T, ApiError> {
        self.ask(true, async || self.client.octocrab.get(route, None::<&()>).await).await
    }

    /// See [`Client::get_all`].
    pub(super) async fn get_all<T: DeserializeOwned>(&self, route: &str) -> Result<Vec<T>, ApiError> {
        let query = if route.contains('?') { '&' } else { '?' };
        let mut entries = Vec::new();
        let mut page = 1;
        while page <= PAGES {
            let route = format!("{route}{query}per_page={PAGE_LENGTH}&page={page}");
            let (more, next) = self.ask(true, async || get_page(&self.client.octocrab, &route).await).await?;
            entries.extend::<Vec<T>>(more);
            match next {
                Some(next) if next > page => page = next,
                _ => return Ok(entries),
            }
        }
        Err(ApiError::Malformed { reason: format!("a list of more than {PAGES} pages") })
    }

    /// What `look` finds after a POST of `body` to `route` whose outcome is uncertain, or else the POST's own answer.
    ///
    /// `look` tells whether the server made it all the same: only where it finds nothing a second POST is sent, and none
    /// after that.
    pub(super) async fn create<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &impl Serialize,
        look: impl AsyncFn() -> Result<Option<T>, ApiError>,
    ) -> Result<T, ApiError> {
        let mut repeated = false;
        loop {
            let failure = match self.post(route, body).await {
                Err(error) if error.is_uncertain() => error,
                certain => return certain,
            };
            // What was just made may not be in the list at once.
            sleep(self.client.limits.pause.min(self.remaining())).await;
            match look().await? {
                Some(found) => return Ok(found),
                None if repeated => return Err(failure),
                None => repeated = true,
            }
        }
    }

    /// Sent again only after a rate limit, at which the server has not acted.
    async fn post<T: DeserializeOwned>(&self, route: &str, body: &impl Serialize) -> Result<T, ApiError> {
        self.ask(false, async || self.client.octocrab.post(route, Some(body)).await).await
    }

    /// Sets the fields of `body`: twice is the same as once.
    pub(super) async fn patch<T: DeserializeOwned>(&self, route: &str, body: &impl Serialize) -> Result<T, ApiError> {
        self.ask(true, async || self.client.octocrab.patch(route, Some(body)).await).await
    }

    /// What is not there, by this or by another's hand, counts as deleted.
    pub(super) async fn delete(&self, route: &str) -> Result<(), ApiError> {
        let octocrab = &self.client.octocrab;
        let deleted = self.ask(true, async || {
            octocrab::map_github_error(octocrab._delete(route, None::<&()>).await?).await.map(drop)
        });
        match deleted.await {
            Err(ApiError::NotFound) => Ok(()),
            other => other,
        }
    }

    /// The answer to `request`, which is sent again after a rate limit, and if it is `repeatable` also where it is
    /// uncertain whether the server acted.
    async fn ask<T>(&self, repeatable: bool, request: impl AsyncFn() -> octocrab::Result<T>) -> Result<T, ApiError> {
        let mut pause = self.client.limits.pause;
        let mut tries = 1;
        loop {
            let error = match timeout(self.client.limits.request.min(self.remaining()), request()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => ApiError::new(&error, |text| self.client.safe(text)),
                Err(_) => ApiError::TimedOut,
            };
            let wait = match error {
                ApiError::RateLimited { seconds } => Duration::from_secs(seconds),
                _ if repeatable && error.is_uncertain() => pause,
                _ => return Err(error),
            };
            if tries == TRIES || wait >= self.remaining() {
                return Err(error);
            }
            sleep(wait).await;
            pause *= 2;
            tries += 1;
        }
    }

    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Speaks HTTP by the system's proxies (`HTTPS_PROXY`, `NO_PROXY`) and trusts the system's certificates (`SSL_CERT_FILE`).
///
/// It repeats nothing by itself. Nor has it time-outs: who asks has them.
pub(super) fn transport(redirections: redirect::Policy) -> Result<reqwest::Client, ApiError> {
    // Where another part of this process was first, its choice is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().redirect(redirections).retry(reqwest::retry::never()).build();
    client.map_err(|error| ApiError::Unreachable { reason: one_line(&error.to_string()) })
}

/// The page at `route`, and the next one's number.
async fn get_page<T: DeserializeOwned>(octocrab: &Octocrab, route: &str) -> octocrab::Result<(Vec<T>, Option<u64>)> {
    let answer = octocrab::map_github_error(octocrab._get(route).await?).await?;
    let next = answer.headers().get("link").and_then(|link| next_page(link.to_str().ok()?));
    Ok((Vec::from_response(answer).await?, next))
}

/// The number of the page that a `Link` header calls the next.
///
/// Only the number: the address might be another host's.
fn next_page(link: &str) -> Option<u64> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let (_, query) = next.split_once('<')?.1.split_once('>')?.0.split_once('?')?;
    query.split('&').find_map(|parameter| parameter.strip_prefix("page="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_read_from_the_link_header() {
        let link =
            r#"<https://a.b/x?per_page=100&page=1>; rel="prev", <https://a.b/x?per_page=100&page=3>; rel="next""#;
        assert_eq!(next_page(link), Some(3));
        for link in ["", r#"<https://a.b/x?page=1>; rel="prev""#, r#"<https://a.b/x?after=abc>; rel="next""#] {
            assert_eq!(next_page(link), None, "{link}");
        }
    }

    #[test]
    fn an_address_has_a_host_and_no_password() {
        for url in [API_URL, "http://127.0.0.1:8080", "https://git.example/api/v3"] {
            assert!(is_address(url), "{url}");
        }
        for url in ["", "git.example", "ftp://git.example", "https://", "https:///x", "https://me:secret@git.example"] {
            assert!(!is_address(url), "{url}");
        }
    }
}
