//! `--base` and `--base-workers`: the workers that head's are measured beside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wanbench::config::Config;
use wanbench::files::cache;
use wanbench::protocol::DeviceChoice;
use wanbench::report::doctor;
use wanbench::revision::git;
use wanbench::revision::{self, Checkout};
use wanbench::runner::{self, Program};
use wanbench::store::record::BaseRevision;

use super::status::{Error, OrStatus, Result};
use super::terminal::Terminal;
use crate::cli::BaseArgs;

/// The revision that head is measured beside.
#[derive(Debug)]
pub struct Base {
    /// The worker of every backend that the suites name; each answers.
    pub programs: BTreeMap<String, Program>,
    /// What the record says of it; nothing loosened and nothing accepted yet.
    pub revision: BaseRevision,
}

/// The base that `args` name, `None` where they name none. Builds what is not built yet.
///
/// `config` is what `config_path` holds at head. Workers that do not answer are an error.
pub fn prepare(args: &BaseArgs, config_path: &Path, config: &Config, terminal: &Terminal) -> Result<Option<Base>> {
    let base = match (&args.base, &args.base_workers) {
        (Some(revision), _) => of_revision(revision, config_path, config, &cache::folder(), terminal)?,
        (None, Some(folder)) => of_folder(folder, config)?,
        (None, None) => return Ok(None),
    };
    base.probe(&cache::folder())?;
    Ok(Some(base))
}

/// The workers of the commit that `revision` names; they are in `cache`, and are built there first if need be.
fn of_revision(revision: &str, config_path: &Path, config: &Config, cache: &Path, terminal: &Terminal) -> Result<Base> {
    let asked = || format!("--base {revision}");
    let folder = config.folder.display();
    let repository = git::toplevel(&config.folder).map_err(|error| {
        Error::usage(format!("--base {revision}: {folder} is no git checkout that can be read ({error:#})"))
    })?;
    let Some(commit) = git::resolve(&config.folder, revision).or_incomplete(asked)? else {
        return Err(Error::usage(format!(
            "--base {revision}: no such commit in {folder}: `git fetch` it first; \
             in CI a shallow clone lacks it, so check out with fetch-depth: 0"
        )));
    };
    let checkout = Checkout::new(cache, &repository, &commit).or_incomplete(asked)?;
    let folder = checkout.source().join(below(&repository, &config.folder)?);
    let base_config = config_at(&commit, config_path, config, terminal)?;
    let programs = revision::programs(config, base_config.as_ref(), &folder, |name| match checkout.is_wanbench() {
        true => worker_in(&checkout.programs(), name),
        false => Program::built_in(name),
    });
    let has_own = programs.values().any(|program| program.folder.is_some());
    match checkout.is_wanbench() || has_own {
        true => {
            checkout.prepare(&repository, terminal.output.quiet, &|text| terminal.say(text)).or_incomplete(asked)?
        }
        false => {
            return Err(Error::usage(format!(
                "--base {revision}: no backend comes from this repository, so head and base would be the same workers; \
             name others with --base-workers"
            )));
        }
    }
    if has_own && !folder.is_dir() {
        return Err(Error::incomplete(format!(
            "--base {revision}: it has no folder for its backends to run in, {} is missing",
            folder.display()
        )));
    }
    Ok(Base::new(programs, revision.to_owned(), Some(commit)))
}

/// The workers that lie in `folder`.
fn of_folder(folder: &Path, config: &Config) -> Result<Base> {
    let name = folder.display().to_string();
    let folder = std::path::absolute(folder).or_usage(|| format!("--base-workers {name}"))?;
    if !folder.is_dir() {
        return Err(Error::usage(format!("--base-workers {name}: no such folder")));
    }
    let programs = revision::programs(config, None, &folder, |name| worker_in(&folder, name));
    for program in programs.values().filter(|program| program.folder.is_none()) {
        if doctor::find_program(&program.command[0]).is_none() {
            let program = Path::new(&program.command[0]).file_name().unwrap_or_default().display();
            return Err(Error::usage(format!("--base-workers {name}: there is no program {program} in this folder")));
        }
    }
    Ok(Base::new(programs, name, None))
}

/// What base's own configuration says; `None`, and a note, where it cannot serve.
fn config_at(commit: &str, path: &Path, config: &Config, terminal: &Terminal) -> Result<Option<Config>> {
    let name = path.file_name().unwrap_or_default();
    let parsed =
        match git::show(&config.folder, commit, Path::new(name)).or_incomplete(|| "the configuration of base")? {
            Some(text) => Config::parse(&text, path).map_err(|error| error.to_string()),
            None => Err(format!("{}: not there", path.display())),
        };
    let instead = "base runs the command of head in its own files";
    match parsed {
        Ok(base) => {
            for added in config.backends.keys().filter(|name| !base.backends.contains_key(*name)) {
                terminal.say(&format!("note: base has no backend `{added}`: {instead}"));
            }
            Ok(Some(base))
        }
        Err(reason) if config.backends.values().any(|backend| backend.command.is_some()) => {
            terminal.say(&format!("note: the configuration of base cannot be read ({reason}): {instead}"));
            Ok(None)
        }
        Err(_) => Ok(None),
    }
}

/// The path of `folder` from its repository's root.
fn below(repository: &Path, folder: &Path) -> Result<PathBuf> {
    let canonical = |path: &Path| path.canonicalize().or_incomplete(|| format!("cannot find {}", path.display()));
    let (repository, folder) = (canonical(repository)?, canonical(folder)?);
    let below = folder.strip_prefix(&repository).or_incomplete(|| format!("{} is a link", folder.display()))?;
    Ok(below.to_owned())
}

/// The built-in worker of `backend` that lies in `folder`.
fn worker_in(folder: &Path, backend: &str) -> Program {
    Program { command: vec![folder.join(format!("wanbench-{backend}")).display().to_string()], folder: None }
}

impl Base {
    fn new(programs: BTreeMap<String, Program>, name: String, commit: Option<String>) -> Self {
        Self { programs, revision: BaseRevision::new(name, commit) }
    }

    /// An error unless every worker opens its device and speaks this wanbench's protocol; `cache` is for the way out.
    fn probe(&self, cache: &Path) -> Result<()> {
        let mut probed: Vec<&Program> = Vec::new();
        for program in self.programs.values() {
            if probed.contains(&program) {
                continue;
            }
            probed.push(program);
            let Err(failure) = runner::probe(program, DeviceChoice::Auto) else { continue };
            let mut said: String = failure.stderr_tail.iter().map(|line| format!("\n  {line}")).collect();
            if let Some(commit) = &self.revision.commit {
                let folder = cache.join("base").join(commit);
                said += &format!("\nIf its build is damaged, remove {} to have it made anew.", folder.display());
            }
            return Err(Error::incomplete(format!(
                "base {}: its worker `{}` cannot be used: {}{said}\n\
                 If it speaks another protocol, base is too old to be measured beside head: measure each with its own \
                 `wanbench run`, then compare the two with `wanbench compare`.",
                self.revision.name,
                program.command.join(" "),
                failure.reason,
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use clap::Parser;
    use wanbench::protocol;

    use super::*;
    use crate::cli::Cli;
    use crate::session::status::ExitStatus;

    /// A repository of somebody who uses wanbench: config.toml in a folder below its root, with a backend of their own.
    struct Repository {
        folder: tempfile::TempDir,
    }

    impl Repository {
        fn new() -> Self {
            let repository = Self { folder: tempfile::tempdir().unwrap() };
            std::fs::create_dir(repository.path("bench")).unwrap();
            repository.git(&["init", "--quiet"]);
            repository
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn git(&self, arguments: &[&str]) {
            let user = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"];
            let status = Command::new("git").args(user).args(arguments).current_dir(self.folder.path()).status();
            assert!(status.unwrap().success(), "{arguments:?}");
        }

        /// Commits a worker that calls itself `name`, started by `command`, and tells of `protocol`.
        fn commit(&self, command: &str, name: &str, protocol: u32) {
            let config = format!(
                "[default_suite]\ngpu = \"tiny\"\ncpu = \"tiny\"\n\n[backends.mine]\ncommand = {command}\n\n\
                 [suites.tiny]\nmodel = \"synthetic\"\nreference = \"mine\"\nlaunches = 1\nwarmup_steps = 1\n\n\
                 [[suites.tiny.workloads]]\nframes = 5\nsteps = 2\nlatent = [1, 2, 2]\n\n\
                 [[suites.tiny.cases]]\nbackend = \"mine\"\nquants = [\"none\"]\n"
            );
            std::fs::write(self.path("bench/config.toml"), config).unwrap();
            let worker = format!(
                "read -r request\necho '{{\"type\":\"ready\",\"protocol\":{protocol},\"worker\":\"{name}\",\
                 \"device\":{{\"kind\":\"cpu\",\"name\":\"cpu\"}},\"versions\":{{}}}}'\n"
            );
            std::fs::write(self.path("bench/worker.sh"), worker).unwrap();
            self.git(&["add", "bench"]);
            self.git(&["commit", "--quiet", "-m", name]);
        }

        fn base(&self, revision: &str) -> Result<Base> {
            let path = self.path("bench/config.toml");
            let config = Config::open(&path).unwrap();
            let base = of_revision(revision, &path, &config, &self.path("cache"), &quiet())?;
            base.probe(&self.path("cache"))?;
            Ok(base)
        }
    }

    fn quiet() -> Terminal {
        Terminal::new(Cli::parse_from(["wanbench", "--quiet", "check"]).output)
    }

    const COMMAND: &str = r#"["sh", "worker.sh"]"#;
    const OLD_COMMAND: &str = r#"["sh", "./worker.sh"]"#;

    #[test]
    fn a_backend_of_the_users_own_runs_as_base_has_it_in_the_files_of_base() {
        let repository = Repository::new();
        repository.commit(OLD_COMMAND, "old", protocol::VERSION);
        repository.commit(COMMAND, "new", protocol::VERSION);
        let base = repository.base("HEAD~1").unwrap();
        let program = &base.programs["mine"];
        assert_eq!(program.command, ["sh", "./worker.sh"]);
        assert_eq!(runner::probe(program, DeviceChoice::Cpu).unwrap().worker, "old");
        assert_eq!(base.revision.name, "HEAD~1");
        assert_eq!(base.revision.commit, git::resolve(repository.folder.path(), "HEAD~1").unwrap());
        assert_eq!(base.programs.len(), 1, "nobody names mlx and torch, so nobody needs them");
    }

    #[test]
    fn where_base_has_no_readable_configuration_the_command_of_head_runs_there() {
        let repository = Repository::new();
        repository.commit(OLD_COMMAND, "old", protocol::VERSION);
        std::fs::write(repository.path("bench/config.toml"), "[future]\n").unwrap();
        repository.git(&["commit", "--quiet", "--all", "-m", "unreadable"]);
        repository.commit(COMMAND, "new", protocol::VERSION);
        let base = repository.base("HEAD~1").unwrap();
        assert_eq!(base.programs["mine"].command, ["sh", "worker.sh"]);
        assert_eq!(runner::probe(&base.programs["mine"], DeviceChoice::Cpu).unwrap().worker, "old");
    }

    #[test]
    fn a_revision_that_is_not_there_is_a_usage_error_with_the_way_out() {
        let repository = Repository::new();
        repository.commit(COMMAND, "only", protocol::VERSION);
        for unknown in ["main-of-old", "--all", ""] {
            let error = repository.base(unknown).unwrap_err();
            assert_eq!(error.status(), ExitStatus::Usage, "{error}");
            let text = error.to_string();
            assert!(text.starts_with(&format!("--base {unknown}: no such commit")), "{text}");
            assert!(text.contains("git fetch") && text.contains("fetch-depth: 0"), "{text}");
        }
    }

    #[test]
    fn a_worker_of_another_protocol_is_too_old() {
        let repository = Repository::new();
        repository.commit(COMMAND, "old", protocol::VERSION - 1);
        let error = repository.base("HEAD").unwrap_err();
        assert_eq!(error.status(), ExitStatus::Incomplete);
        let text = error.to_string();
        for part in ["base HEAD", "speaks protocol", "too old", "wanbench compare"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_folder_of_workers_must_have_those_that_are_needed() {
        let repository = Repository::new();
        repository.commit(COMMAND, "mine", protocol::VERSION);
        let folder = repository.path("bench");
        let mut config = Config::open(&folder.join("config.toml")).unwrap();
        let base = of_folder(&folder, &config).unwrap();
        base.probe(Path::new("")).unwrap();
        assert_eq!(base.revision.name, folder.display().to_string());
        assert_eq!(base.revision.commit, None);

        config.suites.get_mut("tiny").unwrap().cases[0].backend = "torch".to_owned();
        let error = of_folder(&folder, &config).unwrap_err();
        assert_eq!(error.status(), ExitStatus::Usage);
        assert!(error.to_string().ends_with("there is no program wanbench-torch in this folder"), "{error}");
        assert_eq!(of_folder(&repository.path("none"), &config).unwrap_err().status(), ExitStatus::Usage);
    }
}
