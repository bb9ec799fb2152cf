//! A message to a chat, by an incoming webhook: the JSON that Slack takes, and others like it.

use std::time::Duration;

use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::client::transport;
use crate::text::escape::one_line;

/// Longest that it may take to be sent, and to be answered.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Why a message was not sent. The address is a secret, and part of none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// What should be an address is none.
    #[error("it does not hold an address of the form https://HOST/PATH")]
    Address,
    /// The server did not take it.
    #[error("the server answers {status}")]
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// No answer in time.
    #[error("the server did not answer within {} s", .limit.as_secs_f64())]
    TimedOut {
        /// How long it was waited for.
        limit: Duration,
    },
    /// No connection, or one that broke.
    #[error("the server cannot be reached ({reason})")]
    Unreachable {
        /// What the network says.
        reason: String,
    },
}

/// Posts `text`, once: a second attempt after an uncertain one could tell it twice. No redirection is followed.
///
/// # Errors
/// [`WebhookError`]
pub async fn send(address: &SecretString, text: &str) -> Result<(), WebhookError> {
    send_within(address, text, TIME_LIMIT).await
}

async fn send_within(address: &SecretString, text: &str, limit: Duration) -> Result<(), WebhookError> {
    let secret = address.expose_secret().trim();
    let url = reqwest::Url::parse(secret).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    let url = url.ok_or(WebhookError::Address)?;
    let unreachable = |reason: String| WebhookError::Unreachable { reason: one_line(&reason.replace(secret, "***")) };
    let client = transport(Policy::none()).map_err(|error| unreachable(error.to_string()))?;
    let body = json!({ "text": text }).to_string();
    let request = client.post(url).header("content-type", "application/json").body(body);
    match tokio::time::timeout(limit, request.send()).await {
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(WebhookError::Refused { status: answer.status().as_u16() }),
        Ok(Err(error)) => {
            let error = error.without_url();
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Err(unreachable(cause))
        }
        Err(_) => Err(WebhookError::TimedOut { limit }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    async fn answering(answer: ResponseTemplate) -> (MockServer, SecretString) {
        let server = MockServer::start().await;
        Mock::given(method("POST")).and(path("/services/secret")).respond_with(answer).mount(&server).await;
        let address = format!("{}/services/secret\n", server.uri()).into();
        (server, address)
    }

    #[tokio::test]
    async fn a_message_is_posted_once_as_slack_takes_it() {
        let (server, address) = answering(ResponseTemplate::new(200).set_body_string("ok")).await;
        send(&address, "a \"quotation\"\nof two lines").await.unwrap();
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].headers["content-type"], "application/json");
        let body: Value = requests[0].body_json().unwrap();
        assert_eq!(body, json!({"text": "a \"quotation\"\nof two lines"}));
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told_without_the_address_and_not_tried_again() {
        for (answer, expected) in [
            (ResponseTemplate::new(500), WebhookError::Refused { status: 500 }),
            (ResponseTemplate::new(302).insert_header("location", "/elsewhere"), WebhookError::Refused { status: 302 }),
        ] {
            let (server, address) = answering(answer).await;
            assert_eq!(send(&address, "text").await, Err(expected));
            assert_eq!(server.received_requests().await.unwrap().len(), 1);
        }
        let nobody = SecretString::from("http://127.0.0.1:1/services/secret");
        let error = send(&nobody, "text").await.unwrap_err();
        assert!(matches!(&error, WebhookError::Unreachable { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        for address in ["", "services/secret", "ftp://host/secret", "ghs_secret"] {
            assert_eq!(send(&address.into(), "text").await, Err(WebhookError::Address), "{address}");
        }
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_not_waited_for() {
        let (_server, address) = answering(ResponseTemplate::new(200).set_delay(Duration::from_secs(3600))).await;
        let limit = Duration::from_millis(50);
        assert_eq!(send_within(&address, "text", limit).await, Err(WebhookError::TimedOut { limit }));
    }
}
