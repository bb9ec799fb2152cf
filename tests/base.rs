//! The files and programs of another commit: made once, made anew where they are not whole, and not kept for ever.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use wanbench::revision::git;
use wanbench::revision::{Checkout, KEPT};

/// A toy repository with a cache of its own. Its build writes a line to `builds` outside of it.
struct Toy {
    folder: tempfile::TempDir,
}

const MANIFEST: &str = "[package]\nname = \"wanbench\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";

impl Toy {
    /// A repository whose first commit has `files`.
    fn new(files: &[(&str, &str)]) -> Self {
        let toy = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(toy.repository()).unwrap();
        toy.git(&["init", "--quiet"]);
        toy.commit(files);
        toy
    }

    /// A repository that passes for wanbench's, whose `make build` runs `recipe`, one line each.
    fn wanbench(recipe: &[&str]) -> Self {
        let lines: String = recipe.iter().map(|line| format!("\t{line}\n")).collect();
        let makefile = format!("build:\n\t@echo $$(pwd) >> ../../../../builds\n{lines}");
        Self::new(&[("Cargo.toml", MANIFEST), ("Makefile", &makefile)])
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn git(&self, arguments: &[&str]) -> String {
        let user = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"];
        let output = Command::new("git").args(user).args(arguments).current_dir(self.repository()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits `files` and returns the commit.
    fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            let path = self.repository().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn checkout(&self, commit: &str) -> Checkout {
        Checkout::new(&self.cache(), &self.repository(), commit).unwrap()
    }

    /// Prepares `commit`; also what was said meanwhile.
    fn try_prepare(&self, commit: &str) -> anyhow::Result<(Checkout, String)> {
        let said = RefCell::new(String::new());
        let checkout = self.checkout(commit);
        checkout.prepare(&self.repository(), true, &|text| *said.borrow_mut() += text)?;
        Ok((checkout, said.into_inner()))
    }

    fn prepare(&self, commit: &str) -> Checkout {
        self.try_prepare(commit).unwrap().0
    }

    /// How many builds there were.
    fn builds(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join("builds")).unwrap_or_default().lines().count()
    }
}

#[test]
fn git_names_commits_and_reads_their_files() {
    let toy = Toy::new(&[("a/config.toml", "old"), ("a/baselines/é b.json", "{}"), ("a/baselines/below/c", "c")]);
    let (repository, folder) = (toy.repository(), toy.repository().join("a"));
    let commit = toy.git(&["rev-parse", "HEAD"]);
    toy.git(&["tag", "--annotate", "-m", "a tag is not a commit, but names one", "v1"]);
    toy.commit(&[("a/config.toml", "new")]);

    assert_eq!(git::resolve(&folder, "v1").unwrap(), Some(commit.clone()));
    for unknown in ["v2", "--all", "-", "", "HEAD:a"] {
        assert_eq!(git::resolve(&folder, unknown).unwrap(), None, "{unknown:?}");
    }
    assert_eq!(git::head(&folder, Path::new("baselines")), git::resolve(&repository, "HEAD").unwrap());
    assert_eq!(git::toplevel(&folder).unwrap(), repository.canonicalize().unwrap());
    assert!(git::toplevel(Path::new("/")).is_err());

    let show = |path: &str| git::show(&folder, &commit, Path::new(path));
    assert_eq!(show("config.toml").unwrap().as_deref(), Some("old"));
    assert_eq!(show(repository.join("a/config.toml").to_str().unwrap()).unwrap().as_deref(), Some("old"));
    assert_eq!(show("baselines/none.json").unwrap(), None);
    assert_eq!(show("baselines").unwrap(), None, "a folder is no file");
    assert!(show("/etc/passwd").is_err());

    let files = |folder: &Path, dir: &str| git::files(folder, &commit, Path::new(dir)).unwrap();
    assert_eq!(files(&folder, "baselines"), [Path::new("baselines/é b.json")]);
    assert_eq!(files(&repository, "a/baselines/"), [Path::new("a/baselines/é b.json")]);
    assert!(files(&folder, "none").is_empty());
    assert_eq!(git::show(&folder, &commit, &files(&folder, "baselines")[0]).unwrap().as_deref(), Some("{}"));
}

#[test]
fn a_commits_files_are_whole_and_the_repository_is_as_before() {
    let toy = Toy::new(&[("kept", "old"), ("folder/worker.sh", "old"), (".gitattributes", "folder export-ignore\n")]);
    let commit = toy.git(&["rev-parse", "HEAD"]);
    toy.commit(&[("kept", "new")]);
    std::fs::write(toy.repository().join("kept"), "edited").unwrap();
    let before = toy.git(&["status", "--porcelain"]);

    let checkout = toy.prepare(&commit);
    assert!(!checkout.is_wanbench(), "so nothing is built");
    assert_eq!(std::fs::read_to_string(checkout.source().join("kept")).unwrap(), "old");
    assert_eq!(std::fs::read_to_string(checkout.source().join("folder/worker.sh")).unwrap(), "old");
    assert_eq!(toy.git(&["status", "--porcelain"]), before);
    assert_eq!(toy.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_commit_is_built_once_beside_the_others() {
    let toy = Toy::wanbench(&[
        "mkdir -p $$CARGO_TARGET_DIR/release && echo built > $$CARGO_TARGET_DIR/release/wanbench-mlx",
        "$$RUSTC_WORKSPACE_WRAPPER test -n \"$$CARGO_BUILD_BUILD_DIR\" -a -z \"$$MAKEFLAGS$$ARGS\"",
    ]);
    let first = toy.git(&["rev-parse", "HEAD"]);
    let second = toy.commit(&[("file", "text")]);
    let (checkout, said) = toy.try_prepare(&first).unwrap();
    assert!(checkout.is_wanbench());
    assert!(said.contains(&first), "{said}");
    assert_eq!(std::fs::read_to_string(checkout.programs().join("wanbench-mlx")).unwrap(), "built\n");
    let (_, said) = toy.try_prepare(&first).unwrap();
    assert_eq!((toy.builds(), said.as_str()), (1, ""), "the second time it is there");
    toy.prepare(&second);
    assert_eq!(toy.builds(), 2);
    toy.prepare(&first);
    assert_eq!(toy.builds(), 2);
}

#[test]
fn what_is_half_made_or_of_another_compiler_is_made_anew() {
    let toy = Toy::wanbench(&[]);
    let commit = toy.git(&["rev-parse", "HEAD"]);
    let checkout = toy.checkout(&commit);
    std::fs::create_dir_all(checkout.source()).unwrap();
    std::fs::write(checkout.source().join("leftover"), "").unwrap();
    toy.prepare(&commit);
    assert!(!checkout.source().join("leftover").exists());
    assert!(checkout.source().join("Makefile").exists());
    assert_eq!(toy.builds(), 1);

    let marker = checkout.folder().join("whole.json");
    let text = std::fs::read_to_string(&marker).unwrap();
    std::fs::write(&marker, text.replace("rustc", "an older compiler")).unwrap();
    toy.prepare(&commit);
    assert_eq!(toy.builds(), 2);
    assert_eq!(std::fs::read_to_string(&marker).unwrap(), text);
}

#[test]
fn a_build_that_fails_is_told_and_tried_again() {
    let toy = Toy::wanbench(&["@echo nothing works here >&2", "@exit 7"]);
    let commit = toy.git(&["rev-parse", "HEAD"]);
    let error = toy.try_prepare(&commit).unwrap_err().to_string();
    let source = toy.checkout(&commit).source();
    for part in [commit.as_str(), "make build", source.to_str().unwrap(), "\n  nothing works here\n"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(toy.try_prepare(&commit).is_err());
    assert_eq!(toy.builds(), 2);
}

#[test]
fn the_commits_used_last_are_kept() {
    let toy = Toy::new(&[("file", "0")]);
    let commits: Vec<String> = (0..=KEPT).map(|index| toy.commit(&[("file", &format!("commit {index}"))])).collect();
    let marker = |commit: &str| toy.checkout(commit).folder().join("whole.json");
    for (index, commit) in commits[..KEPT].iter().enumerate() {
        toy.prepare(commit);
        let used = SystemTime::now() - Duration::from_secs(1000 - index as u64);
        std::fs::File::open(marker(commit)).unwrap().set_modified(used).unwrap();
    }
    toy.prepare(&commits[0]);
    toy.prepare(&commits[KEPT]);
    let there: Vec<bool> = commits.iter().map(|commit| marker(commit).exists()).collect();
    let expected: Vec<bool> = (0..=KEPT).map(|index| index != 1).collect();
    assert_eq!(there, expected, "the second is the one that was not used for longest");
    assert!(!toy.checkout(&commits[1]).folder().exists());
}

/// Two checkouts of one package are the same to cargo: without precautions a build of one passes for the other's.
#[test]
fn builds_that_share_intermediate_files_keep_their_own_programs() {
    let program = |name: &str| format!("fn main() {{ println!(\"{name}\"); }}\n");
    let cargo = env!("CARGO");
    let makefile = format!("build:\n\t{cargo} build --quiet --release --offline\n");
    let files = [("Cargo.toml", MANIFEST), ("Makefile", makefile.as_str()), ("src/main.rs", &program("first"))];
    let toy = Toy::new(&files);
    let commits = [toy.git(&["rev-parse", "HEAD"]), toy.commit(&[("src/main.rs", &program("second"))])];
    let says = |folder: PathBuf| {
        let output = Command::new(folder.join("wanbench")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let build_head = || {
        let build = Command::new(cargo)
            .args(["build", "--quiet", "--release", "--offline"])
            .current_dir(toy.repository())
            .env("CARGO_TARGET_DIR", toy.folder.path().join("target"))
            .env("CARGO_BUILD_BUILD_DIR", toy.cache().join("base/build"))
            .status();
        assert!(build.unwrap().success());
        says(toy.folder.path().join("target/release"))
    };
    toy.commit(&[("src/main.rs", &program("head"))]);
    assert_eq!(build_head(), "head\n");
    let checkouts = commits.each_ref().map(|commit| toy.prepare(commit));
    assert_eq!(build_head(), "head\n", "though the files of the other builds are newer");
    assert_eq!(checkouts.map(|checkout| says(checkout.programs())), ["first\n", "second\n"]);
}
