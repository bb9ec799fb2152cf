//! The history on a branch of its own: one commit after the other, and each only adds files.
//!
//! Everything is written through a private index, as in [`git::export`]: no work tree, no index and no branch that is checked
//! out anywhere is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::git::{git, run, run_with};
use crate::children;
use crate::files::read::{self, Limit};
use crate::files::save;
use crate::store::entries::{Addition, EntryFile, runs_name};

/// How often a branch is tried to be moved that others move at the same time: in each round one of them gets through.
const MOST_ATTEMPTS: u32 = 20;

/// How often a push may fail although nobody else moved the branch.
const MOST_REFUSALS: u32 = 3;

/// The longest wait before the second attempt; it doubles with each up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Files that one call of git adds: a command line has a limit.
const FILES_A_CALL: usize = 500;

/// The branch of a repository that holds the history.
#[derive(Clone, Debug)]
pub struct DataBranch {
    folder: PathBuf,
    name: String,
}

/// The files of a commit: each path with its blob.
type Tree = BTreeMap<PathBuf, String>;

/// What came of pushing.
enum Pushed {
    Done,
    /// git's words.
    Refused(String),
}

impl DataBranch {
    /// The branch `name` of the repository around `folder`; whether it is there is not asked.
    ///
    /// # Errors
    /// Outside a repository, and for what cannot be a branch's name.
    pub fn new(folder: &Path, name: &str) -> Result<Self> {
        run(git(folder).args(["rev-parse", "--git-dir"])).context("the history's branch needs a git repository")?;
        let branch = Self { folder: folder.to_owned(), name: name.to_owned() };
        let is_name =
            !name.starts_with('-') && run(branch.git().args(["check-ref-format", &branch.reference()])).is_ok();
        if !is_name {
            bail!("{name:?} cannot be the name of a branch");
        }
        Ok(branch)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the repository has the branch, or a remote's as it was fetched last.
    pub fn exists(&self) -> Result<bool> {
        Ok(!self.tips()?.is_empty())
    }

    /// The entries' files of the branch, and of those of remotes as they were fetched last, by path. A file that is too large or no
    /// text comes with the reason.
    pub fn files(&self) -> Result<Vec<(PathBuf, std::io::Result<String>)>> {
        let mut all = Tree::new();
        for tip in self.tips()? {
            all.extend(self.tree(&tip)?);
        }
        all.retain(|path, _| runs_name(path).is_some());
        let blobs: Vec<&str> = all.values().map(String::as_str).collect();
        let contents = self.contents(&blobs)?;
        Ok(all.into_keys().zip(contents.into_iter().map(text)).collect())
    }

    /// Adds `files`, each unless its run is there already, in one commit with this `message`. With a `remote` the commit goes on top
    /// of that one's branch, together with what only the repository's own branch has, and is pushed; whoever pushes at the same
    /// time goes first, and nothing of theirs is lost.
    ///
    /// # Errors
    /// With git's words; where the branch is checked out.
    pub fn add(&self, files: &[EntryFile], message: &str, remote: Option<&str>) -> Result<Vec<Addition>> {
        self.check_not_checked_out()?;
        let mut refusals = 0;
        for attempt in 0..MOST_ATTEMPTS {
            let own = self.tip(&self.reference())?;
            let theirs = remote.map(|remote| self.fetch(remote)).transpose()?.flatten();
            let (commit, additions) = self.commit_on(theirs.as_deref(), own.as_deref(), files, message)?;
            let Some(commit) = commit else { return Ok(additions) };
            let is_behind = theirs.as_ref() != Some(&commit);
            if let (Some(remote), true) = (remote, is_behind)
                && let Pushed::Refused(words) = self.push(remote, &commit)?
            {
                refusals += u32::from(self.remote_tip(remote)? == theirs);
                if refusals >= MOST_REFUSALS {
                    bail!("cannot push {} to {remote}: {words}", self.name);
                }
                wait(attempt);
                continue;
            }
            // Once it is pushed, whoever moved the own branch meanwhile takes it along with their next push.
            if self.move_to(&commit, own.as_deref())? || remote.is_some() {
                return Ok(additions);
            }
            wait(attempt);
        }
        bail!("others kept moving the branch {}: none of {MOST_ATTEMPTS} attempts got through", self.name)
    }

    /// A commit with `files` on top of `theirs`, with what only `own` has, or else of `own`; the top itself where nothing is to be
    /// added, which is `None` where there is no commit at all.
    fn commit_on(
        &self,
        theirs: Option<&str>,
        own: Option<&str>,
        files: &[EntryFile],
        message: &str,
    ) -> Result<(Option<String>, Vec<Addition>)> {
        // A new branch begins where some remote's is.
        let fetched = self.tips()?.into_iter().next();
        let parent = theirs.or(own).or(fetched.as_deref());
        let tree = |tip: Option<&str>| tip.map_or_else(|| Ok(Tree::new()), |tip| self.tree(tip));
        let mut added = tree(own)?;
        let below = tree(parent)?;
        added.retain(|path, _| !below.contains_key(path));
        let mut known: BTreeSet<PathBuf> = below.keys().chain(added.keys()).cloned().collect();
        for tip in self.tips()? {
            known.extend(self.tree(&tip)?.into_keys());
        }
        let mut additions = Vec::new();
        for file in files {
            let run = runs_name(&file.path);
            additions.push(match known.iter().find(|path| runs_name(path) == run) {
                Some(path) => Addition::Known(path.clone()),
                None => {
                    added.insert(file.path.clone(), self.blob(&file.text)?);
                    Addition::Added
                }
            });
        }
        let commit = match added.is_empty() {
            true => parent.map(str::to_owned),
            false => Some(self.commit(parent, &added, message)?),
        };
        Ok((commit, additions))
    }

    /// A commit on top of `parent`, if there is one, that adds these files.
    fn commit(&self, parent: Option<&str>, added: &Tree, message: &str) -> Result<String> {
        let home = tempfile::tempdir().context("cannot make a temporary folder")?;
        let index = home.path().join("index");
        let command = |name: &str| {
            let mut command = self.git();
            command.arg(name).env("GIT_INDEX_FILE", &index);
            command
        };
        match parent {
            Some(parent) => run(command("read-tree").arg(parent))?,
            None => run(command("read-tree").arg("--empty"))?,
        };
        let files: Vec<(&PathBuf, &String)> = added.iter().collect();
        for files in files.chunks(FILES_A_CALL) {
            let mut update = command("update-index");
            update.arg("--add");
            for (path, blob) in files {
                let mut entry = OsString::from(format!("100644,{blob},"));
                entry.push(path);
                update.arg("--cacheinfo").arg(entry);
            }
            run(&mut update)?;
        }
        let tree = line(run(&mut command("write-tree"))?);
        let parent = parent.into_iter().flat_map(|parent| ["-p", parent]);
        Ok(line(run(self.signed().args(["commit-tree", "-m", message]).args(parent).arg(tree))?))
    }

    /// git that can commit: by whom, if the user did not tell.
    fn signed(&self) -> Command {
        let mut signed = self.git();
        if run(self.git().args(["var", "GIT_COMMITTER_IDENT"])).is_err() {
            signed.args(["-c", "user.name=wanbench", "-c", "user.email=wanbench@localhost"]);
        }
        signed
    }

    fn blob(&self, text: &str) -> Result<String> {
        let home = tempfile::tempdir().context("cannot make a temporary folder")?;
        let path = home.path().join("entry");
        save::text(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(line(run(self.git().args(["hash-object", "-w", "--no-filters"]).arg(path))?))
    }

    /// The remote's branch, with its commits; `None` where it has none.
    fn fetch(&self, remote: &str) -> Result<Option<String>> {
        let Some(tip) = self.remote_tip(remote)? else { return Ok(None) };
        if run(self.git().args(["cat-file", "-e", &format!("{tip}^{{commit}}")])).is_err() {
            // No reference is moved, which another process could be moving.
            let options = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap="];
            run(self.git().args(options).args([remote, &self.reference()]))?;
        }
        Ok(Some(tip))
    }

    fn remote_tip(&self, remote: &str) -> Result<Option<String>> {
        if remote.starts_with('-') {
            bail!("{remote:?} cannot be the name of a remote");
        }
        let listing = line(run(self.git().args(["ls-remote", remote, &self.reference()]))?);
        let mut tips = listing.lines().filter_map(|line| line.split_once('\t'));
        Ok(tips.find(|(_, name)| *name == self.reference()).map(|(tip, _)| tip.to_owned()))
    }

    /// Pushes, unless that would take away what others pushed.
    fn push(&self, remote: &str, commit: &str) -> Result<Pushed> {
        let target = format!("{commit}:{}", self.reference());
        // The user's hooks are for the user's own branches.
        let mut push = self.git();
        push.args(["push", "--quiet", "--no-verify", remote, &target]);
        let output = children::output(&mut push).context("cannot start git")?;
        Ok(match output.status.success() {
            true => Pushed::Done,
            false => Pushed::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        })
    }

    /// Moves the branch to `commit` if it still is at `old`; whether it was.
    fn move_to(&self, commit: &str, old: Option<&str>) -> Result<bool> {
        // Nothing is what a branch has been at that is not there yet.
        let nothing = "0".repeat(commit.len());
        let reference = self.reference();
        let moved = run(self.git().args(["update-ref", &reference, commit, old.unwrap_or(&nothing)]));
        match (moved, self.tip(&reference)?) {
            (Ok(_), _) => Ok(true),
            (Err(error), tip) if tip.as_deref() == old => Err(error),
            (Err(_), _) => Ok(false),
        }
    }

    fn check_not_checked_out(&self) -> Result<()> {
        let format = "--format=%(worktreepath)";
        let place = line(run(self.git().args(["for-each-ref", format, &self.reference()]))?);
        if !place.is_empty() {
            bail!("the branch {} is checked out in {place}: switch to another there", self.name);
        }
        Ok(())
    }

    /// The files of the commit `tip`.
    fn tree(&self, tip: &str) -> Result<Tree> {
        let listing = run(self.git().args(["ls-tree", "-r", "-z", "--full-tree", tip]))?;
        let entries = listing.split(|byte| *byte == 0).filter_map(|entry| {
            // MODE TYPE OBJECT<tab>PATH
            let tab = entry.iter().position(|byte| *byte == b'\t')?;
            let attributes = String::from_utf8_lossy(&entry[..tab]);
            let object = attributes.split_once(" blob ")?.1.to_owned();
            Some((PathBuf::from(OsStr::from_bytes(&entry[tab + 1..])), object))
        });
        Ok(entries.collect())
    }

    /// What these blobs hold, in order.
    fn contents(&self, blobs: &[&str]) -> Result<Vec<Vec<u8>>> {
        let home = tempfile::tempdir().context("cannot make a temporary folder")?;
        let path = home.path().join("blobs");
        let asked: String = blobs.iter().map(|blob| format!("{blob}\n")).collect();
        save::text(&path, &asked).with_context(|| format!("cannot write {}", path.display()))?;
        let asked = read::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let told = run_with(self.git().args(["cat-file", "--batch"]), asked)?;
        let (mut contents, mut rest) = (Vec::new(), told.as_slice());
        for blob in blobs {
            let (content, after) = first_blob(rest).with_context(|| format!("git cannot read the object {blob}"))?;
            contents.push(content.to_vec());
            rest = after;
        }
        Ok(contents)
    }

    /// The commits that the own branch and those of remotes are at, the own one first.
    fn tips(&self) -> Result<Vec<String>> {
        let format = "--format=%(objectname) %(refname)";
        let listing = line(run(self.git().args(["for-each-ref", format, "refs/heads", "refs/remotes"]))?);
        let references = listing.lines().filter_map(|line| line.split_once(' '));
        let is_this = |reference: &str| {
            let of_remote = reference.strip_prefix("refs/remotes/").and_then(|rest| rest.split_once('/'));
            reference == self.reference() || of_remote.is_some_and(|(_, name)| name == self.name)
        };
        Ok(references.filter(|(_, reference)| is_this(reference)).map(|(tip, _)| tip.to_owned()).collect())
    }

    fn tip(&self, reference: &str) -> Result<Option<String>> {
        let output = children::output(self.git().args(["rev-parse", "--verify", "--quiet", reference]));
        let output = output.context("cannot start git")?;
        Ok(output.status.success().then(|| line(output.stdout)))
    }

    fn reference(&self) -> String {
        format!("refs/heads/{}", self.name)
    }

    fn git(&self) -> Command {
        git(&self.folder)
    }
}

/// The content that `cat-file --batch` tells first, and what follows it.
fn first_blob(told: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = told.iter().position(|byte| *byte == b'\n')?;
    let size: usize = std::str::from_utf8(&told[..end]).ok()?.split_once(" blob ")?.1.parse().ok()?;
    let content = told.get(end + 1..end + 1 + size)?;
    Some((content, told.get(end + 1 + size + 1..)?))
}

fn text(bytes: Vec<u8>) -> std::io::Result<String> {
    use std::io::{Error, ErrorKind};
    if bytes.len() as u64 > Limit::HISTORY.bytes {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it has {} bytes", bytes.len())));
    }
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

fn line(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// Waits for a random part of a time that grows with each attempt, so that those who collided do not do so again.
fn wait(attempt: u32) {
    let longest = FIRST_WAIT.saturating_mul(1 << attempt.min(10)).min(LONGEST_WAIT);
    // Each state has keys of its own.
    let random = RandomState::new().hash_one(attempt) as f64 / u64::MAX as f64;
    thread::sleep(longest.mul_f64(random));
}
