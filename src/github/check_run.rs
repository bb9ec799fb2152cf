//! One check run per configuration and commit: created once, then updated in place.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::client::{Client, Requests};
use super::{ApiError, Marker, Repository};
use crate::gate::Standing;

/// Characters of a summary, by GitHub's "REST API endpoints for check runs".
pub const SUMMARY_LENGTH: usize = 65_535;

/// What a check run says.
#[derive(Clone, Copy, Debug)]
pub struct CheckRun<'a> {
    /// The check's name, the same in every run: branch rules refer to it.
    pub name: &'a str,
    /// The commit, a pull request's head.
    pub head_sha: &'a str,
    /// Its verdict.
    pub conclusion: Conclusion,
    /// One line of plain text.
    pub title: &'a str,
    /// Markdown; lines beyond [`SUMMARY_LENGTH`] are left out.
    pub summary: &'a str,
    /// Where the details are, such as the job's page.
    pub details_url: Option<&'a str>,
}

/// The verdict of a check run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// The run passed.
    Success,
    /// A figure fails the gate.
    Failure,
    /// Evidence is missing: a branch rule lets neither this nor a failure pass, but it does `neutral`.
    ActionRequired,
}

impl From<Standing> for Conclusion {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Passed => Self::Success,
            Standing::NotJudged => Self::ActionRequired,
            Standing::Failed => Self::Failure,
        }
    }
}

/// Makes `check_run` the one of its name and of `marker` on its commit; the address of its page, if it has one.
///
/// # Errors
/// Where it is not sure to be there.
pub async fn publish(
    client: &Client,
    repository: &Repository,
    marker: &Marker,
    check_run: &CheckRun<'_>,
) -> Result<Option<String>, ApiError> {
    let target = Target { requests: client.requests(), repository, external_id: format!("wanbench:{}", marker.name()) };
    let published = match target.update(check_run).await? {
        Some(updated) => updated,
        None => target.create(check_run).await?,
    };
    Ok(published.html_url)
}

/// The check runs of a repository, and which of them are meant.
struct Target<'a> {
    requests: Requests<'a>,
    repository: &'a Repository,
    external_id: String,
}

#[derive(Deserialize)]
struct CheckRuns {
    check_runs: Vec<Published>,
}

/// Only what is used of a check run.
#[derive(Deserialize)]
struct Published {
    id: u64,
    external_id: Option<String>,
    html_url: Option<String>,
}

#[derive(Serialize)]
struct Content<'a> {
    name: &'a str,
    /// Not in an update: a check run stays at its commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    head_sha: Option<&'a str>,
    external_id: &'a str,
    status: &'static str,
    conclusion: Conclusion,
    #[serde(skip_serializing_if = "Option::is_none")]
    details_url: Option<&'a str>,
    output: Output<'a>,
}

#[derive(Serialize)]
struct Output<'a> {
    title: &'a str,
    summary: &'a str,
}

impl Target<'_> {
    /// Updates the check run if there is one.
    async fn update(&self, check_run: &CheckRun<'_>) -> Result<Option<Published>, ApiError> {
        let Some(found) = self.find(check_run).await? else { return Ok(None) };
        let route = format!("{}/{}", self.route(), found.id);
        self.requests.patch(&route, &self.content(check_run, None)).await.map(Some)
    }

    async fn create(&self, check_run: &CheckRun<'_>) -> Result<Published, ApiError> {
        let content = self.content(check_run, Some(check_run.head_sha));
        self.requests.create(&self.route(), &content, async || self.update(check_run).await).await
    }

    /// The latest of this name and configuration. Those of one name on one commit fit on a page.
    async fn find(&self, check_run: &CheckRun<'_>) -> Result<Option<Published>, ApiError> {
        let [sha, name] = [check_run.head_sha, check_run.name].map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC));
        let route =
            format!("/repos/{}/commits/{sha}/check-runs?check_name={name}&filter=all&per_page=100", self.repository);
        let found: CheckRuns = self.requests.get(&route).await?;
        let own = |published: &Published| published.external_id.as_ref() == Some(&self.external_id);
        Ok(found.check_runs.into_iter().filter(own).max_by_key(|published| published.id))
    }

    fn content<'a>(&'a self, check_run: &CheckRun<'a>, head_sha: Option<&'a str>) -> Content<'a> {
        let &CheckRun { name, conclusion, title, summary, details_url, .. } = check_run;
        let output = Output { title, summary: whole_lines(summary, SUMMARY_LENGTH) };
        Content { name, head_sha, external_id: &self.external_id, status: "completed", conclusion, details_url, output }
    }

    fn route(&self) -> String {
        format!("/repos/{}/check-runs", self.repository)
    }
}

/// The first lines of `text` that together have at most `length` characters.
fn whole_lines(text: &str, length: usize) -> &str {
    match text.char_indices().nth(length) {
        Some((end, _)) => &text[..text[..end].rfind('\n').unwrap_or(end)],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_its_lines() {
        assert_eq!(whole_lines("ä\nö\nü", 5), "ä\nö\nü");
        assert_eq!(whole_lines("ä\nö\nü", 4), "ä\nö");
        assert_eq!(whole_lines("äöü", 2), "äö");
    }
}
