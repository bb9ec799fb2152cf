//! `wanbench init` in repositories of several states.

use std::path::Path;
use std::process::{Command, Output};

fn init(folder: &Path) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_wanbench")).arg("init").current_dir(folder).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_starter_is_written_once_and_its_configuration_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let (status, stdout, _) = init(folder.path());
    let all = "wrote wanbench.toml\nwrote bench/worker.py\nwrote .github/workflows/wanbench.yml\n";
    assert_eq!((status, stdout.as_str()), (0, all));
    let config = wanbench::config::Config::open(&folder.path().join("wanbench.toml")).unwrap();
    assert!(!config.known_cases().is_empty());

    std::fs::write(folder.path().join("wanbench.toml"), "mine").unwrap();
    let (status, stdout, _) = init(folder.path());
    assert_eq!(status, 0);
    assert!(stdout.contains("exists, not changed: wanbench.toml"), "{stdout}");
    assert_eq!(std::fs::read_to_string(folder.path().join("wanbench.toml")).unwrap(), "mine");
}

#[test]
fn what_is_missing_beside_a_configuration_is_added_and_another_tools_is_left_alone() {
    for (config, is_ours) in [("[suites.mine]\n", true), ("baseURL = \"/\"\n", false)] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        let (status, stdout, _) = init(folder.path());
        assert_eq!((status, stdout.contains("wrote .github/workflows/wanbench.yml")), (0, true), "{stdout}");
        assert_eq!(stdout.contains("exists, not changed: config.toml"), is_ours, "{stdout}");
        assert_eq!(folder.path().join("wanbench.toml").exists(), !is_ours);
        assert_eq!(std::fs::read_to_string(folder.path().join("config.toml")).unwrap(), config);
    }
}

#[test]
fn the_repositorys_root_and_default_branch_are_found_from_a_folder_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("Wan App");
    std::fs::create_dir_all(root.join("deep/down")).unwrap();
    let git = |arguments: &[&str]| {
        assert!(Command::new("git").args(arguments).current_dir(&root).status().unwrap().success())
    };
    git(&["init", "--quiet", "--initial-branch", "trunk"]);
    let (status, _, stderr) = init(&root.join("deep/down"));
    assert_eq!(status, 0, "{stderr}");
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    assert!(read(".github/workflows/wanbench.yml").contains("branches: [\"trunk\"]"));
    assert!(read("wanbench.toml").contains("[backends.Wan-App]\ncommand = [\"python3\", \"bench/worker.py\"]"));
    assert!(stderr.contains("no published repository"), "{stderr}");

    // What `origin` calls its default goes before what is checked out.
    for name in ["wanbench.toml", ".github/workflows/wanbench.yml"] {
        std::fs::remove_file(root.join(name)).unwrap();
    }
    git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/develop"]);
    assert_eq!(init(&root).0, 0);
    assert!(read(".github/workflows/wanbench.yml").contains("branches: [\"develop\"]"));
}

#[test]
fn what_cannot_stand_in_a_workflow_is_refused() {
    for (flags, named) in [
        (&["--backend", "sh 'open"][..], "--backend"),
        (&["--backend", ""], "--backend"),
        (&["--backend", "python3 ~/worker.py"], "`~/worker.py`"),
        (&["--backend", "cd bench && python3 worker.py"], "`&&`"),
        (&["--backend", "cd bench&&python3 worker.py"], "`bench&&python3`"),
        (&["--backend", "worker.py"], "./worker.py"),
        (&["--backend", "OMP_NUM_THREADS=4 python3 worker.py"], "env OMP_NUM_THREADS=4 python3 worker.py"),
        (&["--releases", "nonsense"], "--releases nonsense"),
        (&["--default-branch", "a\"]\nrun: evil"], "--default-branch"),
        (&["--runner", "self-hosted,a b"], "--runner"),
        (&["--releases", "https://a.test/\"x"], "--releases"),
        (&["no-such-folder"], "no-such-folder"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut wanbench = Command::new(env!("CARGO_BIN_EXE_wanbench"));
        let output = wanbench.arg("init").args(flags).current_dir(folder.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(named), "{flags:?}: {stderr}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{flags:?}");
    }
}

#[test]
fn what_git_refuses_or_is_no_place_for_files_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        assert!(Command::new("git").args(arguments).current_dir(folder.path()).status().unwrap().success())
    };
    git(&["init", "--quiet", "--bare"]);
    let (status, stdout, stderr) = init(folder.path());
    assert!(
        status == 2 && stdout.is_empty() && stderr.contains("a repository in which nothing can be written"),
        "{stderr}"
    );
    assert!(!folder.path().join("wanbench.toml").exists());
}

#[test]
fn the_usual_default_branch_goes_before_what_is_checked_out() {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let user = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"];
        assert!(Command::new("git").args(user).args(arguments).current_dir(folder.path()).status().unwrap().success());
    };
    git(&["init", "--quiet", "--initial-branch", "master"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "first"]);
    git(&["switch", "--quiet", "--create", "topic"]);
    let (_, _, stderr) = init(folder.path());
    let workflow = std::fs::read_to_string(folder.path().join(".github/workflows/wanbench.yml")).unwrap();
    assert!(workflow.contains("branches: [\"master\"]") && stderr.contains("pull request to master"), "{stderr}");
}

#[test]
fn what_was_there_is_not_taken_for_the_starters_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wanbench.toml"), "[suites.mine]\n").unwrap();
    std::fs::create_dir_all(folder.path().join("bench/worker.py")).unwrap();
    let (status, _, stderr) = init(folder.path());
    assert!(status == 2 && stderr.contains("bench/worker.py is no file"), "a folder is no worker: {stderr}");
    assert!(!folder.path().join(".github").exists(), "nothing is written by halves");
    std::fs::remove_dir(folder.path().join("bench/worker.py")).unwrap();
    std::fs::write(folder.path().join("bench/worker.py"), "mine").unwrap();
    let (status, _, stderr) = init(folder.path());
    assert!(status == 0 && stderr.contains("wanbench.toml is yours and was not changed"), "{stderr}");
    assert!(!stderr.contains("where it says so"), "{stderr}");
}

#[test]
fn a_script_that_is_the_program_can_be_started() {
    let folder = tempfile::tempdir().unwrap();
    let mut wanbench = Command::new(env!("CARGO_BIN_EXE_wanbench"));
    let output =
        wanbench.args(["init", "--backend", "./bench/run.py @BRANCH@"]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let config = std::fs::read_to_string(folder.path().join("wanbench.toml")).unwrap();
    assert!(config.contains("command = [\"./bench/run.py\", \"@BRANCH@\"]"), "{config}");
    assert!(Command::new(folder.path().join("bench/run.py")).stdin(std::process::Stdio::null()).status().is_ok());
}

#[test]
fn the_worker_that_is_written_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(init(folder.path()).0, 0);
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::create_dir(folder.path().join("cache")).unwrap();
    std::os::unix::fs::symlink(data, folder.path().join("cache/data")).unwrap();
    let wanbench = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_wanbench"))
            .args(arguments)
            .current_dir(folder.path().join("bench"))
            .env("WANBENCH_CACHE", folder.path().join("cache"))
            .env("WANBENCH_LOCK", folder.path().join("lock"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap(), said)
    };
    let (status, said) = wanbench(&["run", "--launches", "2", "--device", "cpu"]);
    assert_eq!(status, 0, "{said}");
    let (status, said) = wanbench(&["run", "--device", "gpu"]);
    assert!(status == 3 && said.contains("this worker runs on the CPU only"), "{said}");
    let (status, said) = wanbench(&["doctor"]);
    assert!(status == 0 && !said.contains("mlx"), "no suite uses a built-in backend: {said}");
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".github"), "a file").unwrap();
    let (status, stdout, stderr) = init(folder.path());
    assert!(status == 2 && stdout.is_empty() && stderr.contains(".github is no folder"), "{stderr}");
}

/// A step of action.yml.
fn step(name: &str) -> &'static str {
    include_str!("../action.yml").split("    - name: ").find(|step| step.starts_with(name)).unwrap()
}

/// The script of a step, run with a stand-in for wanbench that prints what it was asked.
fn run_step(name: &str, folder: &Path, variables: &[(&str, &str)]) -> Output {
    let script = step(name).split("run: |\n").nth(1).unwrap();
    let programs = folder.join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    std::fs::write(programs.join("wanbench"), "#!/bin/sh\necho \"$@\"\n").unwrap();
    Command::new("chmod").args(["+x", "wanbench"]).current_dir(&programs).status().unwrap();
    Command::new("bash")
        .args(["-eo", "pipefail", "-c", script])
        .current_dir(folder)
        .env_remove("GITHUB_TOKEN")
        .envs([("PROGRAMS", programs.to_str().unwrap()), ("RUNNER_TEMP", "temp")])
        .envs([("CONFIG", "config.toml"), ("BASELINES", "baselines")])
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn the_action_measures_beside_the_merge_base_not_beside_the_branchs_tip() {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let user = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"];
        let output = Command::new("git").args(user).args(arguments).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let commit = |message: &str| {
        git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        git(&["rev-parse", "HEAD"])
    };
    git(&["init", "--quiet", "--initial-branch", "main"]);
    let branched_off = commit("where the change branched off");
    git(&["switch", "--quiet", "--create", "change"]);
    commit("the change");
    git(&["switch", "--quiet", "main"]);
    let tip = commit("main became faster meanwhile");
    git(&["switch", "--quiet", "change"]);

    let output = run_step("Measure", folder.path(), &[("BASE", &tip)]);
    let asked = String::from_utf8(output.stdout).unwrap();
    assert!(asked.contains(&format!("--base {branched_off}")) && !asked.contains(&tip), "{asked}");
    let unknown = run_step("Measure", folder.path(), &[("BASE", "no-such-branch")]);
    assert!(!unknown.status.success() && unknown.stdout.is_empty(), "{unknown:?}");
}

#[test]
fn the_step_that_measures_has_no_token_and_the_one_that_posts_measures_nothing() {
    let tokens = |name: &str| step(name).matches("inputs.token").count();
    assert_eq!(["Build", "Measure", "Post"].map(tokens), [0, 0, 1]);
    let folder = tempfile::tempdir().unwrap();
    let asked = |name: &str, variables: &[(&str, &str)]| {
        let output = run_step(name, folder.path(), variables);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let measure = asked("Measure", &[("STRICT", "true"), ("REQUIRE_BASELINE", "true"), ("SUITE", "smoke")]);
    assert_eq!(
        measure,
        "check --config config.toml --baselines baselines --suite smoke --strict --require-baseline --json \
         temp/wanbench/results.json --markdown temp/wanbench.md\n"
    );
    let change = [("GITHUB_TOKEN", "t"), ("GITHUB_EVENT_NAME", "pull_request")];
    let post = |variables: &[(&str, &str)]| {
        asked("Post", variables).replace("--config config.toml --baselines baselines ", "")
    };
    assert_eq!(post(&change), "comment --trust-results --results temp/wanbench/results.json\n");
    assert_eq!(
        post(&[&change[..], &[("CHECK_RUN", "true"), ("ID", "mine")]].concat()),
        "comment --id mine --check-run --trust-results --results temp/wanbench/results.json\n"
    );
    for nothing in
        [&[("GITHUB_EVENT_NAME", "push"), ("GITHUB_TOKEN", "t")][..], &[("GITHUB_EVENT_NAME", "pull_request")]]
    {
        assert_eq!(post(nothing), "comment --best-effort --trust-results --results temp/wanbench/results.json\n");
    }
}
