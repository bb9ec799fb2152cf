//! Where a command writes. What would destroy another file is refused before anything is measured or posted.

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use wanbench::files::read::{self, Limit};
use wanbench::files::save;
use wanbench::github::Marker;
use wanbench::report::markdown;

use super::status::{Error, Result};
use crate::cli::{Calibrate, Comment, Measure, Publication, Sources};

/// What a Markdown file holds.
const REPORT: &str = "report of wanbench";

/// What a file that Actions name holds.
const STEP_LINES: &str = "lines of a step";

/// A file that is read, and the flag that names it.
type Named<'a> = (&'static str, &'a Path);

/// A file that is written: the flag that names it, and what it holds.
type Output<'a> = (&'static str, &'a Path, &'static str);

/// Refuses outputs of a measurement that are one file, or one that it reads, or that would replace a file of another kind.
pub fn check_measured(args: &Measure, publication: Option<&Publication>) -> Result<()> {
    if args.list {
        return Ok(());
    }
    let mut outputs: Vec<Output> = vec![("--json", &args.json, "results")];
    outputs.extend(args.markdown.as_deref().map(|path| ("--markdown", path, REPORT)));
    outputs.extend(publication.into_iter().flat_map(appended));
    check(&outputs, &[("--config", &args.sources.config)], &args.sources)?;
    check_markdown(args.markdown.as_deref())
}

/// The same of a comment on saved results.
pub fn check_comment(args: &Comment) -> Result<()> {
    let mut outputs: Vec<Output> = args.markdown.iter().map(|path| ("--markdown", path.as_path(), REPORT)).collect();
    outputs.extend(appended(&args.publication));
    let mut inputs: Vec<Named> = vec![("--config", &args.sources.config)];
    inputs.extend(args.results.iter().map(|path| ("--results", path.as_path())));
    inputs.extend(args.publication.api.event.iter().map(|path| ("--event", path.as_path())));
    check(&outputs, &inputs, &args.sources)?;
    check_markdown(args.markdown.as_deref())
}

/// The same of a calibration.
pub fn check_calibration(args: &Calibrate) -> Result<()> {
    let sources = Sources { config: args.config.clone(), baselines_given: None };
    check(&[("--json", &args.json, "calibration")], &[("--config", &args.config)], &sources)
}

/// The files that Actions name for a step.
fn appended(publication: &Publication) -> impl Iterator<Item = Output<'_>> {
    let files = [("--step-summary", &publication.step_summary), ("--output", &publication.api.output)];
    let is_named = |path: &&Path| !path.as_os_str().is_empty();
    files.into_iter().filter_map(move |(flag, path)| Some((flag, path.as_deref().filter(is_named)?, STEP_LINES)))
}

fn check(outputs: &[Output], inputs: &[Named], sources: &Sources) -> Result<()> {
    let baselines = place(&sources.baselines());
    for (index, (flag, path, what)) in outputs.iter().enumerate() {
        let is_there = |other: &Path| is_same(other, path) && !save::is_special(path);
        if let Some((other, ..)) = outputs[..index].iter().find(|(_, other, _)| is_there(other)) {
            return Err(Error::usage(format!("{other} and {flag} name the same file, {}", path.display())));
        }
        let refused = |why: &str| Err(Error::usage(format!("{flag} {}: {why}", path.display())));
        if let Some((other, _)) = inputs.iter().find(|(_, other)| is_there(other)) {
            return refused(&format!(
                "the file exists and holds no {what}: it is the file of {other}; choose another path"
            ));
        }
        let place = place(path);
        if place.extension().is_some_and(|extension| extension == "json") && place.parent() == Some(&*baselines) {
            return refused("would lie among the baselines, and be read as one: choose another folder");
        }
        if *what == STEP_LINES && is_document(&place) {
            return refused(
                "the file exists and holds a document, which lines at its end would spoil: choose another path",
            );
        }
    }
    Ok(())
}

/// Whether a file begins as JSON or a script does: nothing that belongs behind lines of a step.
fn is_document(path: &Path) -> bool {
    let text = if save::is_special(path) { None } else { read::text(path, Limit::REPORT).ok() };
    text.is_some_and(|text| ["{", "[", "#!"].iter().any(|start| text.trim_start().starts_with(start)))
}

/// Refuses to replace anything by a Markdown report but an earlier one, an earlier comment, or an empty file.
fn check_markdown(path: Option<&Path>) -> Result<()> {
    let Some(path) = path.filter(|path| !save::is_special(path)) else { return Ok(()) };
    let place = place(path);
    if !place.is_file() {
        return Ok(());
    }
    let is_own = read::text(&place, Limit::REPORT)
        .is_ok_and(|text| text.trim().is_empty() || markdown::is_report(&text) || Marker::begins_any(&text));
    match is_own {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "--markdown {}: the file exists and holds no {REPORT}: choose another path, or remove the file",
            path.display()
        ))),
    }
}

/// Whether two paths are of one file, whatever it is called by.
fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    place(one) == place(other) || file(one).is_some_and(|one| file(other) == Some(one))
}

/// Where a file is or will be: absolute, without links. Folders that are missing will be made.
fn place(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut place = PathBuf::new();
    for component in absolute.components() {
        match component {
            // Behind a folder without links, or behind one that will be made.
            Component::ParentDir => drop(place.pop()),
            component => place.push(component),
        }
        if let Ok(real) = place.canonicalize().or_else(|_| save::destination(&place)) {
            place = real;
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_place_whatever_it_is_called_by() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        std::fs::create_dir(home.join("folder")).unwrap();
        std::fs::write(home.join("file"), "").unwrap();
        std::os::unix::fs::symlink("folder", home.join("link")).unwrap();
        std::os::unix::fs::symlink("new", home.join("dangling")).unwrap();
        for (path, at) in [
            ("file", "file"),
            ("./folder/../file", "file"),
            ("link/../file", "file"),
            ("missing/../file", "file"),
            ("missing/deeper/../../link/new", "folder/new"),
            ("missing/new", "missing/new"),
            ("dangling", "new"),
        ] {
            assert_eq!(place(&home.join(path)), home.join(at), "{path}");
        }
        std::fs::hard_link(home.join("file"), home.join("folder/hard")).unwrap();
        assert!(is_same(&home.join("file"), &home.join("folder/hard")));
        assert!(!is_same(&home.join("file"), &home.join("missing")));
    }
}
