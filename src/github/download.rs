//! A small public file by its address.

use std::time::Duration;

use reqwest::redirect::Policy;

pub use super::client::is_address;
use super::client::transport;
use crate::text::escape::one_line;

/// Longest that a download may take.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// Most bytes.
const MOST_BYTES: usize = 1 << 20;
/// Most redirections, which none makes less safe: from https to https only.
const REDIRECTIONS: usize = 5;

/// The file at `address`, of at most 1 MiB.
///
/// # Errors
/// Why it is not to be had, in one line.
pub async fn small(address: &str) -> Result<Vec<u8>, String> {
    if !is_address(address) {
        return Err("it is no address of the form https://HOST/PATH".to_owned());
    }
    tokio::time::timeout(TIME_LIMIT, get(address))
        .await
        .unwrap_or_else(|_| Err(format!("there was no answer within {} s", TIME_LIMIT.as_secs())))
}

async fn get(address: &str) -> Result<Vec<u8>, String> {
    let redirections = Policy::custom(|attempt| {
        let is_as_safe = attempt.previous().iter().all(|from| from.scheme() == attempt.url().scheme());
        if is_as_safe && attempt.previous().len() <= REDIRECTIONS { attempt.follow() } else { attempt.stop() }
    });
    let client = transport(redirections).map_err(|error| error.to_string())?;
    let in_words = |error: reqwest::Error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        one_line(&cause)
    };
    let mut answer = client.get(address).send().await.map_err(in_words)?;
    if !answer.status().is_success() {
        return Err(format!("the server answers {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(more) = answer.chunk().await.map_err(in_words)? {
        bytes.extend_from_slice(&more);
        if bytes.len() > MOST_BYTES {
            return Err(format!("it has more than {MOST_BYTES} bytes"));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    #[tokio::test]
    async fn a_file_is_followed_to_its_place_and_is_small() {
        let server = MockServer::start().await;
        let answer = |at: &str, answer| Mock::given(path(at.to_owned())).respond_with(answer).mount(&server);
        let moved = |to: &str| ResponseTemplate::new(302).insert_header("location", format!("{}{to}", server.uri()));
        answer("/file", ResponseTemplate::new(200).set_body_bytes(b"text")).await;
        answer("/moved", moved("/file")).await;
        answer("/circle", moved("/circle")).await;
        answer("/large", ResponseTemplate::new(200).set_body_bytes(vec![0; MOST_BYTES + 1])).await;
        let get = async |at: &str| small(&format!("{}{at}", server.uri())).await;
        assert_eq!(get("/file").await.unwrap(), b"text");
        assert_eq!(get("/moved").await.unwrap(), b"text");
        assert!(get("/circle").await.unwrap_err().contains("302"));
        assert!(get("/none").await.unwrap_err().contains("404"));
        assert!(get("/large").await.unwrap_err().contains("more than"));
        assert!(small("http://127.0.0.1:1/").await.is_err() && small("file:///etc/passwd").await.is_err());
    }
}
