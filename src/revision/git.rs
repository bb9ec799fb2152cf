//! What git says of a checkout, and what a commit holds.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::children;
use crate::text::format;

/// Stands between a commit and the hash of what differs from it.
const DIRTY: &str = "-dirty-";
/// Digits of that hash.
const DIRTY_DIGITS: usize = 12;

/// The commit checked out in `folder`, as in `50fe981…-dirty-1f0c9a3be2d4` where tracked files differ from it: at the end
/// stand the first digits of a hash of the differences. What lies in the folder `apart` makes no difference. `None` outside a
/// checkout or without git.
pub fn head(folder: &Path, apart: &Path) -> Option<String> {
    let commit = resolve(folder, "HEAD").ok().flatten()?;
    let mut exclusion = OsString::from(":(exclude)");
    exclusion.push(apart);
    let diff =
        ["-c", "core.quotePath=true", "diff", "--full-index", "--no-ext-diff", "--no-textconv", "HEAD", "--", ":/"];
    // Where git cannot tell, what is known is the commit.
    let differences = run(git(folder).args(diff).arg(exclusion)).unwrap_or_default();
    if differences.is_empty() {
        return Some(commit);
    }
    let hash = Sha256::digest(&differences);
    let digits: String = format::hexadecimal(&hash[..DIRTY_DIGITS / 2]);
    Some(format!("{commit}{DIRTY}{digits}"))
}

/// The commit that a name as [`head`] gives it begins with.
pub fn clean(name: &str) -> &str {
    match name.split_once(DIRTY) {
        Some((commit, digits)) if digits.len() == DIRTY_DIGITS && digits.bytes().all(|it| it.is_ascii_hexdigit()) => {
            commit
        }
        _ => name,
    }
}

/// The commit that `revision` names in the repository around `folder`; `None` where it names none there.
pub fn resolve(folder: &Path, revision: &str) -> Result<Option<String>> {
    // A revision may begin with a dash: it is none of git's options all the same.
    let revision = format!("{revision}^{{commit}}");
    let mut git = git(folder);
    git.args(["rev-parse", "--verify", "--quiet", "--end-of-options", &revision]);
    let output = children::output(&mut git).context("cannot start git")?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

/// The uppermost folder of the checkout around `folder`, as an absolute path; an error outside a checkout.
pub fn toplevel(folder: &Path) -> Result<PathBuf> {
    let mut path = run(git(folder).args(["rev-parse", "--show-toplevel"]))?;
    path.pop_if(|last| *last == b'\n');
    Ok(OsString::from_vec(path).into())
}

/// The default branch of the repository around `folder`: that of `origin`, else one of the usual names that it or this repository
/// has, else the one checked out. `None` outside a repository.
pub fn default_branch(folder: &Path) -> Option<String> {
    let told = |arguments: &[&str]| {
        let branch = String::from_utf8(run(git(folder).args(arguments)).ok()?).ok()?;
        Some(branch.trim().to_owned()).filter(|branch| !branch.is_empty())
    };
    let of_origin = told(&["symbolic-ref", "--short", "refs/remotes/origin/HEAD"]);
    if let Some(branch) = of_origin.as_ref().and_then(|branch| branch.strip_prefix("origin/")) {
        return Some(branch.to_owned());
    }
    let is_there = |place: &str, name: &str| {
        let reference = format!("{place}/{name}");
        told(&["rev-parse", "--verify", "--quiet", "--end-of-options", &reference]).is_some()
    };
    let usual = ["refs/remotes/origin", "refs/heads"]
        .into_iter()
        .find_map(|place| ["main", "master", "trunk", "develop"].into_iter().find(|name| is_there(place, name)));
    usual.map(str::to_owned).or_else(|| told(&["branch", "--show-current"]))
}

/// The text of the file `path`, relative to `folder`, as it is at `commit`; `None` where there is no such file.
///
/// A path outside the repository and a file that is no text are errors.
pub fn show(folder: &Path, commit: &str, path: &Path) -> Result<Option<String>> {
    let Some((blob, _)) = blobs(folder, commit, path.as_os_str())?.into_iter().next() else { return Ok(None) };
    let text = run(git(folder).args(["cat-file", "blob", &blob]))?;
    Ok(Some(String::from_utf8(text).with_context(|| format!("{} at {commit} is not text", path.display()))?))
}

/// The files that lie in the folder `dir`, relative to `folder`, at `commit`, without those of folders below it; paths
/// as [`show`] takes them. Empty where there is no such folder.
pub fn files(folder: &Path, commit: &str, dir: &Path) -> Result<Vec<PathBuf>> {
    // Joined with nothing, a path ends in a slash, by which git lists the folder's contents and not itself.
    Ok(blobs(folder, commit, dir.join("").as_os_str())?.into_iter().map(|(_, path)| path).collect())
}

/// The files of `commit` that have one of these `names`, in whatever folder: paths from the repository's root.
pub fn named(folder: &Path, commit: &str, names: &[&str]) -> Result<Vec<PathBuf>> {
    let listing = run(git(folder).args(["ls-tree", "-r", "-z", "--full-tree", "--name-only", commit]))?;
    let paths = listing.split(|byte| *byte == 0).map(|path| PathBuf::from(OsStr::from_bytes(path)));
    let is_named = |path: &PathBuf| names.iter().any(|name| path.file_name() == Some(OsStr::new(name)));
    Ok(paths.filter(is_named).collect())
}

/// Writes all files of `commit` below `destination`, a new folder; `work` is a new file that is gone afterwards.
///
/// With an index of its own (the file `work`), so that nothing in the repository changes. A worktree of git's would leave
/// an entry there, which outlives a cleared cache and which only a `git worktree prune` removes, together with those of
/// the user's own worktrees that just now are not mounted; and it could not be had from a read-only repository.
pub fn export(repository: &Path, commit: &str, destination: &Path, work: &Path) -> Result<()> {
    let mut prefix = OsString::from("--prefix=");
    prefix.push(destination.join(""));
    // All files, whatever part of them the user's own checkout shows.
    let command = |name: &str| {
        let mut command = git(repository);
        command.args(["-c", "core.sparseCheckout=false", name]).env("GIT_INDEX_FILE", work);
        command
    };
    run(command("read-tree").arg(commit))?;
    run(command("checkout-index").arg("--all").arg(prefix))?;
    std::fs::remove_file(work).with_context(|| format!("cannot remove {}", work.display()))
}

/// Object names and paths, relative to `folder`, of the files that `path` names at `commit`: itself, or with a slash at
/// its end those in it.
fn blobs(folder: &Path, commit: &str, path: &OsStr) -> Result<Vec<(String, PathBuf)>> {
    let listing = run(git(folder).args(["ls-tree", "-z", commit, "--"]).arg(path))?;
    let entries = listing.split(|byte| *byte == 0).filter_map(|entry| {
        // MODE TYPE OBJECT<tab>PATH
        let tab = entry.iter().position(|byte| *byte == b'\t')?;
        let attributes = String::from_utf8_lossy(&entry[..tab]);
        let object = attributes.split_once(" blob ")?.1.to_owned();
        Some((object, PathBuf::from(OsStr::from_bytes(&entry[tab + 1..]))))
    });
    Ok(entries.collect())
}

/// git in `folder`, whatever repository the environment names, as it does in a hook.
pub(super) fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    // Nor does it ask at a terminal, at whose side it does not stand.
    git.current_dir(folder).env("GIT_TERMINAL_PROMPT", "0");
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        git.env_remove(variable);
    }
    git
}

/// What `git` prints; an error with its words where it fails.
pub(super) fn run(git: &mut Command) -> Result<Vec<u8>> {
    run_with(git, Stdio::null())
}

/// The same of a git that reads `input`.
pub(super) fn run_with(git: &mut Command, input: impl Into<Stdio>) -> Result<Vec<u8>> {
    let output = children::output_with(git, input).context("cannot start git")?;
    if !output.status.success() {
        bail!("git: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_with_changed_files_is_told_from_its_commit() {
        let folder = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
            run(git(folder.path()).args(identity).args(arguments)).unwrap()
        };
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let head = || head(folder.path(), Path::new("baselines")).unwrap();
        git(&["init", "--quiet"]);
        std::fs::create_dir(folder.path().join("baselines")).unwrap();
        write("worker.py", "1");
        write("baselines/a.json", "1");
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", "first"]);
        let commit = head();
        assert_eq!((commit.len(), clean(&commit)), (40, commit.as_str()));
        write("baselines/a.json", "2");
        write("results.json", "untracked");
        assert_eq!(head(), commit, "what a measurement itself writes is no change of what is measured");
        write("worker.py", "2");
        let dirty = head();
        assert_eq!((dirty.len(), clean(&dirty)), (40 + 7 + 12, commit.as_str()));
        write("worker.py", "3");
        assert_ne!(head(), dirty, "another change has another hash");
        git(&["commit", "--quiet", "--all", "-m", "second"]);
        assert_eq!(head(), clean(&head()));
    }
}
