//! Whether a run that has ended was of the pull request that its artifact names.
//!
//! The artifact is the fork's word. What is asked here comes from the event and from the API, which the fork cannot
//! write.

use thiserror::Error;

use super::Repository;
use super::event::{PullRequest, WorkflowRun};

/// Whether `run` is of the newest commit of `claimed`, an open pull request to `repository`; `claimed` as the API tells
/// it.
///
/// The event of a run does not say which pull request of a fork it is for, so the number comes from the artifact. With
/// this a fork can have its result shown at no other pull request than one of its own, at the commit that was measured.
pub fn verify(run: &WorkflowRun, claimed: &PullRequest, repository: &Repository) -> Result<(), IdentityError> {
    let number = claimed.number;
    if run.event != "pull_request" {
        return Err(IdentityError::Event { event: run.event.clone() });
    }
    if !is_same(&run.repository, repository) {
        return Err(IdentityError::Elsewhere { run: run.repository.clone(), here: repository.clone() });
    }
    if !is_same(&claimed.base_repository, repository) {
        let base = claimed.base_repository.clone();
        return Err(IdentityError::Base { number, base, here: repository.clone() });
    }
    if !claimed.is_open {
        return Err(IdentityError::Closed { number });
    }
    let (Some(head), Some(of_run)) = (&claimed.head_repository, &run.head_repository) else {
        return Err(IdentityError::Deleted { number });
    };
    if !is_same(head, of_run) {
        return Err(IdentityError::Head { number, head: head.clone(), run: of_run.clone() });
    }
    if claimed.head_sha != run.head_sha {
        let (head, run) = (claimed.head_sha.clone(), run.head_sha.clone());
        return Err(IdentityError::Moved { number, head, run });
    }
    Ok(())
}

/// Whether `run` is of a branch of `repository` itself: one that no pull request started, and so none of a fork's.
pub fn verify_own(run: &WorkflowRun, repository: &Repository) -> Result<(), IdentityError> {
    if !OWN_EVENTS.contains(&run.event.as_str()) {
        return Err(IdentityError::Event { event: run.event.clone() });
    }
    let own = run.head_repository.as_ref().is_some_and(|head| is_same(head, repository));
    match own && is_same(&run.repository, repository) {
        true => Ok(()),
        false => Err(IdentityError::Elsewhere { run: run.repository.clone(), here: repository.clone() }),
    }
}

/// Events that start a run at a commit of the repository's own branches, its merge queue among them.
const OWN_EVENTS: [&str; 4] = ["push", "merge_group", "schedule", "workflow_dispatch"];

/// Why a run is not taken for one of the pull request that its artifact names.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// Something else started it.
    #[error(
        "the run was started by `{event}`: only a run for `pull_request` has a pull request to report to, and only those for \
         {} have a commit of the repository itself", OWN_EVENTS.join(", ")
    )]
    Event {
        /// Name of the event.
        event: String,
    },
    /// It is of another repository than asked for.
    #[error("the run is of {run}, not of {here}: name its repository with --repository, or its event with --event")]
    Elsewhere {
        /// The run's repository.
        run: Repository,
        /// This one.
        here: Repository,
    },
    /// The pull request is for another repository.
    #[error("pull request #{number} is for {base}, not for {here}: ask the API of {here}, by --repository")]
    Base {
        /// The pull request's number.
        number: u64,
        /// The repository that it is for.
        base: Repository,
        /// This one.
        here: Repository,
    },
    /// Nobody waits for the result.
    #[error("pull request #{number} is closed: reopen it and run the benchmark again to have its result shown")]
    Closed {
        /// The pull request's number.
        number: u64,
    },
    /// Nothing tells any more whose commit was measured.
    #[error(
        "the fork that pull request #{number} or the run is from is deleted: open a new pull request to have it measured"
    )]
    Deleted {
        /// The pull request's number.
        number: u64,
    },
    /// The pull request is another fork's.
    #[error(
        "pull request #{number} is from {head}, but {run} was measured: the artifact must name its own pull request"
    )]
    Head {
        /// The pull request's number.
        number: u64,
        /// Where it is from.
        head: Repository,
        /// Where the measured commit is from.
        run: Repository,
    },
    /// There are newer commits, or it is another pull request of the same fork.
    #[error(
        "pull request #{number} is at {head}, but {run} was measured: the run of its newest commit will report, if there \
         is none yet start it"
    )]
    Moved {
        /// The pull request's number.
        number: u64,
        /// Its newest commit.
        head: String,
        /// The measured commit.
        run: String,
    },
}

/// GitHub does not tell names apart by upper and lower case.
fn is_same(one: &Repository, other: &Repository) -> bool {
    one.owner.eq_ignore_ascii_case(&other.owner) && one.name.eq_ignore_ascii_case(&other.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "1f837a6c0ffee1f837a6c0ffee1f837a6c0ffee1";
    const OTHER: &str = "2f837a6c0ffee1f837a6c0ffee1f837a6c0ffee1";

    fn repository(name: &str) -> Repository {
        name.parse().unwrap()
    }

    fn run() -> WorkflowRun {
        WorkflowRun {
            name: None,
            id: 1,
            event: "pull_request".to_owned(),
            head_sha: SHA.to_owned(),
            head_branch: Some("topic".to_owned()),
            head_repository: Some(repository("them/wan")),
            repository: repository("us/wan"),
            times: None,
            conclusion: None,
        }
    }

    fn claimed() -> PullRequest {
        PullRequest {
            number: 7,
            is_open: true,
            head_sha: SHA.to_owned(),
            head_repository: Some(repository("them/wan")),
            base_repository: repository("us/wan"),
        }
    }

    fn refusal(change: impl FnOnce(&mut WorkflowRun, &mut PullRequest)) -> String {
        let (mut run, mut claimed) = (run(), claimed());
        change(&mut run, &mut claimed);
        let error = verify(&run, &claimed, &repository("us/wan")).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    }

    #[test]
    fn the_newest_commit_of_an_open_pull_request_of_the_same_fork_is_believed() {
        assert_eq!(verify(&run(), &claimed(), &repository("us/wan")), Ok(()));
        assert_eq!(verify(&run(), &claimed(), &repository("US/Wan")), Ok(()), "as a user may type it");
    }

    #[test]
    fn a_branch_of_the_repository_itself_is_believed_too() {
        let own = Some(repository("us/wan"));
        let (run, claimed) =
            (WorkflowRun { head_repository: own.clone(), ..run() }, PullRequest { head_repository: own, ..claimed() });
        assert_eq!(verify(&run, &claimed, &repository("us/wan")), Ok(()));
    }

    #[test]
    fn a_run_of_the_repositorys_own_branches_needs_no_pull_request() {
        let own = |event: &str, head: &str| {
            let head_repository = Some(repository(head));
            verify_own(&WorkflowRun { event: event.to_owned(), head_repository, ..run() }, &repository("us/wan"))
        };
        for event in ["push", "merge_group", "schedule", "workflow_dispatch"] {
            assert_eq!(own(event, "US/wan"), Ok(()));
            assert!(own(event, "them/wan").is_err());
        }
        for event in ["pull_request", "pull_request_target", "workflow_run"] {
            assert!(own(event, "us/wan").is_err(), "{event}");
        }
    }

    #[test]
    fn another_event_than_a_pull_request_is_refused() {
        for event in ["push", "pull_request_target", "workflow_dispatch", ""] {
            let error = refusal(|run, _| run.event = event.to_owned());
            assert!(
                error.contains(&format!("`{event}`")) && error.contains("only a run for `pull_request`"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_closed_pull_request_is_refused() {
        assert!(refusal(|_, claimed| claimed.is_open = false).contains("#7 is closed: reopen it"));
    }

    #[test]
    fn another_commit_than_the_measured_one_is_refused() {
        let error = refusal(|_, claimed| claimed.head_sha = OTHER.to_owned());
        assert!(error.contains(&format!("is at {OTHER}, but {SHA} was measured")), "{error}");
        assert!(refusal(|run, _| run.head_sha = OTHER.to_owned()).contains(&format!("is at {SHA}, but {OTHER}")));
    }

    #[test]
    fn the_pull_request_of_another_fork_is_refused_even_at_the_same_commit() {
        let error = refusal(|_, claimed| claimed.head_repository = Some(repository("victim/wan")));
        assert!(error.contains("is from victim/wan, but them/wan was measured"), "{error}");
    }

    #[test]
    fn two_deleted_forks_are_not_the_same_one() {
        assert!(refusal(|_, claimed| claimed.head_repository = None).contains("deleted"));
        let error = refusal(|run, claimed| (run.head_repository, claimed.head_repository) = (None, None));
        assert!(error.contains("open a new pull request"), "{error}");
    }

    #[test]
    fn what_is_for_another_repository_is_refused() {
        let error = refusal(|_, claimed| claimed.base_repository = repository("them/wan"));
        assert!(error.contains("is for them/wan, not for us/wan"), "{error}");
        let error = refusal(|run, _| run.repository = repository("them/wan"));
        assert!(error.contains("the run is of them/wan, not of us/wan") && error.contains("--repository"), "{error}");
    }
}
