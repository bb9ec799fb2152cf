//! Where a command writes. What would destroy another file is refused before anything is measured or posted.

use std::path::{Path, PathBuf};

use wanbench::files::read::{self, Limit};
use wanbench::files::save;
use wanbench::github::Marker;
use wanbench::report::markdown;

use super::status::{Error, Result};
use crate::cli::{Calibrate, Comment, Measure, Publication, Sources};

/// What a Markdown file holds.
const REPORT: &str = "report of wanbench";

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
    check(&outputs, &[("--config", &args.sources.config)], Some(&args.sources))?;
    check_markdown(args.markdown.as_deref())
}

/// The same of a comment on saved results.
pub fn check_comment(args: &Comment) -> Result<()> {
    let mut outputs: Vec<Output> = args.markdown.iter().map(|path| ("--markdown", path.as_path(), REPORT)).collect();
    outputs.extend(appended(&args.publication));
    let mut inputs: Vec<Named> = vec![("--config", &args.sources.config)];
    inputs.extend(args.results.iter().map(|path| ("--results", path.as_path())));
    inputs.extend(args.publication.api.event.iter().map(|path| ("--event", path.as_path())));
    check(&outputs, &inputs, Some(&args.sources))?;
    check_markdown(args.markdown.as_deref())
}

/// The same of a calibration.
pub fn check_calibration(args: &Calibrate) -> Result<()> {
    check(&[("--json", &args.json, "calibration")], &[("--config", &args.config)], None)
}

/// The files that Actions name for a step.
fn appended(publication: &Publication) -> impl Iterator<Item = Output<'_>> {
    let files = [("--step-summary", &publication.step_summary), ("--output", &publication.api.output)];
    let is_named = |path: &&Path| !path.as_os_str().is_empty();
    files.into_iter().filter_map(move |(flag, path)| Some((flag, path.as_deref().filter(is_named)?, "lines of a step")))
}

fn check(outputs: &[Output], inputs: &[Named], sources: Option<&Sources>) -> Result<()> {
    for (index, (flag, path, what)) in outputs.iter().enumerate() {
        let place = place(path);
        let is_there = |other: &Path| self::place(other) == place && !is_special(path);
        if let Some((other, ..)) = outputs[..index].iter().find(|(_, other, _)| is_there(other)) {
            return Err(Error::usage(format!("{other} and {flag} name the same file, {}", path.display())));
        }
        if let Some((other, _)) = inputs.iter().find(|(_, other)| is_there(other)) {
            return Err(Error::usage(format!(
                "{flag} {}: the file exists and holds no {what}: it is the file of {other}; choose another path",
                path.display()
            )));
        }
        let baselines = sources.map(|sources| self::place(&sources.baselines()));
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        if is_json && place.parent().is_some_and(|folder| baselines.as_deref() == Some(folder)) {
            return Err(Error::usage(format!(
                "{flag} {}: would lie among the baselines, and be read as one: choose another folder",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Refuses to replace anything by a Markdown report but an earlier one, an earlier comment, or an empty file.
fn check_markdown(path: Option<&Path>) -> Result<()> {
    let Some(path) = path.filter(|path| path.is_file() && !is_special(path)) else { return Ok(()) };
    let is_own = read::text(path, Limit::REPORT)
        .is_ok_and(|text| text.trim().is_empty() || markdown::is_report(&text) || Marker::begins_any(&text));
    match is_own {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "--markdown {}: the file exists and holds no {REPORT}: choose another path, or remove the file",
            path.display()
        ))),
    }
}

/// Whether it is a device or a pipe, or leads to one: nothing there can be destroyed.
fn is_special(path: &Path) -> bool {
    path.starts_with("/dev") || path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Where a file is or will be, whatever it is called by: absolute, without links.
fn place(path: &Path) -> PathBuf {
    let path = save::destination(path).and_then(std::path::absolute).unwrap_or_else(|_| path.to_owned());
    let mut missing = PathBuf::new();
    for folder in path.ancestors() {
        if let Ok(folder) = folder.canonicalize() {
            return if missing.as_os_str().is_empty() { folder } else { folder.join(missing) };
        }
        let name = PathBuf::from(folder.file_name().unwrap_or_default());
        missing = if missing.as_os_str().is_empty() { name } else { name.join(missing) };
    }
    path
}
