//! As much of GitHub Actions as the starter's workflows need: jobs and steps in their order, by their conditions, with the
//! environment that each would have. The actions they use are played: a checkout, and artifacts in a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::expression::Scope;
use crate::fake::TOKEN;
use crate::tools;

/// What GitHub knows when it starts a workflow.
pub struct Run<'a> {
    /// The repository that is checked out from.
    pub origin: PathBuf,
    /// Folder with `wanbench`'s stand-ins, such as `gh`, before the system's own.
    pub programs: PathBuf,
    /// Where artifacts are kept from job to job.
    pub artifacts: PathBuf,
    /// Address of the API.
    pub api_url: String,
    pub event_name: &'a str,
    pub event: Value,
    /// The commit of the event.
    pub sha: &'a str,
    /// More of every step's environment.
    pub environment: Vec<(&'static str, String)>,
}

/// What came of a job.
#[derive(Debug, Default)]
pub struct Job {
    /// `success`, `failure` or `skipped`.
    pub result: &'static str,
    /// The environment that waits for approval, if any.
    pub environment: String,
    /// What it hands to the jobs that need it.
    pub outputs: BTreeMap<String, String>,
    /// Each step's name and what it printed.
    pub steps: Vec<(String, String)>,
}

impl Job {
    /// What the step printed.
    pub fn printed(&self, step: &str) -> &str {
        let found = self.steps.iter().find(|(name, _)| name == step);
        &found.unwrap_or_else(|| panic!("no step {step}: {self:?}")).1
    }
}

impl Run<'_> {
    /// Runs the jobs of `workflow`, a file's text.
    pub fn all(&self, workflow: &str) -> BTreeMap<String, Job> {
        let workflow: Value = serde_saphyr::from_str(workflow).unwrap();
        let mut done = BTreeMap::<String, Job>::new();
        for (name, job) in in_order(&workflow) {
            let came = self.job(&workflow, job, &done);
            done.insert(name.clone(), came);
        }
        done
    }

    /// The jobs of `workflow` that would run, with the environment of each, if all succeeded, with these outputs of any.
    pub fn selected(&self, workflow: &str, outputs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let workflow: Value = serde_saphyr::from_str(workflow).unwrap();
        let outputs: BTreeMap<String, String> =
            outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut done = BTreeMap::<String, Job>::new();
        for (name, job) in in_order(&workflow) {
            let (contexts, is_success) = self.contexts(job, &done, Path::new(""));
            let scope = Scope { contexts: &contexts, is_success };
            let environment = scope.fill(job["environment"].as_str().unwrap_or_default());
            let is_met = scope.is_met(job["if"].as_str());
            let (result, outputs) = if is_met { ("success", outputs.clone()) } else { ("skipped", BTreeMap::new()) };
            done.insert(name.clone(), Job { result, environment, outputs, steps: Vec::new() });
        }
        done.into_iter().filter(|(_, job)| job.result == "success").map(|(name, job)| (name, job.environment)).collect()
    }

    /// What a job's expressions can name, and whether all that it needs succeeded.
    fn contexts(&self, job: &Value, done: &BTreeMap<String, Job>, temp: &Path) -> (Value, bool) {
        let needs = needs(job);
        let results: serde_json::Map<String, Value> = needs
            .iter()
            .map(|name| ((*name).to_owned(), json!({ "result": done[*name].result, "outputs": done[*name].outputs })))
            .collect();
        let contexts = json!({
            "github": {
                "event_name": self.event_name, "event": self.event, "repository": "octo/models", "token": TOKEN,
                "run_id": "42", "sha": self.sha, "ref": self.event["ref"],
            },
            "needs": results, "inputs": self.event["inputs"], "steps": {},
            "runner": { "temp": temp, "os": "Linux", "arch": "X64" },
        });
        (contexts, needs.iter().all(|name| done[*name].result == "success"))
    }

    fn job(&self, workflow: &Value, job: &Value, done: &BTreeMap<String, Job>) -> Job {
        let temp = tempfile::tempdir().unwrap();
        let (workspace, runner_temp) = (temp.path().join("workspace"), temp.path().join("temp"));
        std::fs::create_dir_all(&workspace).and_then(|()| std::fs::create_dir(&runner_temp)).unwrap();
        let (contexts, is_success) = self.contexts(job, done, &runner_temp);
        let scope = Scope { contexts: &contexts, is_success };
        if !scope.is_met(job["if"].as_str()) {
            return Job { result: "skipped", ..Job::default() };
        }
        let environment = scope.fill(job["environment"].as_str().unwrap_or_default());
        let mut came = Job { result: "success", environment, ..Job::default() };
        let mut contexts = contexts;
        for step in job["steps"].as_array().unwrap() {
            let scope = Scope { contexts: &contexts, is_success: came.result == "success" };
            if !scope.is_met(step["if"].as_str()) {
                continue;
            }
            let name = step["name"].as_str().or(step["uses"].as_str()).unwrap().to_owned();
            let (is_done, printed) = match step["uses"].as_str() {
                Some(action) => (self.play(action, &step["with"], &scope, &workspace), String::new()),
                None => self.script(workflow, job, step, &scope, &workspace, &runner_temp),
            };
            if !is_done && step["continue-on-error"] != true {
                came.result = "failure";
            }
            came.steps.push((name, printed));
            if let Some(id) = step["id"].as_str() {
                contexts["steps"][id] = json!({ "outputs": outputs(&runner_temp.join("output")) });
            }
        }
        let scope = Scope { contexts: &contexts, is_success: true };
        for (name, value) in job["outputs"].as_object().into_iter().flatten() {
            came.outputs.insert(name.clone(), scope.fill(value.as_str().unwrap()));
        }
        came
    }

    /// Runs a step's script; whether it succeeded, and what it printed.
    fn script(
        &self,
        workflow: &Value,
        job: &Value,
        step: &Value,
        scope: &Scope,
        workspace: &Path,
        temp: &Path,
    ) -> (bool, String) {
        assert_eq!(workflow["defaults"]["run"]["shell"], "bash");
        let event = temp.join("event.json");
        std::fs::write(&event, self.event.to_string()).unwrap();
        let path = tools::path(&self.programs);
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()])
            .current_dir(workspace)
            .env_clear()
            .envs([("PATH", path.as_str()), ("CI", "true"), ("GITHUB_ACTIONS", "true"), ("GITHUB_RUN_ID", "42")])
            .envs([("GITHUB_REPOSITORY", "octo/models"), ("GITHUB_EVENT_NAME", self.event_name)])
            .envs([("GITHUB_SHA", self.sha), ("GITHUB_API_URL", &self.api_url)])
            .env("GITHUB_REF_NAME", self.event["ref"].as_str().unwrap_or_default().trim_start_matches("refs/heads/"))
            .envs([("GITHUB_WORKFLOW", "wanbench"), ("GITHUB_RUN_ATTEMPT", "1")])
            .envs([("HOME", temp), ("RUNNER_TEMP", temp), ("GITHUB_EVENT_PATH", event.as_path())])
            .envs([("GITHUB_OUTPUT", temp.join("output")), ("GITHUB_STEP_SUMMARY", temp.join("summary.md"))])
            .envs(self.environment.iter().map(|(name, value)| (*name, value)));
        for level in [workflow, job, step] {
            for (name, value) in level["env"].as_object().into_iter().flatten() {
                bash.env(name, scope.fill(value.as_str().unwrap()));
            }
        }
        let output = bash.output().unwrap();
        let printed = [&output.stdout[..], &output.stderr].concat();
        (output.status.success(), String::from_utf8(printed).unwrap())
    }

    /// Does what an action does; whether it succeeded.
    fn play(&self, action: &str, with: &Value, scope: &Scope, workspace: &Path) -> bool {
        let given = |key: &str| with[key].as_str().map(|text| scope.fill(text)).unwrap_or_default();
        let place = |path: &str| if path.is_empty() { workspace.to_owned() } else { workspace.join(path) };
        match action.split('@').next().unwrap() {
            "actions/checkout" => {
                assert_eq!(with["persist-credentials"], false, "a later step could use them");
                let commit = Some(given("ref")).filter(|commit| !commit.is_empty()).unwrap_or(self.sha.to_owned());
                git(&self.origin, &["clone", "--quiet", ".", &workspace.display().to_string()]);
                git(workspace, &["checkout", "--quiet", "--detach", &commit]);
                true
            }
            "actions/upload-artifact" => {
                copy(&place(&given("path")), &self.artifacts.join(given("name")));
                true
            }
            "actions/download-artifact" => copy(&self.artifacts.join(given("name")), &place(&given("path"))),
            other => panic!("no action {other}"),
        }
    }
}

/// A workflow's jobs, each after those that it needs.
fn in_order(workflow: &Value) -> Vec<(&String, &Value)> {
    let mut waiting: Vec<(&String, &Value)> = workflow["jobs"].as_object().unwrap().iter().collect();
    let mut ordered = Vec::<(&String, &Value)>::new();
    while !waiting.is_empty() {
        let is_there = |name: &&str| ordered.iter().any(|(there, _)| there == name);
        let next = waiting.iter().position(|(_, job)| needs(job).iter().all(is_there));
        ordered.push(waiting.remove(next.expect("no circle")));
    }
    ordered
}

/// The names of the jobs that `job` needs.
fn needs(job: &Value) -> Vec<&str> {
    match &job["needs"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect(),
        _ => Vec::new(),
    }
}

/// What a step wrote into the file of its outputs.
fn outputs(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect()
}

/// Copies a folder's files; `false` where there is none.
fn copy(from: &Path, to: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(from) else { return false };
    std::fs::create_dir_all(to).unwrap();
    for entry in entries {
        let path: PathBuf = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    true
}

/// What git prints; it has to succeed.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let user = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"];
    let output = Command::new("git").args(user).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
