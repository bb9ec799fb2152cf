//! One check run per configuration and commit: created once, then updated in place.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::client::{Client, Requests};
use super::{ApiError, Marker, Repository};
use crate::gate::Standing;
use crate::text::escape::markdown;

/// Check runs a page, the most that GitHub gives.
const PAGE_LENGTH: usize = 100;

/// Pages of a commit's check runs: GitHub keeps 1,000 of them.
const PAGES: usize = 10;

/// Characters of a summary, by GitHub's "REST API endpoints for check runs".
pub const SUMMARY_LENGTH: usize = 65_535;

/// What a check run says.
#[derive(Clone, Copy, Debug)]
pub struct CheckRun<'a> {
    /// The check's name, the same in every run: branch rules refer to it.
    pub name: &'a str,
    /// The commit, a pull request's head.
    pub head_sha: &'a str,
    /// Its verdict; `None` while it is in progress.
    pub conclusion: Option<Conclusion>,
    /// One line of plain text.
    pub title: &'a str,
    /// Markdown; lines beyond [`SUMMARY_LENGTH`] are left out.
    pub summary: &'a str,
    /// Where the details are, such as the job's page.
    pub details_url: Option<&'a str>,
}

/// The verdict of a check run; a later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// It is withdrawn: what it said holds no more.
    Neutral,
    /// The run passed.
    Success,
    /// Evidence is missing: a branch rule lets neither this nor a failure pass, but it does `neutral`.
    ActionRequired,
    /// A figure fails the gate.
    Failure,
}

/// The check that is the worst of all of wanbench's on a commit; for a branch rule.
pub const OVERALL: &str = "wanbench";

/// How often it is looked whether another job published meanwhile what is worse.
const LOOKS: usize = 5;

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
    let target = Target { requests: client.requests(), repository, external_id: external_id(marker) };
    let published = match target.update(check_run).await? {
        Some(updated) => updated,
        None => target.create(check_run).await?,
    };
    Ok(published.html_url)
}

/// Makes the check [`OVERALL`] of the commit `head_sha` the worst of wanbench's others there; in progress while they are fewer
/// than `expected`. The check run of `withdrawn`, which was published before there were results, says no more.
///
/// Jobs of several machines may do so at once: each looks again after it published, so that the last has seen all.
///
/// # Errors
/// Where it is not sure to be there.
pub async fn publish_overall(
    client: &Client,
    repository: &Repository,
    head_sha: &str,
    expected: usize,
    withdrawn: Option<&Marker>,
) -> Result<(), ApiError> {
    let target = Target { requests: client.requests(), repository, external_id: OVERALL.to_owned() };
    let mut published = None;
    for _ in 0..LOOKS {
        let mut others = target.others(head_sha).await?;
        if let Some(marker) = withdrawn {
            let outdated = Target { requests: client.requests(), repository, external_id: external_id(marker) };
            outdated.withdraw(&mut others).await?;
        }
        let overall = Overall::of(others, expected);
        if published.as_ref() == Some(&overall) {
            return Ok(());
        }
        let Overall { conclusion, title, summary } = &overall;
        let check_run =
            CheckRun { name: OVERALL, head_sha, conclusion: *conclusion, title, summary, details_url: None };
        if target.update(&check_run).await?.is_none() {
            target.create(&check_run).await?;
        }
        published = Some(overall);
    }
    Ok(())
}

fn external_id(marker: &Marker) -> String {
    format!("wanbench:{}", marker.name())
}

/// What all check runs of a commit say together.
#[derive(Debug, PartialEq)]
struct Overall {
    conclusion: Option<Conclusion>,
    title: String,
    summary: String,
}

impl Overall {
    fn of(mut others: Vec<Published>, expected: usize) -> Self {
        others.retain(|run| run.conclusion() != Conclusion::Neutral);
        others.sort_by(|one, other| one.name.cmp(&other.name));
        let lines = others.iter().map(|run| format!("- {}: {}\n", markdown(&run.name), markdown(run.title())));
        let summary = lines.collect();
        let missing = expected.saturating_sub(others.len());
        let worst = others.iter().max_by_key(|run| run.conclusion());
        match worst {
            Some(worst) if missing == 0 || worst.conclusion() == Conclusion::Failure => {
                Self { conclusion: Some(worst.conclusion()), title: worst.title().to_owned(), summary }
            }
            _ => Self { conclusion: None, title: format!("{} of {expected} results are there", others.len()), summary },
        }
    }
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
    #[serde(default)]
    name: String,
    external_id: Option<String>,
    html_url: Option<String>,
    conclusion: Option<String>,
    output: Option<PublishedOutput>,
}

#[derive(Deserialize)]
struct PublishedOutput {
    title: Option<String>,
}

impl Published {
    /// What is no verdict that wanbench gives is none that passes.
    fn conclusion(&self) -> Conclusion {
        match self.conclusion.as_deref() {
            Some("success") => Conclusion::Success,
            Some("failure") => Conclusion::Failure,
            Some("neutral") => Conclusion::Neutral,
            _ => Conclusion::ActionRequired,
        }
    }

    fn title(&self) -> &str {
        self.output.as_ref().and_then(|output| output.title.as_deref()).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Content<'a> {
    name: &'a str,
    /// Not in an update: a check run stays at its commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    head_sha: Option<&'a str>,
    external_id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conclusion: Option<Conclusion>,
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

    /// Takes the verdict from the check run of this name among `others`, if it has one.
    async fn withdraw(&self, others: &mut [Published]) -> Result<(), ApiError> {
        let is_meant = |run: &&mut Published| {
            run.external_id.as_ref() == Some(&self.external_id) && run.conclusion() != Conclusion::Neutral
        };
        let Some(run) = others.iter_mut().find(is_meant) else { return Ok(()) };
        let check_run = CheckRun {
            name: &run.name,
            head_sha: "",
            conclusion: Some(Conclusion::Neutral),
            title: "Withdrawn: there are results now",
            summary: "A later attempt has results, which have a check of their own.",
            details_url: None,
        };
        let route = format!("{}/{}", self.route(), run.id);
        let withdrawn = self.requests.patch(&route, &self.content(&check_run, None)).await?;
        *run = withdrawn;
        Ok(())
    }

    /// The latest of each of wanbench's other check runs on a commit.
    async fn others(&self, head_sha: &str) -> Result<Vec<Published>, ApiError> {
        let sha = utf8_percent_encode(head_sha, NON_ALPHANUMERIC);
        let mut latest: BTreeMap<String, Published> = BTreeMap::new();
        for page in 1..=PAGES {
            let route = format!(
                "/repos/{}/commits/{sha}/check-runs?filter=latest&per_page={PAGE_LENGTH}&page={page}",
                self.repository
            );
            let CheckRuns { check_runs } = self.requests.get(&route).await?;
            let is_last = check_runs.len() < PAGE_LENGTH;
            for run in check_runs {
                let Some(id) = run.external_id.clone().filter(|id| id.starts_with("wanbench:")) else { continue };
                if latest.get(&id).is_none_or(|other| other.id < run.id) {
                    latest.insert(id, run);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(latest.into_values().collect())
    }

    fn content<'a>(&'a self, check_run: &CheckRun<'a>, head_sha: Option<&'a str>) -> Content<'a> {
        let &CheckRun { name, conclusion, title, summary, details_url, .. } = check_run;
        let output = Output { title, summary: whole_lines(summary, SUMMARY_LENGTH) };
        let status = if conclusion.is_some() { "completed" } else { "in_progress" };
        Content { name, head_sha, external_id: &self.external_id, status, conclusion, details_url, output }
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
