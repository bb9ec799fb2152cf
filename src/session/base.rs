//! `--base` and `--base-workers`: the workers that head's are measured beside.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use wanbench::config::{self, Case, Config};
use wanbench::files::cache;
use wanbench::protocol::DeviceChoice;
use wanbench::revision::git;
use wanbench::revision::{self, Checkout};
use wanbench::runner::{self, Program};
use wanbench::store::record::BaseRevision;

use super::find_program::find_program;
use super::status::{Error, OrStatus, Result};
use super::terminal::Terminal;
use crate::cli::BaseArgs;

/// The revision that head is measured beside.
#[derive(Debug)]
pub struct Base {
    /// The worker of every backend that the suites name and base has; each answers.
    pub programs: BTreeMap<String, Program>,
    /// What the record says of it; nothing loosened and nothing accepted yet.
    pub revision: BaseRevision,
    /// What its own configuration says.
    pub config: BaseConfig,
}

/// What base's own configuration says.
#[derive(Debug)]
pub enum BaseConfig {
    /// It is there and can be read.
    Readable(Box<Config>),
    /// It is there, but this wanbench cannot read it, for this reason: head's commands run in base's files.
    Unreadable(String),
    /// It is not there: base does not use wanbench yet, or has no configuration of its own.
    Absent,
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
        Error::usage(format!("--base {revision}: {folder} is not a readable git checkout ({error:#})"))
    })?;
    let Some(commit) = git::resolve(&config.folder, revision).or_incomplete(asked)? else {
        return Err(Error::usage(format!(
            "--base {revision}: no such commit in {folder}: `git fetch` it first; \
             in CI check out with fetch-depth: 0, since a shallow clone lacks it"
        )));
    };
    let checkout = Checkout::new(cache, &repository, &commit).or_incomplete(asked)?;
    let folder = checkout.source().join(below(&repository, &config.folder)?);
    let base_config = config_at(&commit, config_path, config, terminal)?;
    let readable = base_config.readable();
    let mut programs = revision::programs(config, readable, &folder, |name| match checkout.is_wanbench() {
        true => worker_in(&checkout.programs(), name),
        false => Program::built_in(name),
    });
    programs.retain(|name, _| base_config.has_backend(name, config));
    let has_own = programs.values().any(|program| program.folder.is_some());
    if checkout.is_wanbench() || has_own {
        checkout.prepare(&repository, terminal.output.quiet, &|text| terminal.say(text)).or_incomplete(asked)?;
    } else if !programs.is_empty() {
        return Err(Error::usage(format!(
            "--base {revision}: no backend of the configuration comes from this repository, so head and base would run the same \
             workers; pass other workers with --base-workers"
        )));
    }
    if has_own && !folder.is_dir() {
        return Err(Error::incomplete(format!(
            "--base {revision}: the folder that its backends run in, {}, does not exist there",
            folder.display()
        )));
    }
    let own = programs.values().filter(|program| program.folder.is_some());
    if let Some(path) = own.flat_map(|program| &program.command).find(|argument| is_heads_own(argument, &repository)) {
        return Err(Error::usage(format!(
            "--base {revision}: the command of a backend names {path}, inside this checkout, by an absolute path, so the base \
             revision would run head's file: name it relative to config.toml"
        )));
    }
    let lacks = lacking(config, readable, &programs);
    if !lacks.is_empty() {
        terminal.say(&format!("note: base {revision} does not have {}: these cases are new", lacks.join(", ")));
    }
    Ok(Base::new(programs, BaseRevision { lacks, ..BaseRevision::new(revision.to_owned(), Some(commit)) }, base_config))
}

/// Whether `argument` is an absolute path to something in head's `repository`.
fn is_heads_own(argument: &str, repository: &Path) -> bool {
    let path = Path::new(argument);
    path.is_absolute() && path.canonicalize().is_ok_and(|path| path.starts_with(repository))
}

/// The cases of `config` that base does not have: in none of its suites, or without a worker for them.
fn lacking(config: &Config, base: Option<&Config>, programs: &BTreeMap<String, Program>) -> Vec<String> {
    let known = base.map(Config::known_cases);
    let cases = config.suites.values().flat_map(|suite| &suite.cases);
    let is_lacking = |case: &&Case| {
        !programs.contains_key(&case.backend) || known.as_ref().is_some_and(|known| !known.contains(&case.name))
    };
    let names: BTreeSet<&str> = cases.filter(is_lacking).map(|case| case.name.as_str()).collect();
    names.into_iter().map(str::to_owned).collect()
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
        if find_program(&program.command[0]).is_none() {
            let program = Path::new(&program.command[0]).file_name().unwrap_or_default().display();
            return Err(Error::usage(format!("--base-workers {name}: this folder has no program {program}")));
        }
    }
    Ok(Base::new(programs, BaseRevision::new(name, None), BaseConfig::Absent))
}

/// What base's own configuration says, with a note where it cannot serve.
fn config_at(commit: &str, path: &Path, config: &Config, terminal: &Terminal) -> Result<BaseConfig> {
    let text = committed(commit, path, config).or_incomplete(|| "cannot read the configuration of base")?;
    Ok(match text.map(|text| Config::parse(&text, path)) {
        None => BaseConfig::Absent,
        Some(Ok(base)) => BaseConfig::Readable(Box::new(base)),
        Some(Err(error)) => {
            terminal.say(&format!(
                "note: the configuration of base is not valid ({error}): base runs the commands of head's configuration on its own files"
            ));
            BaseConfig::Unreadable(error.to_string())
        }
    })
}

/// The text of the configuration at `commit`, where it may have had the other of the usual names.
fn committed(commit: &str, path: &Path, config: &Config) -> anyhow::Result<Option<String>> {
    let show = |name: &OsStr| git::show(&config.folder, commit, Path::new(name));
    let name = path.file_name().unwrap_or_default();
    let [one, other] = config::NAMES.map(OsStr::new);
    let renamed = [(one, other), (other, one)].into_iter().find(|(now, _)| *now == name);
    match (show(name)?, renamed) {
        (None, Some((_, before))) => Ok(show(before)?.filter(|text| config::defines_suites(text))),
        (text, _) => Ok(text),
    }
}

impl BaseConfig {
    fn readable(&self) -> Option<&Config> {
        match self {
            Self::Readable(config) => Some(config),
            Self::Unreadable(_) | Self::Absent => None,
        }
    }

    /// Whether base has the backend `name` of head's `config`: a built-in one always, one of the user's own where base's
    /// configuration names it.
    fn has_backend(&self, name: &str, config: &Config) -> bool {
        let is_own = config.backends.get(name).is_some_and(|backend| backend.command.is_some());
        match self {
            Self::Readable(base) => !is_own || base.backends.contains_key(name),
            Self::Unreadable(_) => true,
            Self::Absent => !is_own,
        }
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
    fn new(programs: BTreeMap<String, Program>, revision: BaseRevision, config: BaseConfig) -> Self {
        Self { programs, revision, config }
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
            if let (Some(commit), None) = (&self.revision.commit, &program.folder) {
                let folder = cache.join("base").join(commit);
                said += &format!("\nIf its build is damaged, remove {} to rebuild it.", folder.display());
            }
            if let Some(folder) = &program.folder {
                said += &format!(
                    "\nIt runs in {}, which holds what that commit has and nothing else: what is not committed, such as a virtual \
                     environment, built extensions or data, has to lie outside the repository.",
                    folder.display()
                );
            }
            return Err(Error::incomplete(format!(
                "base {}: its worker `{}` cannot be used: {}{said}\n\
                 If it speaks another protocol version, base is too old to be measured beside head: measure each with its own \
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
        assert_eq!(runner::probe(program, DeviceChoice::Cpu).unwrap().ready.worker, "old");
        assert_eq!(base.revision.name, "HEAD~1");
        assert_eq!(base.revision.commit, git::resolve(repository.folder.path(), "HEAD~1").unwrap());
        assert_eq!(base.programs.len(), 1, "nobody names mlx and torch, so nobody needs them");
    }

    #[test]
    fn a_configuration_that_got_the_other_name_is_no_new_one() {
        let repository = Repository::new();
        repository.commit(OLD_COMMAND, "old", protocol::VERSION);
        repository.git(&["mv", "bench/config.toml", "bench/wanbench.toml"]);
        let path = repository.path("bench/wanbench.toml");
        let base = |config: &Config| of_revision("HEAD", &path, config, &repository.path("cache"), &quiet()).unwrap();
        let config = Config::open(&path).unwrap();
        assert_eq!(base(&config).programs["mine"].command, ["sh", "./worker.sh"]);
        std::fs::write(repository.path("bench/config.toml"), "baseURL = \"/\"").unwrap();
        repository.git(&["rm", "--quiet", "--cached", "bench/wanbench.toml"]);
        repository.git(&["add", "bench/config.toml"]);
        repository.git(&["commit", "--quiet", "-m", "another tool's"]);
        let adopted = base(&config);
        assert!(adopted.programs.is_empty(), "{:?}", adopted.programs);
        assert_eq!(adopted.revision.lacks, ["mine/5f/none"]);
    }

    #[test]
    fn a_command_by_an_absolute_path_into_the_checkout_would_be_heads_own() {
        let repository = Repository::new();
        let worker = repository.path("bench/worker.sh").canonicalize().unwrap_or(repository.path("bench/worker.sh"));
        repository.commit(&format!("[\"sh\", \"{}\"]", worker.display()), "old", protocol::VERSION);
        let error = repository.base("HEAD").unwrap_err();
        assert_eq!(error.status(), ExitStatus::Usage);
        assert!(error.to_string().contains("by an absolute path"), "{error}");
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
        assert_eq!(runner::probe(&base.programs["mine"], DeviceChoice::Cpu).unwrap().ready.worker, "old");
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
        assert!(error.to_string().ends_with("this folder has no program wanbench-torch"), "{error}");
        assert_eq!(of_folder(&repository.path("none"), &config).unwrap_err().status(), ExitStatus::Usage);
    }
}
