//! What `wanbench init` writes, in a stranger's repository on a GitHub that is played: from a release to the first judged pull
//! requests.

mod actions;
mod documents;
mod expression;
#[path = "../github/fake.rs"]
#[allow(dead_code, reason = "the tests of GitHub use all of it")]
mod fake;
mod release;
mod selection;
#[path = "../support/mod.rs"]
mod support;
mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use actions::{Job, Run, git};
use fake::{GitHub, TOKEN};
use jiff::{SignedDuration, Timestamp};
use release::Release;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Ran, digest, write_output};

/// Somebody's repository, and everything around it.
pub struct Stranger {
    folder: tempfile::TempDir,
    release: Release,
    github: GitHub,
}

impl Stranger {
    /// With one commit on the default branch, `trunk`.
    async fn new() -> Self {
        let stranger = Self {
            folder: tempfile::tempdir().unwrap(),
            release: Release::start().await,
            github: GitHub::start().await,
        };
        for folder in ["origin", "programs", "cache", "home"] {
            std::fs::create_dir(stranger.path(folder)).unwrap();
        }
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::os::unix::fs::symlink(data, stranger.path("cache/data")).unwrap();
        tools::program(&stranger.path("programs"), "gh", "#!/bin/sh\necho \"gh $*\"\n");
        git(&stranger.path("origin"), &["init", "--quiet", "--bare", "--initial-branch", "trunk"]);
        git(stranger.folder.path(), &["clone", "--quiet", "origin", "wan-app"]);
        git(&stranger.work(), &["switch", "--quiet", "--create", "trunk"]);
        stranger.write("README.md", "An application\n");
        stranger.commit("trunk");
        stranger
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Their checkout.
    fn work(&self) -> PathBuf {
        self.path("wan-app")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits everything and pushes it to `branch`; the commit.
    fn commit(&self, branch: &str) -> String {
        git(&self.work(), &["add", "--all"]);
        git(&self.work(), &["commit", "--quiet", "--allow-empty", "-m", branch]);
        git(&self.work(), &["push", "--quiet", "origin", &format!("HEAD:{branch}")]);
        git(&self.work(), &["rev-parse", "HEAD"])
    }

    /// The released `wanbench` in their checkout.
    fn wanbench(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wanbench"));
        command.args(arguments).current_dir(self.work()).envs(self.places()).env_remove("CI").env("COLUMNS", "120");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GITHUB_")) {
            command.env_remove(name);
        }
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        Ran {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn places(&self) -> Vec<(&'static str, String)> {
        let place = |name| self.path(name).display().to_string();
        vec![("WANBENCH_CACHE", place("cache")), ("WANBENCH_LOCK", place("lock")), ("SEEN", place("seen"))]
    }

    /// Runs their wanbench.yml at `sha` for an event.
    fn actions(&self, event_name: &str, sha: &str, event: Value) -> BTreeMap<String, Job> {
        let workflow = git(&self.work(), &["show", &format!("{sha}:.github/workflows/wanbench.yml")]);
        self.run(event_name, sha, event).all(&workflow)
    }

    fn run<'a>(&'a self, event_name: &'a str, sha: &'a str, event: Value) -> Run<'a> {
        let artifacts = self.path("artifacts");
        // A run sees its own artifacts, and a `workflow_run` those of the run that it tells of.
        if event_name != "workflow_run" {
            let _ = std::fs::remove_dir_all(&artifacts);
        }
        Run {
            origin: self.path("origin"),
            programs: self.path("programs"),
            artifacts,
            api_url: self.github.server.uri(),
            event_name,
            event,
            sha,
            environment: self.places(),
        }
    }

    /// Runs it for pull request 7, of their own branch, at `head` off the default branch.
    fn pull_request(&self, head: &str) -> BTreeMap<String, Job> {
        let base = git(&self.path("origin"), &["rev-parse", "trunk"]);
        self.actions("pull_request", head, selection::pull_request(head, &base))
    }

    /// The one comment.
    fn comment(&self) -> String {
        let texts = self.github.texts();
        assert_eq!(texts.len(), 1, "{texts:?}");
        texts[0].clone()
    }

    /// The conclusion of the check `wanbench` on a commit.
    fn check(&self, sha: &str) -> String {
        let state = self.github.state();
        let of_commit = |run: &&Value| run["name"] == "wanbench" && run["head_sha"] == sha;
        let run = state.check_runs.iter().find(of_commit).expect("a check of the commit");
        run["conclusion"].as_str().unwrap_or("none yet").to_owned()
    }
}

/// A worker whose steps take `seconds`, as many as it is asked for; it writes down all that it and its parent could tell.
fn worker(seconds: f64) -> String {
    [
        "read -r request\n\
         { env; tr '\\0' '\\n' < /proc/$PPID/environ; } >> \"$SEEN\" 2> /dev/null\n\
         echo '{\"type\":\"ready\",\"protocol\":3,\"worker\":\"app\",\"device\":{\"kind\":\"cpu\",\"name\":\"cpu\"},\"versions\":{}}'",
        support::UNLESS_PROBED,
        "echo '{\"type\":\"loaded\",\"model_bytes\":1000,\"seconds\":0.1}'\n\
         echo '{\"type\":\"warmed\",\"seconds\":0.1}'\n\
         sigmas=${request#*'\"sigmas\":['}\n\
         IFS=,; set -- ${sigmas%%]*}; shift; index=0\n\
         for _; do read -r turn || exit 3",
        &format!("echo '{{\"type\":\"step\",\"index\":'$index',\"seconds\":{seconds}}}'\nindex=$((index + 1)); done"),
        &write_output(&[1.0]),
        &format!(
            "echo '{{\"type\":\"done\",\"framework_peak_bytes\":null,\"process_peak_bytes\":104857600,\"output\":{}}}'",
            digest(&[1.0])
        ),
    ]
    .join("\n")
}

impl Stranger {
    /// One that has asked `init` for the starter and filled in a worker; nothing is committed.
    async fn with_starter() -> Self {
        let stranger = Self::new().await;
        let releases = stranger.release.address();
        let ran = stranger.wanbench(&["init", "--backend", "sh bench/worker.sh", "--releases", &releases, "--outside"]);
        assert_eq!((ran.status, ran.stdout.matches("wrote ").count()), (0, 3), "{}{}", ran.stdout, ran.stderr);
        stranger.write("bench/worker.sh", &worker(0.1));
        stranger
    }
}

#[tokio::test]
async fn a_stranger_adopts_it_and_is_judged() {
    let stranger = Stranger::with_starter().await;

    // The adoption itself: everything is new, and nothing is an error.
    git(&stranger.work(), &["switch", "--quiet", "--create", "adopt"]);
    let head = stranger.commit("adopt");
    let jobs = stranger.pull_request(&head);
    assert_eq!((jobs["measure"].result, jobs["post"].result), ("success", "success"), "{jobs:#?}");
    assert_eq!((jobs["request"].result, jobs["propose-baseline"].result), ("skipped", "skipped"));
    assert!(stranger.comment().contains("**new**") || stranger.comment().contains("| new |"), "{}", stranger.comment());
    assert_eq!(stranger.check(&head), "success", "{}", stranger.comment());
    git(&stranger.work(), &["push", "--quiet", "origin", "adopt:trunk"]);
    let jobs = stranger.actions("push", &head, json!({ "ref": "refs/heads/trunk" }));
    assert_eq!((jobs["measure"].result, jobs["post"].result), ("success", "success"), "{jobs:#?}");

    // A change of something else.
    git(&stranger.work(), &["switch", "--quiet", "--create", "words"]);
    stranger.write("README.md", "An application, described\n");
    let head = stranger.commit("words");
    let jobs = stranger.pull_request(&head);
    assert_eq!((jobs["measure"].result, jobs["post"].result), ("success", "success"), "{jobs:#?}");
    assert!(stranger.comment().contains("| unchanged |"), "{}", stranger.comment());
    assert_eq!(stranger.check(&head), "success");

    // A tenth slower.
    git(&stranger.work(), &["switch", "--quiet", "--create", "slower"]);
    stranger.write("bench/worker.sh", &worker(0.11));
    let slower = stranger.commit("slower");
    let jobs = stranger.pull_request(&slower);
    assert_eq!((jobs["measure"].result, jobs["post"].result), ("failure", "success"), "{jobs:#?}");
    let comment = stranger.comment();
    for part in ["**regressed: step time**", "+10.0%", "wan-app/5f/none"] {
        assert!(comment.contains(part), "{part}: {comment}");
    }
    assert_eq!(stranger.check(&slower), "failure");

    // It is meant, and says so in the same pull request.
    let results = stranger.work().join("results.json");
    std::fs::copy(stranger.path("artifacts/wanbench-results/results.json"), &results).unwrap();
    let reason = "--reason=the mask is applied in f32 now";
    let accept = ["baseline", "accept", "wan-app/5f/none", reason, "--from", "results.json", "--yes"];
    // A debug build is refused as a baseline, as the tests of `update` show; these figures are made up anyway.
    let ran = stranger.wanbench(&[&accept[..], &["--force"]].concat());
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    std::fs::remove_file(results).unwrap();
    let accepted = stranger.commit("slower");
    let jobs = stranger.pull_request(&accepted);
    assert_eq!((jobs["measure"].result, jobs["post"].result), ("success", "success"), "{jobs:#?}");
    assert!(stranger.comment().contains("the mask is applied in f32 now"), "{}", stranger.comment());
    assert_eq!(stranger.check(&accepted), "success");
    git(&stranger.work(), &["push", "--quiet", "origin", "slower:trunk"]);
    let jobs = stranger.actions("push", &accepted, json!({ "ref": "refs/heads/trunk" }));
    assert_eq!((jobs["measure"].result, jobs["post"].result), ("success", "success"), "{jobs:#?}");

    let seen = std::fs::read_to_string(stranger.path("seen")).unwrap();
    assert!(seen.contains("WANBENCH_VERSION=") && !seen.contains(TOKEN), "a process of the change has no token");
}

#[tokio::test]
async fn a_fork_is_judged_by_what_the_default_branch_has() {
    let stranger = Stranger::with_starter().await;
    let base = stranger.commit("trunk");
    git(&stranger.work(), &["switch", "--quiet", "--create", "theirs"]);
    stranger.write("bench/worker.sh", &worker(0.11));
    let config = std::fs::read_to_string(stranger.work().join("wanbench.toml")).unwrap();
    let looser = "whole_tolerance_percent = 50.0\nbase_tolerance_percent = 50.0";
    stranger.write("wanbench.toml", &config.replace("base_tolerance_percent = 2.0", looser));
    let head = stranger.commit("theirs");

    let mut event = selection::pull_request(&head, &base);
    event["pull_request"]["head"]["repo"]["full_name"] = "them/models".into();
    event["pull_request"]["head"]["label"] = "them:theirs".into();
    stranger.github.state().pull_requests = vec![event["pull_request"].clone()];
    let jobs = stranger.actions("pull_request", &head, event);
    assert_eq!((jobs["measure"].result, jobs["post"].result), ("success", "skipped"), "{jobs:#?}");
    assert_eq!(jobs["measure"].environment, "approval");
    assert!(stranger.github.texts().is_empty());

    let now = Timestamp::now();
    let ended = json!({
        "workflow_run": {
            "id": 41, "event": "pull_request", "head_sha": head, "head_branch": "theirs", "conclusion": "success",
            "head_repository": { "full_name": "them/models" }, "repository": { "full_name": "octo/models" },
            "actor": { "login": "them" },
            "run_started_at": now - SignedDuration::from_hours(1), "updated_at": now,
        },
        "repository": { "default_branch": "trunk" },
    });
    let workflow = git(&stranger.work(), &["show", "trunk:.github/workflows/wanbench-comment.yml"]);
    let jobs = stranger.run("workflow_run", &base, ended).all(&workflow);
    assert_eq!(jobs["comment"].result, "success", "{jobs:#?}");
    assert!(stranger.comment().contains("**regressed: step time**"), "{}", stranger.comment());
    assert_eq!(stranger.check(&head), "failure");
}

#[tokio::test]
async fn the_merge_queue_and_a_proposed_baseline_are_served() {
    let stranger = Stranger::with_starter().await;
    let base = stranger.commit("trunk");
    stranger.write("README.md", "queued\n");
    let queued = stranger.commit("queued");
    let event = json!({ "action": "checks_requested", "merge_group": { "base_sha": base, "head_sha": queued } });
    let jobs = stranger.actions("merge_group", &queued, event);
    assert_eq!((jobs["measure"].result, jobs["post"].result), ("success", "success"), "{jobs:#?}");
    assert!(jobs["measure"].printed("Measure").contains(&format!("Base: {}", &base[..12])), "{jobs:#?}");
    assert_eq!(stranger.check(&queued), "success");
    assert!(stranger.github.texts().is_empty());

    let inputs = json!({ "propose-baseline": true });
    let event = json!({ "inputs": inputs, "ref": "refs/heads/trunk", "repository": { "default_branch": "trunk" } });
    let jobs = stranger.actions("workflow_dispatch", &base, event);
    assert_eq!((jobs["measure"].result, jobs["post"].result), ("success", "success"), "{jobs:#?}");
    // A debug build is refused as a baseline: then there is nothing to propose.
    let expected = if cfg!(debug_assertions) { "failure" } else { "success" };
    assert_eq!(jobs["propose-baseline"].result, expected, "{jobs:#?}");
    if !cfg!(debug_assertions) {
        assert!(jobs["propose-baseline"].printed("Pull request").contains("gh pr create --base trunk"), "{jobs:#?}");
        let files = git(&stranger.path("origin"), &["ls-tree", "--name-only", "wanbench-baseline-42-1", "baselines/"]);
        assert!(files.contains("model-memory.json") && files.lines().count() == 2, "{files}");
    }
}

#[tokio::test]
async fn another_installer_than_the_pinned_one_installs_nothing() {
    let stranger = Stranger::with_starter().await;
    let workflow = std::fs::read_to_string(stranger.work().join(".github/workflows/wanbench.yml")).unwrap();
    let pinned: String = Sha256::digest(&stranger.release.installer).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(workflow.matches(&pinned).count(), 1, "{workflow}");
    stranger.write(".github/workflows/wanbench.yml", &workflow.replace(&pinned, &"0".repeat(64)));
    let head = stranger.commit("trunk");
    let jobs = stranger.actions("push", &head, json!({ "ref": "refs/heads/trunk" }));
    assert_eq!(jobs["measure"].result, "failure");
    let printed = jobs["measure"].printed("Install wanbench");
    assert!(printed.contains("install.sh: FAILED"), "{printed}");
}
